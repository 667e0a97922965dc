"""When an object is ready, by its kind or by what its annotations ask for.

A condition looks at an object and says what is still missing, None if nothing is, or raises `Failed` if it will never
be ready.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..base.errors import ProviderError
from . import objects
from .cluster import Cluster
from .kinds import ApiResource
from .kubeconfig import Json

Condition = Callable[[Json], str | None]


class Failed(Exception):
    """It will never be ready."""


def condition_for(cluster: Cluster, resource: ApiResource, wanted: Json) -> Condition | None:
    """Find what is to be waited for; None if an object is ready once it exists.

    Raises:
        ProviderError: The annotation that says so is malformed.
    """
    asked = objects.annotation(wanted, objects.WAIT_FOR)
    if asked:
        return asked_for(asked)
    make = _BY_KIND.get((resource.kind.group, resource.kind.name))
    return None if make is None else make(cluster)


# What an annotation asks for


def asked_for(annotation: str) -> Condition:
    """Understand the annotation that says what to wait for.

    Raises:
        ProviderError: It is malformed.
    """
    return all_of([parse(expression) for expression in _expressions(annotation)])


def _expressions(text: str) -> list[str]:
    if not text.startswith("["):
        return [text]
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise ProviderError(f"{text} is no JSON list of texts")
    return found


def parse(expression: str) -> Condition:
    """Understand what ``kubectl wait --for`` takes: ``condition=Ready``, ``jsonpath={.status.phase}=Running``.

    Raises:
        ProviderError: It is neither.
    """
    if match := re.fullmatch(r"condition=([^=]+)(?:=(.+))?", expression):
        kind, status = match[1], match[2] or "True"
        return lambda live: (
            None
            if _condition(live, kind).get("status", "").lower() == status.lower()
            else f"its condition {kind} is not {status}"
        )
    if match := re.fullmatch(r"jsonpath=['\"]?\{?(\.?[^{}=]+)\}?['\"]?(?:={1,2}(.+))?", expression):
        return _json_path(match[1], match[2])
    raise ProviderError(f"{expression!r} is neither `condition=TYPE` nor `jsonpath={{PATH}}=VALUE`")


def _json_path(path: str, value: str | None) -> Condition:
    if re.search(r"[*?@]|\.\.|:", re.sub(r"\"[^\"]*\"|'[^']*'", "", path)):
        raise ProviderError(f"the JSONPath {path!r} is more than members and indexes")
    parts = [
        next(filter(None, part))
        for part in re.findall(r"\.((?:\\.|[^.\[\]\\])+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]", f".{path.lstrip('.')}")
    ]

    def judge(live: Json) -> str | None:
        found: Any = live
        for part in parts:
            if isinstance(found, list):
                found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
            elif isinstance(found, dict):
                found = found.get(part.replace("\\", ""))
            else:
                found = None
        if found is None:
            return f"it has no {path}"
        shown = json.dumps(found) if isinstance(found, (bool, dict, list)) else str(found)
        return None if value is None or shown == value.strip("'\"") else f"its {path} is {shown} and not {value}"

    return judge


def all_of(conditions: list[Condition]) -> Condition:
    """Make one condition of several."""
    return lambda live: "; ".join(filter(None, (condition(live) for condition in conditions))) or None


# What kinds ask for


def _condition(live: Json, kind: str) -> Json:
    found = live.get("status", {}).get("conditions") or []
    return next((entry for entry in found if entry.get("type") == kind), {})


def _is_true(live: Json, kind: str) -> bool:
    return _condition(live, kind).get("status") == "True"


def pod(live: Json) -> str | None:
    """Whether a Pod is ready or has done its work."""
    status = live.get("status", {})
    phase = status.get("phase")
    if phase == "Succeeded" or _is_true(live, "Ready"):
        return None
    trouble = "; ".join(_trouble(live))
    if phase == "Failed":
        raise Failed(f"it failed: {trouble or status.get('message') or status.get('reason') or 'without a reason'}")
    return trouble or f"it is {phase or 'not seen by the cluster yet'}"


def _trouble(live: Json) -> Iterator[str]:
    """Say what keeps a Pod from being ready."""
    scheduled = _condition(live, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', 'no node takes it')}"
    status = live.get("status", {})
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
            message = f": {waiting['message']}" if waiting.get("message") else ""
            yield f"container {container['name']} is waiting ({waiting.get('reason')}{message})"
        elif terminated and terminated.get("exitCode"):
            message = f": {terminated['message']}" if terminated.get("message") else ""
            reason = terminated.get("reason", "Error")
            yield f"container {container['name']} ended with exit code {terminated['exitCode']} ({reason}{message})"
    for gate in live.get("spec", {}).get("readinessGates") or []:
        if not _is_true(live, gate["conditionType"]):
            yield f"its readiness gate {gate['conditionType']} is not open"


def _pods(cluster: Cluster, live: Json) -> str:
    """Say what is wrong with the Pods that an object selects."""
    selector = _selector_text(live.get("spec", {}).get("selector") or {})
    if not selector:
        return ""
    found = _list_pods(cluster, live, selector)
    for item in found:
        trouble = "; ".join(_trouble(item))
        if trouble:
            return f" (Pod {item['metadata']['name']}: {trouble})"
    return ""


def _list_pods(cluster: Cluster, live: Json, selector: str) -> list[Json]:
    path = f"/api/v1/namespaces/{live['metadata']['namespace']}/pods"
    try:
        return cluster.client.get(path, {"labelSelector": selector})["items"]
    except ProviderError:
        # Who may create a Deployment need not be allowed to list Pods; then there is less to say.
        return []


def _selector_text(selector: Mapping[str, Any]) -> str:
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in selector.items())
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for entry in selector.get("matchExpressions") or []:
        key, values = entry["key"], ",".join(entry.get("values") or [])
        parts.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                entry["operator"], f"!{key}"
            )
        )
    return ",".join(parts)


def _is_observed(live: Json) -> bool:
    return live.get("status", {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 0)


_UNOBSERVED = "its controller has not seen it yet"


def deployment(cluster: Cluster) -> Condition:
    """Whether a Deployment is rolled out."""

    def judge(live: Json) -> str | None:
        spec, status = live.get("spec", {}), live.get("status", {})
        if not _is_observed(live):
            return _UNOBSERVED
        if spec.get("paused"):
            return None
        progress = _condition(live, "Progressing")
        if progress.get("reason") == "ProgressDeadlineExceeded":
            raise Failed(f"{progress.get('message', 'its rollout made no progress')}{_pods(cluster, live)}")
        wanted = spec.get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        if updated >= wanted and available >= wanted and status.get("replicas", 0) <= wanted:
            return None
        return f"{updated} of {wanted} replicas updated, {available} available{_pods(cluster, live)}"

    return judge


def daemon_set(cluster: Cluster) -> Condition:
    """Whether a DaemonSet's Pods run on every node that they should run on."""

    def judge(live: Json) -> str | None:
        spec, status = live.get("spec", {}), live.get("status", {})
        if not _is_observed(live):
            return _UNOBSERVED
        wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
        on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
        updated = wanted if on_delete else status.get("updatedNumberScheduled", 0)
        if updated >= wanted and available >= wanted:
            return None
        return f"{updated} of {wanted} Pods updated, {available} available{_pods(cluster, live)}"

    return judge


