"""Which changes take a new object, because the API (or prudence) does not let them be made in place.

The list is the official provider's, see
https://www.pulumi.com/registry/packages/kubernetes/faq/ and
https://www.pulumi.com/docs/iac/clouds/kubernetes/guides/configure-defaults/. What it does not have, the API server
says itself when it is asked to try (`is_immutable`).
"""

import re
from collections.abc import Iterable

from ..base.paths import Path, parse
from ..base.wire import Values
from .client import ApiError
from .kinds import Kind

_METADATA = ("metadata.name", "metadata.namespace")
_SELECTOR = ("spec.selector",)
_CONFIG_MAP_DATA = ("data", "binaryData")
_SECRET_DATA = ("data", "stringData")

# Pods change in place only where Kubernetes lets them and no container starts anew.
_POD_IN_PLACE = ("spec.activeDeadlineSeconds", "spec.tolerations", "spec.ephemeralContainers", "spec.schedulingGates")

_REPLACING: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "PersistentVolume"): tuple(
        f"spec.{source}"
        for source in (
            *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume"),
            *("flocker", "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk"),
            *("portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"),
        )
    ),
    ("", "PersistentVolumeClaim"): ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    ("", "Pod"): ("spec",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "StatefulSet"): (
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName"),
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}

_IMMUTABLE = re.compile(
    r"immutable|may not (be )?change|may not be updated|updates to .* are forbidden|pod updates may not change", re.I
)


def replacing(kind: Kind, old: Values, mutable: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Say which changes of an object replace it.

    Args:
        kind: Its kind.
        old: It, as it was given last.
        mutable: Kinds whose data is changed in place.

    Returns:
        Paths that replace, and paths below those that do not.
    """
    patterns = [*_METADATA, *_REPLACING.get((kind.group, kind.name), ())]
    if kind.group == "" and (kind.name not in mutable or old.get("immutable") is True):
        patterns += {"ConfigMap": _CONFIG_MAP_DATA, "Secret": _SECRET_DATA}.get(kind.name, ())
    kept = _POD_IN_PLACE if (kind.group, kind.name) == ("", "Pod") else ()
    return [parse(pattern) for pattern in patterns], [parse(pattern) for pattern in kept]


def is_immutable(error: ApiError) -> bool:
    """Whether the API server refused a change because it can never be made in place."""
    if error.code != 422:
        return False
    texts = [cause.get("message", "") for cause in error.causes] or [str(error)]
    # Together with another mistake, a replacement would run into that one.
    return all(_IMMUTABLE.search(text) for text in texts)


def immutable_fields(error: ApiError) -> list[Path]:
    """The fields that such an error names."""
    found = []
    for cause in error.causes:
        try:
            found.append(parse(cause.get("field", "")))
        except ValueError:
            continue
    return [path for path in found if path]
