"""Property values between protobuf's Struct and Python.

Inside a plugin a bag of properties is a plain dict in which `UNKNOWN` stands for what is not known yet, beside the
set of paths that are secret. Keeping secrecy apart from the values lets all other code handle plain data; it is put
back on the way out. The signatures are those of
https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/deployment-schema.html#special-values.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from google.protobuf import struct_pb2

from .paths import Path

Values = dict[str, Any]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
    }
)


class Unknown:
    """The type of `UNKNOWN`, a value that is only known once something else has been created."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        # A truth test is where an unknown would silently be taken for a value.
        raise TypeError("an unknown value is neither true nor false")


UNKNOWN = Unknown()


class Properties(NamedTuple):
    """A bag of properties: plain values, and the paths in them that are secret."""

    values: Values
    secrets: frozenset[Path]


class WireError(ValueError):
    """A value that this plugin cannot take."""


def is_unknown(value: Any) -> bool:
    """Say whether a value is unknown as a whole."""
    return value is UNKNOWN


def has_unknown(value: Any) -> bool:
    """Say whether a value is unknown or has something unknown in it."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def decode(struct: struct_pb2.Struct) -> Properties:
    """Read properties off the wire.

    Explicit nulls are left out, whole numbers become int, references to resources become the resource's id.

    Raises:
        WireError: There is an asset or an archive among them.
    """
    secrets: set[Path] = set()
    values = {
        key: value for key, field in struct.fields.items() if (value := _decode(field, (key,), secrets)) is not None
    }
    return Properties(values, frozenset(secrets))


def _decode(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in _UNKNOWNS else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item, (*path, index), secrets) for index, item in enumerate(value.list_value.values)]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields:
            return _decode_special(value.struct_value, path, secrets)
        return {
            key: item for key, field in fields.items() if (item := _decode(field, (*path, key), secrets)) is not None
        }
    return None


def _decode_special(struct: struct_pb2.Struct, path: Path, secrets: set[Path]) -> Any:
    fields = struct.fields
    signature = fields[_SIGNATURE].string_value
    if signature == _SECRET:
        secrets.add(path)
        return _decode(fields["value"], path, secrets)
    if signature == _OUTPUT:
        if "secret" in fields and fields["secret"].bool_value:
            secrets.add(path)
        return _decode(fields["value"], path, secrets) if "value" in fields else UNKNOWN
    if signature == _RESOURCE:
        identifier = fields["id"].string_value if "id" in fields else ""
        # A reference to a resource that is not created yet comes with an empty id.
        return UNKNOWN if identifier in ("", *_UNKNOWNS) else identifier
    raise WireError("assets and archives are not taken by any resource type of this plugin")


def encode(values: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Write properties for the wire, with what is at one of the secret paths marked as such."""
    struct = struct_pb2.Struct()
    marked = frozenset(secrets)
    for key, value in values.items():
        if value is not None:
            _encode(value, (key,), marked, struct.fields[key])
    return struct


def _encode(value: Any, path: Path, secrets: frozenset[Path], into: struct_pb2.Value) -> None:
    if path in secrets:
        wrapped = into.struct_value.fields
        wrapped[_SIGNATURE].string_value = _SECRET
        into = wrapped["value"]
    if value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        into.string_value = _UNKNOWN_STRING
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, (int, float)):
        into.number_value = value
    elif isinstance(value, Mapping):
        # An empty mapping has to be set as well, or the value would have no kind at all.
        into.struct_value.SetInParent()
        for key, item in value.items():
            if item is not None:
                _encode(item, (*path, key), secrets, into.struct_value.fields[key])
    elif isinstance(value, (list, tuple)):
        into.list_value.SetInParent()
        for index, item in enumerate(value):
            _encode(item, (*path, index), secrets, into.list_value.values.add())
    else:
        raise TypeError(f"{value!r} at {path} is no property value")
