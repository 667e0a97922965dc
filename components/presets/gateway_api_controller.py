"""The AWS Gateway API controller: makes Gateways and routes in Amazon VPC Lattice.

Follows v2.1.3,
https://github.com/aws/aws-application-networking-k8s/blob/v2.1.3/files/controller-installation/recommended-inline-policy.json,
which allows all of VPC Lattice. Here these are the calls that the controller makes, on the cluster's account; what it
makes has to carry its tag with account, cluster and VPC, and only what carries it is deleted.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import BUCKETS, DELIVERY_STREAMS, VPCS, arns
from ._model import Argument, Cluster, Definition, allow
from ._s3 import bucket_arns

_TAG = "application-networking.k8s.aws/ManagedBy"
_KINDS = ("Service", "ServiceNetwork", "TargetGroup", "Listener", "Rule", "AccessLogSubscription")
_ASSOCIATIONS = ("ServiceNetworkServiceAssociation", "ServiceNetworkVpcAssociation")
_LISTS = ("AccessLogSubscriptions", "Listeners", "Rules", "ServiceNetworks", "Services", "TargetGroups")


def statements(
    cluster: Cluster,
    *,
    vpc_ids: Sequence[str],
    shared_service_network_arns: Sequence[str],
    access_log_bucket_names: Sequence[str],
    access_log_stream_arns: Sequence[str],
) -> list[Statement]:
    """Keep services, networks and their parts for the cluster in its VPCs."""
    lattice = [cluster.arn("vpc-lattice", "*")]
    reachable = [*lattice, *shared_service_network_arns]
    networks = [cluster.arn("vpc-lattice", "servicenetwork/*"), *shared_service_network_arns]
    services = cluster.arn("vpc-lattice", "service/*")
    targets = cluster.arn("vpc-lattice", "targetgroup/*")
    owners = [f"{cluster.account}/{cluster.name}/{vpc}" for vpc in vpc_ids]
    made = {"StringEquals": {f"aws:RequestTag/{_TAG}": owners}}
    own = {"StringEquals": {f"aws:ResourceTag/{_TAG}": owners}}
    # Of what is its own it changes the other tags, and does not send this one with them.
    retagged = {**own, "Null": {f"aws:RequestTag/{_TAG}": "true"}}
    every = (*_KINDS, *_ASSOCIATIONS)
    updated = ("AccessLogSubscription", "Listener", "Rule", "ServiceNetworkVpcAssociation", "TargetGroup")
    listing = [f"vpc-lattice:List{what}" for what in _LISTS]
    listing += [f"vpc-lattice:List{what}s" for what in _ASSOCIATIONS]
    describing = [f"ec2:Describe{what}" for what in ("SecurityGroups", "Subnets", "Tags", "Vpcs")]
    delivering = ["CreateLogDelivery", "DeleteLogDelivery", "GetLogDelivery", "ListLogDeliveries", "UpdateLogDelivery"]
    delivering += ["DescribeLogGroups", "DescribeResourcePolicies", "PutResourcePolicy"]
    policies = ["vpc-lattice:DeleteAuthPolicy", "vpc-lattice:GetAuthPolicy", "vpc-lattice:PutAuthPolicy"]
    updating = ["vpc-lattice:UpdateService", "vpc-lattice:UpdateServiceNetwork"]
    result = [
        allow("List", [*listing, "vpc-lattice:ListTagsForResource", *describing, "acm:ListCertificates"], ["*"]),
        allow("FindAndTag", ["tag:GetResources", "tag:TagResources", "tag:UntagResources"], ["*"]),
        allow("DeliverAccessLogs", [f"logs:{action}" for action in delivering], ["*"]),
        allow("Read", [f"vpc-lattice:Get{kind}" for kind in every], reachable),
        allow("Create", [*(f"vpc-lattice:Create{kind}" for kind in every), "vpc-lattice:TagResource"], reachable, made),
        allow("TagOwn", ["vpc-lattice:TagResource"], lattice, retagged),
        allow("Update", [f"vpc-lattice:Update{kind}" for kind in updated], lattice, own),
        allow("Delete", [*(f"vpc-lattice:Delete{kind}" for kind in every), "vpc-lattice:UntagResource"], lattice, own),
        # These two take no tags into account, and policies are also set on networks that others made.
        allow("Target", [f"vpc-lattice:{verb}Targets" for verb in ("Deregister", "List", "Register")], [targets]),
        allow("Authorize", [*policies, *updating], [services, *networks]),
    ]
    for sid, service, role in (
        ("CreateLatticeRole", "vpc-lattice.amazonaws.com", "AWSServiceRoleForVpcLattice"),
        ("CreateLogRole", "delivery.logs.amazonaws.com", "AWSServiceRoleForLogDelivery"),
    ):
        arn = cluster.arn("iam", f"role/aws-service-role/{service}/{role}", region="")
        for_service = {"StringEquals": {"iam:AWSServiceName": service}}
        result.append(allow(sid, ["iam:CreateServiceLinkedRole"], [arn], for_service))
    if access_log_bucket_names:
        buckets = bucket_arns(cluster, access_log_bucket_names)
        result.append(allow("DeliverToBuckets", ["s3:GetBucketPolicy", "s3:PutBucketPolicy"], buckets))
    if access_log_stream_arns:
        result.append(allow("DeliverToStreams", ["firehose:TagDeliveryStream"], access_log_stream_arns))
    return result


PRESET = Definition(
    name="aws-gateway-controller",
    title="AWS Gateway API controller, for Amazon VPC Lattice",
    version="v2.1.3",
    source="https://github.com/aws/aws-application-networking-k8s/blob/v2.1.3/files/controller-installation/recommended-inline-policy.json",
    namespace="aws-application-networking-system",
    service_account="gateway-api-controller",
    statements=statements,
    scope=(
        Argument("vpc_ids", VPCS, "the VPCs of the cluster", required=True),
        Argument(
            "shared_service_network_arns",
            arns(
                "ARNs of service networks",
                "arn:<partition>:vpc-lattice:<region>:<account>:servicenetwork/<id>",
                r"servicenetwork/sn-[0-9a-z]{17}",
            ),
            "service networks of other accounts to associate with",
        ),
        Argument("access_log_bucket_names", BUCKETS, "buckets that access logs are delivered to"),
        Argument("access_log_stream_arns", DELIVERY_STREAMS, "Firehose streams that they are delivered to"),
    ),
)
