"""What the API server fills in where an object says nothing.

Given or left out, such a value means the same: it is no change, and no input of an imported object. From the field
descriptions of https://kubernetes.io/docs/reference/kubernetes-api/.
"""

from collections.abc import Iterator
from typing import Any

from ..base.wire import UNKNOWN, Values, has_unknown
from .kinds import Kind


class _Inside(dict[str, Any]):
    """By member of an object, or of each object of a list: the default, or the defaults inside of it."""


_BY_IMAGE = object()
"""The default that depends on whether the image has a tag."""


def _probe(**more: Any) -> _Inside:
    return _Inside(
        failureThreshold=3,
        periodSeconds=10,
        successThreshold=1,
        timeoutSeconds=1,
        httpGet=_Inside(scheme="HTTP", path="/"),
        **more,
    )


_CONTAINER = _Inside(
    imagePullPolicy=_BY_IMAGE,
    env=_Inside(valueFrom=_Inside(fieldRef=_Inside(apiVersion="v1"))),
    livenessProbe=_probe(),
    ports=_Inside(protocol="TCP"),
    readinessProbe=_probe(),
    resources={},
    securityContext={},
    startupProbe=_probe(),
    terminationMessagePath="/dev/termination-log",
    terminationMessagePolicy="File",
)
_MODE = _Inside(defaultMode=420)
_POD_SPEC = _Inside(
    containers=_CONTAINER,
    initContainers=_CONTAINER,
    dnsPolicy="ClusterFirst",
    enableServiceLinks=True,
    preemptionPolicy="PreemptLowerPriority",
    priority=0,
    restartPolicy="Always",
    schedulerName="default-scheduler",
    securityContext={},
    serviceAccountName="default",
    serviceAccount="default",
    terminationGracePeriodSeconds=30,
    volumes=_Inside(
        configMap=_MODE,
        downwardAPI=_MODE,
        emptyDir={},
        hostPath=_Inside(type=""),
        projected=_Inside(defaultMode=420, sources=_Inside(serviceAccountToken=_Inside(expirationSeconds=3600))),
        secret=_MODE,
    ),
)
_TEMPLATE = _Inside(metadata=_Inside(creationTimestamp=None), spec=_POD_SPEC)
_JOB_POD = _Inside({name: value for name, value in _POD_SPEC.items() if name != "restartPolicy"})
_JOB_SPEC = _Inside(
    backoffLimit=6,
    completionMode="NonIndexed",
    completions=1,
    manualSelector=False,
    parallelism=1,
    podReplacementPolicy="TerminatingOrFailed",
    suspend=False,
    template=_Inside(metadata=_Inside(creationTimestamp=None), spec=_JOB_POD),
)
_RBAC = "rbac.authorization.k8s.io"

_DEFAULTS: dict[tuple[str, str], _Inside] = {
    ("", "Namespace"): _Inside(spec=_Inside(finalizers=["kubernetes"])),
    ("", "PersistentVolumeClaim"): _Inside(spec=_Inside(volumeMode="Filesystem")),
    ("", "Pod"): _Inside(spec=_POD_SPEC),
    ("", "Secret"): _Inside(type="Opaque"),
    ("", "Service"): _Inside(
        spec=_Inside(
            allocateLoadBalancerNodePorts=True,
            externalTrafficPolicy="Cluster",
            internalTrafficPolicy="Cluster",
            ipFamilyPolicy="SingleStack",
            ports=_Inside(protocol="TCP"),
            publishNotReadyAddresses=False,
            sessionAffinity="None",
            type="ClusterIP",
        )
    ),
    ("apps", "DaemonSet"): _Inside(
        spec=_Inside(
            revisionHistoryLimit=10,
            template=_TEMPLATE,
            updateStrategy=_Inside(type="RollingUpdate", rollingUpdate=_Inside(maxSurge=0, maxUnavailable=1)),
        )
    ),
    ("apps", "Deployment"): _Inside(
        spec=_Inside(
            progressDeadlineSeconds=600,
            replicas=1,
            revisionHistoryLimit=10,
            strategy=_Inside(type="RollingUpdate", rollingUpdate=_Inside(maxSurge="25%", maxUnavailable="25%")),
            template=_TEMPLATE,
        )
    ),
    ("apps", "ReplicaSet"): _Inside(spec=_Inside(replicas=1, template=_TEMPLATE)),
    ("apps", "StatefulSet"): _Inside(
        spec=_Inside(
            persistentVolumeClaimRetentionPolicy=_Inside(whenDeleted="Retain", whenScaled="Retain"),
            podManagementPolicy="OrderedReady",
            replicas=1,
            revisionHistoryLimit=10,
            template=_TEMPLATE,
            updateStrategy=_Inside(type="RollingUpdate", rollingUpdate=_Inside(partition=0)),
        )
    ),
    ("batch", "CronJob"): _Inside(
        spec=_Inside(
            concurrencyPolicy="Allow",
            failedJobsHistoryLimit=1,
            jobTemplate=_Inside(metadata=_Inside(creationTimestamp=None), spec=_JOB_SPEC),
            successfulJobsHistoryLimit=3,
            suspend=False,
        )
    ),
    ("batch", "Job"): _Inside(spec=_JOB_SPEC),
    ("networking.k8s.io", "NetworkPolicy"): _Inside(
        spec=_Inside(
            egress=_Inside(ports=_Inside(protocol="TCP")),
            ingress=_Inside(ports=_Inside(protocol="TCP")),
        )
    ),
    (_RBAC, "ClusterRoleBinding"): _Inside(roleRef=_Inside(apiGroup=_RBAC)),
    (_RBAC, "RoleBinding"): _Inside(roleRef=_Inside(apiGroup=_RBAC)),
}


def without_defaults(kind: Kind, values: Values) -> Values:
    """Leave out of an object what the API server would fill in.

    Args:
        kind: Its kind.
        values: The object, which may be unknown in part.
    """
    known = _DEFAULTS.get((kind.group, kind.name))
    return _strip(values, known) if known else values


def _strip(value: Any, known: _Inside) -> Any:
    if isinstance(value, list):
        return [_strip(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    return dict(_kept(value, known))


def _kept(value: Values, known: _Inside) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if name not in known or item is UNKNOWN:
            yield name, item
            continue
        default = _pull_policy(value) if known[name] is _BY_IMAGE else known[name]
        if isinstance(default, _Inside):
            stripped = _strip(item, default)
            # An object of which nothing is left was filled in as a whole.
            if stripped != {} or item == {}:
                yield name, stripped
        elif has_unknown(item) or item != default:
            yield name, item


def _pull_policy(container: Values) -> str | None:
    image = container.get("image")
    if not isinstance(image, str):
        return None
    name, digest, _ = image.rpartition("/")[2].partition("@")
    latest = not digest and (":" not in name or name.endswith(":latest"))
    return "Always" if latest else "IfNotPresent"
