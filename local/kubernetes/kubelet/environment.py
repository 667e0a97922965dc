"""The environment of a container's processes, as the kubelet would make it.

https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..pod_identity.api_server import Object

# Returns the data of a ConfigMap or Secret of the pod's namespace by kind and name, None when there is none.
Lookup = Callable[[str, str], Mapping[str, str] | None]

_REFERENCE = re.compile(r"\$(?:\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class Unresolvable(Exception):
    """A variable refers to something that is not there; a kubelet would not start the container."""


def container_environment(pod: Object, container: Object, lookup: Lookup) -> dict[str, str]:
    """Return a container's variables.

    Variables for Services are left out (no cluster address can be reached from here), and so are those that
    refer to the container's resources.

    Args:
        pod: the pod.
        container: one of its containers or init containers.
        lookup: reads ConfigMaps and Secrets.

    Raises:
        Unresolvable: what a variable refers to is not there.
    """
    variables = {"HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"]}
    for source in container.get("envFrom") or []:
        for kind in ("configMapRef", "secretRef"):
            if kind in source:
                data = _data(kind.removesuffix("Ref"), source[kind], lookup)
                variables |= {source.get("prefix", "") + key: value for key, value in data.items()}
    for variable in container.get("env") or []:
        if "valueFrom" not in variable:
            variables[variable["name"]] = _expand(variable.get("value", ""), variables)
            continue
        value = _referred(pod, variable["valueFrom"], lookup)
        if value is not None:
            variables[variable["name"]] = value
    return variables


def decoded_secret(secret: Object) -> dict[str, str]:
    """Return a Secret's data as text."""
    data = secret.get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def _expand(value: str, variables: Mapping[str, str]) -> str:
    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        # What is not defined stays as it is written.
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(replacement, value)


def _data(kind: str, reference: Mapping[str, Any], lookup: Lookup) -> Mapping[str, str]:
    data = lookup(kind, reference["name"])
    if data is None:
        if reference.get("optional"):
            return {}
        raise Unresolvable(f"{kind} {reference['name']} not found")
    return data


def _referred(pod: Object, source: Mapping[str, Any], lookup: Lookup) -> str | None:
    for kind in ("configMap", "secret"):
        reference = source.get(f"{kind}KeyRef")
        if reference is not None:
            value = _data(kind, reference, lookup).get(reference["key"])
            if value is None and not reference.get("optional"):
                raise Unresolvable(f"{kind} {reference['name']} has no key {reference['key']}")
            return value
    field = source.get("fieldRef")
    return _field(pod, field["fieldPath"]) if field is not None else None


def _field(pod: Object, path: str) -> str:
    if found := _SUBSCRIPT.fullmatch(path):
        return (pod["metadata"].get(found[1]) or {}).get(found[2], "")
    status = pod.get("status", {})
    if path == "status.podIPs":
        return ",".join(item["ip"] for item in status.get("podIPs") or [])
    if path == "status.hostIPs":
        return ",".join(item["ip"] for item in status.get("hostIPs") or [])
    value: Any = pod
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)
