"""What the API spells differently from programs."""

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..base.wire import Values
from .kinds import Kind
from .kubeconfig import Json

_IN_API = "x-kubernetes-"
_IN_PROGRAMS = "x_kubernetes_"
_DEFINITION = "CustomResourceDefinition"


def for_api(kind: Kind, values: Values) -> Json:
    """Spell an object as the API does."""
    if (kind.group, kind.name) == ("", "Secret"):
        return _encoded(values)
    if kind.name != _DEFINITION:
        return values
    # No language of Pulumi has a `-` in the name of a member.
    return _rename(values, lambda key: key.replace("_", "-") if key.startswith(_IN_PROGRAMS) else key)


def from_api(kind: Kind, live: Values) -> Values:
    """Spell an object as programs do."""
    if kind.name != _DEFINITION:
        return live
    return _rename(live, lambda key: key.replace("-", "_") if key.startswith(_IN_API) else key)


def _encoded(values: Values) -> Values:
    """Write a Secret's ``stringData`` as data, as the API server would do.

    Nobody manages what is only written: a key left out of ``stringData`` would stay in the Secret for ever.
    """
    given = values.get("stringData")
    if not isinstance(given, dict) or not all(isinstance(item, str) for item in given.values()):
        return values
    data = {name: base64.b64encode(item.encode()).decode() for name, item in given.items()}
    rest = {name: value for name, value in values.items() if name != "stringData"}
    return {**rest, "data": {**values.get("data", {}), **data}}


def with_string_data(known: Values, live: Values) -> Values:
    """Show a Secret's data also under ``stringData``, where the program gave it and nobody can read it."""
    given = known.get("stringData")
    if not isinstance(given, dict):
        return live
    shown = {}
    for name in given:
        with suppress(KeyError, ValueError):
            shown[name] = base64.b64decode(live["data"][name]).decode()
    return {**live, "stringData": shown}


def _rename(value: Any, spell: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {spell(key): _rename(item, spell) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename(item, spell) for item in value]
    return value
