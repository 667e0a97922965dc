"""The two places where a real Kubernetes can be plugged in.

EKS as an API needs no Kubernetes; what its answers point to does. Without one, endpoints, certificates and
issuers are well-formed and unique for each cluster, but nobody listens there.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Protocol

from .store import Cluster, Description


@dataclass(frozen=True)
class ControlPlane:
    """Where a cluster's Kubernetes API is, and how it is recognised.

    Attributes:
        endpoint: URL of the API server.
        certificate_authority: the CA's certificate, PEM in base64.
        issuer: URL of the OIDC issuer of its service account tokens.
    """

    endpoint: str
    certificate_authority: str
    issuer: str


class NeverReady(Exception):
    """A control plane could not be started, and will not be; the message says why."""


class DataPlane(Protocol):
    """Is told what EKS has decided, while EKS holds its lock: start long work, do not wait for it."""

    def create_cluster(self, cluster: Cluster) -> ControlPlane:
        """Begin to start a control plane; return where it will be."""
        ...

    def is_ready(self, cluster: Cluster) -> bool:
        """Tell whether a created cluster may become ACTIVE.

        Raises:
            NeverReady: it cannot; the cluster has failed.
        """
        ...

    def delete_cluster(self, cluster: Cluster) -> None:
        """Begin to end a control plane."""
        ...

    def is_gone(self, cluster: Cluster) -> bool:
        """Tell whether a deleted cluster's control plane has ended."""
        ...

    def nodegroup_changed(self, cluster: Cluster, nodegroup: Description) -> None:
        """A node group came, was scaled or relabelled, or goes (status DELETING)."""
        ...

    def is_nodegroup_settled(self, cluster: Cluster, nodegroup: Description) -> bool:
        """Tell whether a node group has just the nodes that it should have, all of them ready."""
        ...

    def addon_changed(self, cluster: Cluster, addon: Description) -> None:
        """An add-on came, changed, or goes (status DELETING)."""
        ...

    def addon_issues(self, cluster: Cluster, addon: Description) -> list[Description] | None:
        """Return what is wrong with an add-on's software: nothing, or issues as DescribeAddon answers them.

        None says that it is too early to tell, or, of an add-on that goes, that it is not gone yet.
        """
        ...

    def associations_changed(self, cluster: Cluster) -> None:
        """A pod identity association came, changed or went."""
        ...


class NoKubernetes:
    """The data plane that runs nothing."""

    def create_cluster(self, cluster: Cluster) -> ControlPlane:
        """Make up an endpoint, an issuer and a real, self-signed CA certificate."""
        _, _, _, region, *_ = cluster.arn.split(":")
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        identifier = secrets.token_hex(16).upper()
        return ControlPlane(
            endpoint=f"https://{identifier}.gr7.{region}.eks.{suffix}",
            certificate_authority=_self_signed_certificate(),
            issuer=f"https://oidc.eks.{region}.{suffix}/id/{identifier}",
        )

    def is_ready(self, cluster: Cluster) -> bool:
        """There is nothing to wait for."""
        return True

    def delete_cluster(self, cluster: Cluster) -> None:
        """There is nothing to end."""

    def is_gone(self, cluster: Cluster) -> bool:
        """There is nothing to wait for."""
        return True

    def nodegroup_changed(self, cluster: Cluster, nodegroup: Description) -> None:
        """There are no nodes."""

    def is_nodegroup_settled(self, cluster: Cluster, nodegroup: Description) -> bool:
        """There is nothing to wait for."""
        return True

    def addon_changed(self, cluster: Cluster, addon: Description) -> None:
        """There is nothing to install into."""

    def addon_issues(self, cluster: Cluster, addon: Description) -> list[Description] | None:
        """There is nothing to be wrong."""
        return []

    def associations_changed(self, cluster: Cluster) -> None:
        """There are no pods."""


def _self_signed_certificate() -> str:
    """Make a CA certificate as kubeadm and EKS do (CN=kubernetes), in base64 of PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
