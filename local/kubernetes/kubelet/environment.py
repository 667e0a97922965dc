"""The environment of a container's processes, as the kubelet would make it.

https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

from ..pod_identity.api_server import Object

_REFERENCE = re.compile(r"\$(?:\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?")
_UNITS = {
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", 1)},
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}


class Unresolvable(Exception):
    """Something refers to what is not there; a kubelet would not start the container."""


class Surroundings(Protocol):
    """What a pod's specification refers to."""

    def data(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """Return what a ``configMap`` or ``secret`` of the pod's namespace holds; None when there is none."""
        ...

    def allocatable(self) -> Mapping[str, str]:
        """Return what the pod's node has for pods."""
        ...


def container_environment(pod: Object, container: Object, around: Surroundings) -> dict[str, str]:
    """Return a container's variables.

    Variables for Services are left out: no cluster address can be reached from here.

    Args:
        pod: the pod.
        container: one of its containers or init containers.
        around: reads what variables refer to.

    Raises:
        Unresolvable: what a variable refers to is not there.
    """
    variables = {"HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"]}
    for source in container.get("envFrom") or []:
        for kind in ("configMap", "secret"):
            reference = source.get(f"{kind}Ref")
            if reference is not None:
                found = data_of(kind, reference["name"], reference.get("optional"), around)
                variables |= {source.get("prefix", "") + key: _text(value) for key, value in found.items()}
    for variable in container.get("env") or []:
        if "valueFrom" not in variable:
            variables[variable["name"]] = expand(variable.get("value", ""), variables)
            continue
        value = _referred(pod, container, variable["valueFrom"], around)
        if value is not None:
            variables[variable["name"]] = value
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in the place of ``$(NAME)``; what is not defined stays as it is written."""

    def replacement(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return _REFERENCE.sub(replacement, text)


def data_of(kind: str, name: str, optional: bool | None, around: Surroundings) -> Mapping[str, bytes]:
    """Return what a ConfigMap or Secret holds; nothing when it is not there and optional.

    Raises:
        Unresolvable: it is not there.
    """
    data = around.data(kind, name)
    if data is None and not optional:
        raise Unresolvable(f"{kind} {name} not found")
    return data or {}


def field_of(pod: Object, path: str) -> str:
    """Return a field of a pod, for the downward API."""
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
    if isinstance(value, dict):  # all labels or annotations, as in a file
        return "\n".join(f'{key}="{_quoted(text)}"' for key, text in sorted(value.items()))
    return "" if value is None else str(value)


def resource_of(container: Object, reference: Mapping[str, Any], around: Surroundings) -> str:
    """Return a resource of a container, for the downward API: where it has no limit, what the node has."""
    kind, _, name = reference["resource"].partition(".")
    given = (container.get("resources", {}).get(kind) or {}).get(name)
    if given is None and kind == "limits":
        given = around.allocatable().get(name)
    divisor = quantity(reference.get("divisor") or "0")
    return str(math.ceil(quantity(given or "0") / (divisor or 1)))


def quantity(text: str) -> Fraction:
    """Return the number that a quantity of Kubernetes stands for.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, unit = found.groups()
    if unit is None or unit in _UNITS:
        return Fraction(number) * _UNITS.get(unit or "", 1)
    return Fraction(number) * Fraction(10) ** int(unit[1:])


def decoded_data(kind: str, item: Object) -> dict[str, bytes]:
    """Return what a ``configMap`` or a ``secret`` holds."""
    encoded = item.get("data" if kind == "secret" else "binaryData") or {}
    found = {key: base64.b64decode(value) for key, value in encoded.items()}
    if kind == "configMap":
        found |= {key: value.encode() for key, value in (item.get("data") or {}).items()}
    return found


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _referred(pod: Object, container: Object, source: Mapping[str, Any], around: Surroundings) -> str | None:
    for kind in ("configMap", "secret"):
        reference = source.get(f"{kind}KeyRef")
        if reference is not None:
            data = data_of(kind, reference["name"], reference.get("optional"), around)
            value = data.get(reference["key"])
            if value is None and not reference.get("optional"):
                raise Unresolvable(f"{kind} {reference['name']} has no key {reference['key']}")
            return None if value is None else _text(value)
    if (field := source.get("fieldRef")) is not None:
        return field_of(pod, field["fieldPath"])
    if (resource := source.get("resourceFieldRef")) is not None:
        return resource_of(container, resource, around)
    return None
