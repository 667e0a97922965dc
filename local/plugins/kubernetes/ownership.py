"""Who manages which fields of an object.

``metadata.managedFields`` says of every manager what it has set, in the notation of
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ (``fieldsV1``): ``f:`` a member,
``k:`` the element of a list with these keys, ``v:`` the element with this value.
"""

import json
from collections.abc import Iterable
from typing import Any

from ..base.properties import is_empty
from .kubeconfig import Json
from .objects import LAST_APPLIED

Fields = dict[str, Any]

_CONTROLLERS = frozenset(
    {
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager"),
        *("cluster-autoscaler", "horizontal-pod-autoscaler", "karpenter", "kwok", "kwok-controller"),
    }
)
"""Managers that act for the cluster and not for a person: what they set is no input of anybody."""

_SERVER_METADATA = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid")
_SERVER_ANNOTATIONS = (LAST_APPLIED, "deployment.kubernetes.io/revision")


def entries(live: Json) -> list[Json]:
    """The entries of an object's ``managedFields``."""
    return live.get("metadata", {}).get("managedFields") or []


def fields_of(live: Json, manager: str) -> Fields:
    """The fields that a manager has."""
    return _union(entry.get("fieldsV1") or {} for entry in entries(live) if entry.get("manager") == manager)


def set_by_people(live: Json) -> Json:
    """The part of an object that somebody set: what an import takes for its inputs."""
    chosen = [entry.get("fieldsV1") or {} for entry in entries(live) if _is_of_people(entry)]
    found: Json = project(live, _union(chosen)) if chosen else {k: v for k, v in live.items() if k != "status"}
    metadata = {name: value for name, value in (found.get("metadata") or {}).items() if name not in _SERVER_METADATA}
    for section in ("annotations", "labels"):
        kept = {key: value for key, value in (metadata.pop(section, None) or {}).items() if not _is_servers(key, live)}
        if kept:
            metadata[section] = kept
    # Nobody manages what an object is called.
    identity = {name: live["metadata"][name] for name in ("name", "namespace") if name in live["metadata"]}
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        **found,
        "metadata": {**metadata, **identity},
    }


def _is_of_people(entry: Json) -> bool:
    return not entry.get("subresource") and entry.get("manager") not in _CONTROLLERS


def _is_servers(key: str, live: Json) -> bool:
    return key in _SERVER_ANNOTATIONS or (live["kind"] == "Namespace" and key == "kubernetes.io/metadata.name")


def adopt(live: Json, manager: str) -> list[Json] | None:
    """Make a manager the one of all fields that people have set by other means than server-side apply.

    Only who manages a field can take it away again.

    Returns:
        The new entries; None if there is nothing to adopt.
    """
    versions = {live["apiVersion"]}
    taken = [
        entry
        for entry in entries(live)
        if _is_of_people(entry) and entry.get("operation") == "Update" and entry.get("apiVersion") in versions
    ]
    if not taken:
        return None
    ours = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": _union(entry.get("fieldsV1") or {} for entry in taken),
        "time": max(entry.get("time", "") for entry in taken),
    }
    return [*(entry for entry in entries(live) if entry not in taken), ours]


def _union(parts: Iterable[Fields]) -> Fields:
    found: Fields = {}
    for part in parts:
        for key, inside in part.items():
            found[key] = _union([found[key], inside]) if key in found else inside
    return found


def project(value: Any, fields: Fields) -> Any:
    """The part of a value that belongs to fields."""
    if not fields:
        return value
    if isinstance(value, dict):
        found = {}
        for key, inside in fields.items():
            name = key.removeprefix("f:")
            if key.startswith("f:") and name in value:
                found[name] = project(value[name], inside)
        return found
    if isinstance(value, list):
        chosen = []
        for item in value:
            inside = _element(item, fields)
            if inside is not None:
                chosen.append(project(item, {key: sub for key, sub in inside.items() if key != "."}))
        return chosen
    return value


def _element(item: Any, fields: Fields) -> Fields | None:
    for key, inside in fields.items():
        if key.startswith("k:"):
            names = json.loads(key[2:])
            # A key that the program leaves out is one that the API server has filled in.
            if isinstance(item, dict) and all(item.get(name, value) == value for name, value in names.items()):
                return inside
        elif key.startswith("v:") and json.loads(key[2:]) == item:
            return inside
    return None


def reconcile(given: Any, live: Any, fields: Fields | None) -> Any:
    """Find the inputs by which an object would be as it is.

    What a manager still has is as it was given, if in other words (a quantity ``1000m`` becomes ``1``); of the rest,
    the live value counts. What was never given stays out.

    Args:
        given: The inputs so far.
        live: The object.
        fields: The fields that our manager has in it; None for none.
    """
    if fields is not None and not fields:
        return given
    if isinstance(given, dict) and isinstance(live, dict):
        found = {}
        for name, value in given.items():
            if name in live:
                found[name] = reconcile(value, live[name], None if fields is None else fields.get(f"f:{name}"))
            elif is_empty(value):
                # The API server leaves out what is empty or false.
                found[name] = value
        return found
    if isinstance(given, list) and isinstance(live, list):
        return _reconcile_list(given, live, fields)
    return live


def _reconcile_list(given: list[Any], live: list[Any], fields: Fields | None) -> list[Any]:
    keys = [json.loads(key[2:]) for key in fields or () if key.startswith("k:")]
    if fields and not keys:
        # A set: its elements are what they are.
        return [item for item in given if item in live]
    if not keys:
        if len(given) != len(live):
            return live
        return [reconcile(ours, theirs, None) for ours, theirs in zip(given, live, strict=True)]
    found = []
    for item in given:
        counterpart = next((other for other in live if _is_same_element(item, other, keys[0])), None)
        if counterpart is not None:
            found.append(reconcile(item, counterpart, _element(item, fields or {})))
    return found


def _is_same_element(item: Any, other: Any, names: Iterable[str]) -> bool:
    return isinstance(item, dict) and all(name not in item or item[name] == other.get(name) for name in names)
