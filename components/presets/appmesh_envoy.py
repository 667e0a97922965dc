"""The Envoy proxy beside a workload in AWS App Mesh.

Follows v1.13.3, https://github.com/aws/aws-app-mesh-controller-for-k8s/blob/v1.13.3/config/iam/envoy-iam-policy.json,
with meshes and certificates named. App Mesh ended on 30 September 2026.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import CERTIFICATE_AUTHORITIES, CERTIFICATES, MESHES
from ._model import Argument, Cluster, Definition, allow


def statements(
    cluster: Cluster,
    *,
    mesh_arns: Sequence[str],
    certificate_arns: Sequence[str],
    certificate_authority_arns: Sequence[str],
) -> list[Statement]:
    """Be told its configuration as a node or gateway of the meshes, and fetch the certificates."""
    proxies = [f"{mesh}/{kind}/*" for mesh in mesh_arns for kind in ("virtualGateway", "virtualNode")]
    result = [allow("StreamConfiguration", ["appmesh:StreamAggregatedResources"], proxies)]
    if certificate_arns:
        result.append(allow("ExportCertificates", ["acm:ExportCertificate"], certificate_arns))
    if certificate_authority_arns:
        reading = ["acm-pca:GetCertificateAuthorityCertificate"]
        result.append(allow("ReadAuthorities", reading, certificate_authority_arns))
    return result


PRESET = Definition(
    name="aws-appmesh-envoy-proxy",
    title="Envoy proxy of AWS App Mesh",
    version="v1.13.3",
    source="https://github.com/aws/aws-app-mesh-controller-for-k8s/blob/v1.13.3/config/iam/envoy-iam-policy.json",
    statements=statements,
    scope=(
        Argument("mesh_arns", MESHES, "the meshes that the workload is in", required=True),
        Argument("certificate_arns", CERTIFICATES, "the private certificates that it shows"),
        Argument("certificate_authority_arns", CERTIFICATE_AUTHORITIES, "the authorities that it trusts"),
    ),
    note="For the workloads' own ServiceAccounts. App Mesh ended on 30 September 2026.",
)
