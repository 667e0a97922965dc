"""The policies of the pack. Importing this makes no pack and prints nothing: `policies()` gives them, to any pack."""

from ._pack import policies
from ._rules import rules

__all__ = ["policies", "rules"]
