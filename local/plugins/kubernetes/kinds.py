"""Kinds of objects: what a type token means, and what the cluster's API says of it.

See https://kubernetes.io/docs/reference/using-api/api-concepts/ for resources, kinds and scopes.
"""

from typing import NamedTuple
from urllib.parse import quote

_OTHER_MODULES = ("helm.sh", "index", "kustomize", "yaml")
"""Modules of the package that are no API groups."""

_CLUSTER_SCOPED = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IngressClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
    }
)


class Kind(NamedTuple):
    """A kind of object in a version of its API group; the core group's name is empty."""

    group: str
    version: str
    name: str

    @property
    def api_version(self) -> str:
        """As an object's ``apiVersion`` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def built_in_scope(self) -> bool | None:
        """Whether objects of this kind are in namespaces, if that can be said without the cluster."""
        if (self.group, self.name) in _CLUSTER_SCOPED:
            return False
        # A custom resource may be either.
        return True if "." not in self.group or self.group.endswith(".k8s.io") else None

    def __str__(self) -> str:
        return f"{self.api_version} {self.name}"


class Token(NamedTuple):
    """What a type token asks for.

    Attributes:
        kind: The kind of object.
        patch: Whether it is fields of an object that somebody else made.
    """

    kind: Kind
    patch: bool


class ApiResource(NamedTuple):
    """Where the API has the objects of a kind."""

    kind: Kind
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of an object, or of all objects of a namespace, or of all."""
        root = f"/apis/{self.kind.group}/{self.kind.version}" if self.kind.group else f"/api/{self.kind.version}"
        if self.namespaced and namespace:
            root += f"/namespaces/{quote(namespace, safe='')}"
        return f"{root}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


def parse_token(token: str) -> Token | None:
    """Understand a token such as ``kubernetes:apps/v1:Deployment``; None if it is none of an object."""
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    group, _, version = module.rpartition("/")
    if package != "kubernetes" or not (group and version and name) or group in _OTHER_MODULES:
        return None
    patch = name.endswith("Patch") and name != "Patch"
    return Token(Kind("" if group == "core" else group, version, name.removesuffix("Patch") if patch else name), patch)
