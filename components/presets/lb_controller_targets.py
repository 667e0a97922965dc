"""The AWS Load Balancer Controller where it only registers targets with target groups that others made.

Follows v3.5.0, https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/deploy/installation.md,
"Special IAM cases", with the target groups named, and security groups only where they are given.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import arns
from ._model import Argument, Cluster, Definition, allow


def statements(
    cluster: Cluster, *, target_group_arns: Sequence[str], security_group_arns: Sequence[str]
) -> list[Statement]:
    """Register targets, and open the security groups to the load balancers."""
    reading = [f"ec2:Describe{what}" for what in ("Instances", "SecurityGroups", "Vpcs")]
    reading += [f"elasticloadbalancing:Describe{what}" for what in ("TargetGroups", "TargetHealth")]
    writing = ["DeregisterTargets", "ModifyTargetGroup", "ModifyTargetGroupAttributes", "RegisterTargets"]
    result = [
        allow("Read", reading, ["*"]),
        allow("RegisterTargets", [f"elasticloadbalancing:{action}" for action in writing], target_group_arns),
    ]
    if security_group_arns:
        opening = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
        result.append(allow("OpenGroups", opening, security_group_arns))
    return result


PRESET = Definition(
    name="aws-load-balancer-controller-targets",
    title="AWS Load Balancer Controller, TargetGroupBinding only",
    version="v3.5.0",
    source="https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/deploy/installation.md",
    namespace="kube-system",
    service_account="aws-load-balancer-controller",
    statements=statements,
    scope=(
        Argument(
            "target_group_arns",
            arns(
                "ARNs of target groups",
                "arn:<partition>:elasticloadbalancing:<region>:<account>:targetgroup/<name>/<id>",
                r"targetgroup/[0-9A-Za-z-]{1,32}/[0-9a-f]{16}",
            ),
            "the target groups to register with",
            required=True,
        ),
        Argument(
            "security_group_arns",
            arns(
                "ARNs of security groups",
                "arn:<partition>:ec2:<region>:<account>:security-group/<id>",
                r"security-group/sg-[0-9a-f]{8,17}",
            ),
            "the nodes' security groups, where it is to open them",
        ),
    ),
)