def stateful_set(cluster: Cluster) -> Condition:
    """Whether a StatefulSet is rolled out."""

    def judge(live: Json) -> str | None:
        spec, status = live.get("spec", {}), live.get("status", {})
        if not _is_observed(live):
            return _UNOBSERVED
        strategy = spec.get("updateStrategy") or {}
        wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        target = 0 if strategy.get("type") == "OnDelete" else max(wanted - partition, 0)
        updated = status.get("updatedReplicas", 0)
        if ready >= wanted and updated >= target:
            return None
        return f"{updated} of {target} replicas updated, {ready} ready{_pods(cluster, live)}"

    return judge


def job(cluster: Cluster) -> Condition:
    """Whether a Job has done its work."""

    def judge(live: Json) -> str | None:
        if live.get("spec", {}).get("suspend") or _is_true(live, "Complete"):
            return None
        for kind in ("Failed", "FailureTarget"):
            failed = _condition(live, kind)
            if failed.get("status") == "True":
                said = f"{failed.get('reason', 'Failed')}: {failed.get('message', '')}"
                raise Failed(f"{said}{_pods(cluster, live)}")
        status = live.get("status", {})
        return f"{status.get('active', 0)} Pods active, {status.get('failed', 0)} failed{_pods(cluster, live)}"

    return judge


def service(cluster: Cluster) -> Condition:
    """Whether a Service has somebody to send its requests to.

    Asked of the Pods themselves: they are there also where no controller writes EndpointSlices.
    """

    def judge(live: Json) -> str | None:
        spec = live.get("spec", {})
        if spec.get("type") == "ExternalName":
            return None
        selector = _selector_text(spec.get("selector") or {})
        headless = spec.get("clusterIP") == "None"
        if selector and not headless and not spec.get("publishNotReadyAddresses"):
            pods = _list_pods(cluster, live, selector)
            if not any(_is_true(item, "Ready") for item in pods):
                return f"none of the {len(pods)} Pods that it selects is ready"
        if spec.get("type") == "LoadBalancer" and not (live.get("status", {}).get("loadBalancer") or {}).get("ingress"):
            return "its load balancer has no address yet"
        return None

    return judge


def claim(cluster: Cluster) -> Condition:
    """Whether a PersistentVolumeClaim is bound, or waits for the first Pod that uses it."""

    def judge(live: Json) -> str | None:
        phase = live.get("status", {}).get("phase")
        if phase == "Bound":
            return None
        name = live.get("spec", {}).get("storageClassName")
        if name:
            found = cluster.client.find(f"/apis/storage.k8s.io/v1/storageclasses/{name}") or {}
            if found.get("volumeBindingMode") == "WaitForFirstConsumer":
                return None
        if phase == "Lost":
            raise Failed("its volume is lost")
        return f"it is {phase or 'not seen by the cluster yet'}"

    return judge


def _always(condition: Condition) -> Callable[[Cluster], Condition]:
    return lambda _: condition


_BY_KIND: dict[tuple[str, str], Callable[[Cluster], Condition]] = {
    ("", "PersistentVolumeClaim"): claim,
    ("", "Pod"): _always(pod),
    ("", "Service"): service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _always(parse("condition=Established")),
    ("apiregistration.k8s.io", "APIService"): _always(parse("condition=Available")),
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "Job"): job,
}
