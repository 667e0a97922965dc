"""What access policies allow, as AWS documents it.

The rules are those of Kubernetes' RBAC. Policies whose rules AWS does not publish, or that it keeps for roles of its
own services, are not here.

https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rule = Mapping[str, Any]

AUTO_NODE = "AmazonEKSAutoNodePolicy"
"""For the nodes of Auto Mode. Its rules are described, but not published."""

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")

# By API group.
_VIEWED = {
    "apps": "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
    "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    "autoscaling": "horizontalpodautoscalers horizontalpodautoscalers/status",
    "batch": "cronjobs cronjobs/status jobs jobs/status",
    "discovery.k8s.io": "endpointslices",
    "extensions": "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
    "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
    "networking.k8s.io": "ingresses ingresses/status networkpolicies",
    "policy": "poddisruptionbudgets poddisruptionbudgets/status",
    "": "bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims "
    "persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale "
    "replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
}
_EDITED = {
    "apps": "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
    "statefulsets/scale",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "extensions": "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
    "replicasets/scale replicationcontrollers/scale",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
    "": "configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy "
    "replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
}
_SECRETIVE = {"": "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"}


def _rules(resources: Mapping[str, str], verbs: Sequence[str]) -> Iterable[Rule]:
    for group, names in resources.items():
        yield {"apiGroups": [group], "resources": names.split(), "verbs": list(verbs)}


_VIEW = [*_rules(_VIEWED, _READ)]
_EDIT = [
    *_VIEW,
    *_rules(_SECRETIVE, _READ),
    *_rules(_EDITED, _WRITE),
    *_rules({"": "serviceaccounts"}, ["impersonate"]),
]
_ADMIN = [
    *_EDIT,
    *_rules({"authorization.k8s.io": "localsubjectaccessreviews"}, ["create"]),
    *_rules({"rbac.authorization.k8s.io": "rolebindings roles"}, [*_READ, *_WRITE]),
]

RULES: Mapping[str, Sequence[Rule]] = {
    "AmazonEKSAdminPolicy": _ADMIN,
    "AmazonEKSAdminViewPolicy": [*_rules({"*": "*"}, _READ)],
    "AmazonEKSClusterAdminPolicy": [*_rules({"*": "*"}, ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "AmazonEKSEditPolicy": _EDIT,
    "AmazonEKSSecretAdminPolicy": [*_rules({"": "secrets"}, ["*"])],
    "AmazonEKSSecretReaderPolicy": [*_rules({"": "secrets"}, _READ)],
    "AmazonEKSViewPolicy": _VIEW,
}
