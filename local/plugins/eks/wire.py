"""Values as they travel between the engine and a component: plain, Output, or absent.

Component inputs arrive with the names and shapes of the wire (camelCase keys, every number a float). The
functions here answer the questions the components ask of such a value without resolving it.
"""

import json
from collections.abc import Mapping
from typing import Any

import pulumi

Inputs = Mapping[str, Any]


def is_given(value: Any) -> bool:
    """Say whether an input was given and is not trivially false or empty.

    An Output counts as given: whether it resolves to something is known too late to decide which resources exist.
    """
    return isinstance(value, pulumi.Output) or bool(value)


def compact(values: Inputs) -> dict[str, Any]:
    """Leave out what is None: the engine would otherwise store an explicit null, which differs from an absent key."""
    return {key: value for key, value in values.items() if value is not None}


def number(value: float) -> int | float:
    """Undo the wire's widening of integers to floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def text(value: Any) -> str:
    """Spell a scalar as the value of an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(number(value)) if isinstance(value, (int, float)) else str(value)


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """Write compact JSON in which whole numbers have no fraction.

    Args:
        value: What to write.
        sort_keys: Sort the keys on every level, so that equal values give equal text.
    """
    return json.dumps(_whole(value), sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False)


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return number(value) if isinstance(value, float) else value


def merged_tags(*layers: pulumi.Input[Inputs | None]) -> pulumi.Output[dict[str, Any]]:
    """Merge tag maps that may be unknown or absent; later layers win."""
    return pulumi.Output.all(*layers).apply(
        lambda maps: {key: value for layer in maps for key, value in (layer or {}).items()}
    )
