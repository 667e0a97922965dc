"""The golden file of every preset: what IAM is given for the scopes of `scopes.py`.

`python -m tests.unit.presets.golden` writes them anew; what changed is then to be read in the diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components import presets

from .scopes import cluster, scopes

FOLDER = Path(__file__).parent / "golden"


def expected(name: str, scope: dict[str, Any]) -> str:
    preset = presets.build(name, cluster(), scope)
    content = {"policies": preset.policies, "managed_policy_arns": preset.managed_policy_arns}
    return json.dumps(content, indent=2) + "\n"


def main() -> None:
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for name, scope in scopes().items():
        (FOLDER / f"{name}.json").write_text(expected(name, scope))


if __name__ == "__main__":
    main()
