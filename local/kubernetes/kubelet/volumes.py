"""The files of a pod's volumes, as the kubelet would make them.

https://kubernetes.io/docs/concepts/storage/volumes/
https://kubernetes.io/docs/concepts/storage/projected-volumes/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..pod_identity.api_server import Object
from .environment import Surroundings, Unresolvable, data_of, field_of, resource_of

KINDS = ("configMap", "downwardAPI", "emptyDir", "projected", "secret")
"""The kinds of volumes that there are here; what others hold is nowhere."""


@dataclass(frozen=True)
class File:
    """A file of a volume.

    Attributes:
        path: within the volume.
        mode: its permissions.
    """

    path: str
    data: bytes
    mode: int


def is_here(volume: Object) -> bool:
    """Tell whether a volume is of a kind that there is here."""
    return any(kind in volume for kind in KINDS)


def files_of(pod: Object, volume: Object, around: Surroundings) -> Iterator[File]:
    """Yield a volume's files but for its tokens.

    Raises:
        Unresolvable: what it refers to is not there.
    """
    for kind, source, mode in _sources(volume):
        if kind == "downwardAPI":
            for item in source.get("items") or []:
                yield File(item["path"], _downward(pod, item, around).encode(), item.get("mode") or mode)
        elif kind in ("configMap", "secret"):
            yield from _files_of_data(kind, source, mode, around)


def tokens_of(volume: Object) -> Iterator[Mapping[str, Any]]:
    """Yield what tokens a volume holds, as its specification asks for them."""
    for kind, source, _ in _sources(volume):
        if kind == "serviceAccountToken":
            yield source


def _sources(volume: Object) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield the kind and specification of all that is in a volume, with the mode of its files."""
    found: Sequence[Mapping[str, Any]] = [volume]
    settings = next((volume[kind] for kind in KINDS if volume.get(kind)), {})
    if "projected" in volume:
        found = settings.get("sources") or []
    for source in found:
        for kind in (*KINDS, "serviceAccountToken"):
            if source.get(kind) is not None:
                yield kind, source[kind], settings.get("defaultMode", 0o644)


def _files_of_data(kind: str, source: Mapping[str, Any], mode: int, around: Surroundings) -> Iterator[File]:
    name, optional = source.get("secretName") or source.get("name", ""), source.get("optional")
    data = data_of(kind, name, optional, around)
    items: Sequence[Mapping[str, Any]] = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] in data:
            yield File(item["path"], data[item["key"]], item.get("mode") or mode)
        elif not optional:
            raise Unresolvable(f"{kind} {name} has no key {item['key']}")


def _downward(pod: Object, item: Mapping[str, Any], around: Surroundings) -> str:
    if field := item.get("fieldRef"):
        return field_of(pod, field["fieldPath"])
    reference = item["resourceFieldRef"]
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    named = next(container for container in containers if container["name"] == reference["containerName"])
    return resource_of(named, reference, around)
