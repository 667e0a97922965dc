"""The AWS Load Balancer Controller: makes load balancers for Ingresses, Services and Gateways.

Follows v3.5.0, https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/install/iam_policy.json,
in the cluster's region and account, and with the call that the annotation `wafv2-acl-name` needs by
https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/guide/ingress/annotations.md. Where the
policy asks whether the controller's tag is there at all, this asks that it holds the cluster's name; security groups
are narrowed by VPC, as the installation guide beside it recommends.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import VPCS
from ._model import Argument, Cluster, Definition, allow

_TAG = "elbv2.k8s.aws/cluster"
_DESCRIBE = {
    "ec2": (
        *("AccountAttributes", "Addresses", "AvailabilityZones", "CoipPools", "Instances", "InternetGateways"),
        *("IpamPools", "NetworkInterfaces", "RouteTables", "SecurityGroups", "Subnets", "Tags"),
        *("VpcPeeringConnections", "Vpcs"),
    ),
    "elasticloadbalancing": (
        *("CapacityReservation", "ListenerAttributes", "ListenerCertificates", "Listeners", "LoadBalancerAttributes"),
        *("LoadBalancers", "Rules", "SSLPolicies", "Tags", "TargetGroupAttributes", "TargetGroups", "TargetHealth"),
        "TrustStores",
    ),
}


def statements(cluster: Cluster, *, vpc_ids: Sequence[str]) -> list[Statement]:
    """Keep load balancers, target groups and security groups with the cluster's tag."""
    elb = "elasticloadbalancing"
    load_balancers = [cluster.arn(elb, f"loadbalancer/{kind}/*/*") for kind in ("app", "net")]
    listeners = [cluster.arn(elb, f"listener/{kind}/*/*/*") for kind in ("app", "net")]
    rules = [cluster.arn(elb, f"listener-rule/{kind}/*/*/*/*") for kind in ("app", "net")]
    target_groups = cluster.arn(elb, "targetgroup/*/*")
    balancing = [*load_balancers, target_groups]
    # In a VPC that another account shares, the VPC is that account's, and the security groups are not.
    vpcs = [cluster.arn("ec2", f"vpc/{vpc}", account="*") for vpc in vpc_ids]
    groups = cluster.arn("ec2", "security-group/*")
    made = {f"aws:RequestTag/{_TAG}": cluster.name}
    own = {"StringEquals": {f"aws:ResourceTag/{_TAG}": cluster.name}}
    # Changing tags of what stands must leave the cluster's tag alone.
    retagged = {**own, "Null": {f"aws:RequestTag/{_TAG}": "true"}}
    tagging = ["AddTags", "RemoveTags"]
    managing = ["DeleteLoadBalancer", "ModifyCapacityReservation", "ModifyIpPools", "ModifyLoadBalancerAttributes"]
    managing += ["SetIpAddressType", "SetSecurityGroups", "SetSubnets"]
    managing_targets = ["DeleteTargetGroup", "ModifyTargetGroup", "ModifyTargetGroupAttributes"]
    creating_groups = {"ec2:CreateAction": "CreateSecurityGroup", **made}
    creating = {"elasticloadbalancing:CreateAction": ["CreateLoadBalancer", "CreateTargetGroup"], **made}
    role = cluster.arn(
        "iam",
        "role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing",
        region="",
    )

    def on(sid: str, actions: Sequence[str], resources: Sequence[str], condition: dict | None = None) -> Statement:
        return allow(sid, [f"{elb}:{action}" for action in actions], resources, condition)

    return [
        allow(
            "CreateServiceLinkedRole",
            ["iam:CreateServiceLinkedRole"],
            [role],
            {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
        allow("Read", [f"{service}:Describe{what}" for service, all_ in _DESCRIBE.items() for what in all_], ["*"]),
        allow("ReadGroupsOfVpcs", ["ec2:GetSecurityGroupsForVpc"], vpcs),
        allow("ReadAddressPools", ["ec2:GetCoipPoolUsage"], [cluster.arn("ec2", "coip-pool/*")]),
        *_integrations(cluster),
        allow(
            "OpenGroupsOfVpcs",
            ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"],
            [groups],
            {"ArnLike": {"ec2:Vpc": vpcs}},
        ),
        allow("CreateGroupsIn", ["ec2:CreateSecurityGroup"], vpcs),
        allow("CreateGroups", ["ec2:CreateSecurityGroup"], [groups], {"StringEquals": made}),
        allow("TagNewGroups", ["ec2:CreateTags"], [groups], {"StringEquals": creating_groups}),
        allow("TagGroups", ["ec2:CreateTags", "ec2:DeleteTags"], [groups], retagged),
        allow("DeleteGroups", ["ec2:DeleteSecurityGroup"], [groups], own),
        on("Create", ["CreateLoadBalancer", "CreateTargetGroup"], balancing, {"StringEquals": made}),
        on("TagNew", ["AddTags"], balancing, {"StringEquals": creating}),
        on("Tag", tagging, balancing, retagged),
        on("TagListeners", tagging, [*listeners, *rules]),
        on("Manage", managing, load_balancers, own),
        on("ManageTargetGroups", managing_targets, [target_groups], own),
        on("ManageListenerAttributes", ["ModifyListenerAttributes"], listeners, own),
        on("CreateListeners", ["CreateListener"], load_balancers),
        on("ManageListeners", ["CreateRule", "DeleteListener", "ModifyListener"], listeners),
        on("ManageCertificates", ["AddListenerCertificates", "RemoveListenerCertificates"], listeners),
        on("ManageRules", ["DeleteRule", "ModifyRule", "SetRulePriorities"], rules),
        on("RegisterTargets", ["DeregisterTargets", "RegisterTargets"], [target_groups]),
        on("SetWebAcl", ["SetWebAcl"], ["*"]),
    ]


def _integrations(cluster: Cluster) -> list[Statement]:
    """Certificates, user pools, web ACLs and Shield, in the cluster's account."""
    load_balancers = cluster.arn("elasticloadbalancing", "loadbalancer/app/*/*")
    classic, current = cluster.arn("waf-regional", "webacl/*"), cluster.arn("wafv2", "regional/webacl/*/*")
    verbs = ("AssociateWebACL", "DisassociateWebACL", "GetWebACL", "GetWebACLForResource")
    finding = ["acm:ListCertificates", "iam:ListServerCertificates", "shield:CreateProtection", "wafv2:ListWebACLs"]
    protecting = ["shield:DeleteProtection", "shield:DescribeProtection"]
    certificates = cluster.arn("iam", "server-certificate/*", region="")
    return [
        allow("FindIntegrations", [*finding, "shield:GetSubscriptionState"], ["*"]),
        allow("ReadCertificates", ["acm:DescribeCertificate"], [cluster.arn("acm", "certificate/*")]),
        allow("ReadServerCertificates", ["iam:GetServerCertificate"], [certificates]),
        allow("ReadUserPools", ["cognito-idp:DescribeUserPoolClient"], [cluster.arn("cognito-idp", "userpool/*")]),
        allow("UseClassicWebAcls", [f"waf-regional:{verb}" for verb in verbs], [classic, load_balancers]),
        allow("UseWebAcls", [f"wafv2:{verb}" for verb in verbs], [current, load_balancers]),
        allow("Protect", protecting, [cluster.arn("shield", "protection/*", region="")]),
    ]


PRESET = Definition(
    name="aws-load-balancer-controller",
    title="AWS Load Balancer Controller",
    version="v3.5.0",
    source="https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/install/iam_policy.json",
    namespace="kube-system",
    service_account="aws-load-balancer-controller",
    statements=statements,
    scope=(Argument("vpc_ids", VPCS, "the VPCs in which it makes and opens security groups", required=True),),
)
