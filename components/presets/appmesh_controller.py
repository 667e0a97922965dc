"""The AWS App Mesh controller: keeps meshes, and their services in AWS Cloud Map.

Follows v1.13.3,
https://github.com/aws/aws-app-mesh-controller-for-k8s/blob/v1.13.3/config/iam/controller-iam-policy.json, with meshes,
certificates, namespaces and zones named. App Mesh ended on 30 September 2026.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import CERTIFICATE_AUTHORITIES, CERTIFICATES, HOSTED_ZONES, MESHES, arns
from ._model import Argument, Cluster, Definition, allow

_KINDS = ("Mesh", "VirtualService", "VirtualNode", "VirtualRouter", "Route", "VirtualGateway", "GatewayRoute")
_PARTS = ("VirtualServices", "VirtualNodes", "VirtualRouters", "Routes", "VirtualGateways", "GatewayRoutes")


def statements(
    cluster: Cluster,
    *,
    mesh_arns: Sequence[str],
    certificate_arns: Sequence[str],
    certificate_authority_arns: Sequence[str],
    cloud_map_namespace_arns: Sequence[str],
    hosted_zone_arns: Sequence[str],
) -> list[Statement]:
    """Everything in the meshes; certificates to be read; services and health checks where namespaces are given."""
    role = cluster.arn("iam", "role/aws-service-role/appmesh.amazonaws.com/AWSServiceRoleForAppMesh", region="")
    meshes = [arn for mesh in mesh_arns for arn in (mesh, f"{mesh}/*")]
    keeping = [f"appmesh:{verb}{kind}" for kind in _KINDS for verb in ("Create", "Describe", "Update", "Delete")]
    for_mesh = {"StringEquals": {"iam:AWSServiceName": "appmesh.amazonaws.com"}}
    result = [
        allow("ListMeshes", ["appmesh:ListMeshes"], ["*"]),
        allow("KeepMeshes", [*keeping, *(f"appmesh:List{part}" for part in _PARTS)], meshes),
        allow("CreateServiceLinkedRole", ["iam:CreateServiceLinkedRole"], [role], for_mesh),
    ]
    if certificate_arns:
        result += [
            allow("FindCertificates", ["acm:ListCertificates"], ["*"]),
            allow("ReadCertificates", ["acm:DescribeCertificate"], certificate_arns),
        ]
    if certificate_authority_arns:
        result += [
            allow("FindAuthorities", ["acm-pca:ListCertificateAuthorities"], ["*"]),
            allow("ReadAuthorities", ["acm-pca:DescribeCertificateAuthority"], certificate_authority_arns),
        ]
    if cloud_map_namespace_arns:
        services = cluster.arn("servicediscovery", "service/*")
        checks = cluster.arn("route53", "healthcheck/*", region="", account="")
        in_namespace = {"StringEquals": {"servicediscovery:NamespaceArn": list(cloud_map_namespace_arns)}}
        keeping = ["DeleteService", "DeregisterInstance", "GetInstance", "GetInstancesHealthStatus", "GetService"]
        keeping += ["ListInstances", "RegisterInstance", "UpdateInstanceCustomHealthStatus"]
        finding = ["servicediscovery:ListNamespaces", "servicediscovery:ListServices"]
        creating = ["servicediscovery:CreateService"]
        awaiting = ["servicediscovery:GetOperation"]
        result += [
            allow("FindServices", [*finding, "route53:CreateHealthCheck"], ["*"]),
            allow("CreateServicesIn", creating, cloud_map_namespace_arns),
            allow("CreateServices", creating, [services], in_namespace),
            # What it awaits are registrations, which are operations on services.
            allow("AwaitOperations", awaiting, [*cloud_map_namespace_arns, services]),
            allow("KeepServices", [f"servicediscovery:{action}" for action in keeping], [services]),
            allow("KeepHealthChecks", [f"route53:{verb}HealthCheck" for verb in ("Get", "Update", "Delete")], [checks]),
        ]
    if hosted_zone_arns:
        result.append(allow("ChangeRecords", ["route53:ChangeResourceRecordSets"], hosted_zone_arns))
    return result


PRESET = Definition(
    name="aws-appmesh-controller",
    title="AWS App Mesh controller",
    version="v1.13.3",
    source="https://github.com/aws/aws-app-mesh-controller-for-k8s/blob/v1.13.3/config/iam/controller-iam-policy.json",
    namespace="appmesh-system",
    service_account="appmesh-controller",
    statements=statements,
    scope=(
        Argument("mesh_arns", MESHES, "the meshes that it keeps", required=True),
        Argument("certificate_arns", CERTIFICATES, "the certificates that its virtual gateways and nodes show"),
        Argument("certificate_authority_arns", CERTIFICATE_AUTHORITIES, "the authorities that they trust"),
        Argument(
            "cloud_map_namespace_arns",
            arns(
                "ARNs of AWS Cloud Map namespaces",
                "arn:<partition>:servicediscovery:<region>:<account>:namespace/<id>",
                r"namespace/ns-[a-z0-9]{1,64}",
            ),
            "the namespaces in which it registers services",
        ),
        Argument("hosted_zone_arns", HOSTED_ZONES, "the zones of these namespaces, where they have zones"),
    ),
    note="App Mesh ended on 30 September 2026.",
)
