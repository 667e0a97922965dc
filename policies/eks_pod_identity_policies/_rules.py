"""The rules, found where they are: in the checkout that the pack is part of, or in the wheel `eks-pod-identity`.

Only the rules are loaded, which import nothing but the standard library, and not the components around them, which
would take a second of every preview for SDKs that no policy needs.
"""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

_NAME = "eks_pod_identity_rules"


def _folder() -> Path:
    checkout = Path(__file__).parents[2] / "components" / "rules"
    if (checkout / "__init__.py").is_file():
        return checkout
    # Of a package without dots the spec is found without importing it.
    wheel = importlib.util.find_spec("eks_pod_identity")
    for place in (wheel.submodule_search_locations or ()) if wheel else ():
        if (Path(place) / "rules" / "__init__.py").is_file():
            return Path(place) / "rules"
    raise ModuleNotFoundError(
        "The policies need the rules of eks-pod-identity: install it where they run (pip install eks-pod-identity), or "
        "run them from the checkout."
    )


if TYPE_CHECKING:
    from components import rules
else:
    if _NAME not in sys.modules:
        _package = _folder()
        _spec = importlib.util.spec_from_file_location(
            _NAME, _package / "__init__.py", submodule_search_locations=[str(_package)]
        )
        sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_NAME])
    rules = sys.modules[_NAME]

__all__ = ["rules"]
