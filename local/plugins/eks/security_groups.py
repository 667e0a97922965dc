"""Security groups between control plane and nodes.

See https://docs.aws.amazon.com/eks/latest/userguide/sec-group-reqs.html.
"""

import pulumi

from .resources import EksCluster, SecurityGroup, SecurityGroupRule
from .wire import Inputs, merged_tags

_ALL = {"fromPort": 0, "toPort": 0, "protocol": "-1"}
_HTTPS = {"fromPort": 443, "toPort": 443, "protocol": "tcp"}
_UNPRIVILEGED = {"fromPort": 1025, "toPort": 65535, "protocol": "tcp"}


def _egress(name: str, group: SecurityGroup, opts: pulumi.ResourceOptions) -> None:
    SecurityGroupRule(
        name,
        {
            "description": "Allow internet access.",
            "type": "egress",
            **_ALL,
            "cidrBlocks": ["0.0.0.0/0"],
            "securityGroupId": group.id,
        },
        opts,
    )


def cluster_security_group(
    name: str,
    *,
    vpc_id: pulumi.Input[str],
    tags: pulumi.Input[Inputs],
    opts: pulumi.ResourceOptions,
) -> SecurityGroup:
    """Create the control plane's security group, with egress to anywhere."""
    full_name = f"{name}-eksClusterSecurityGroup"
    group = SecurityGroup(
        full_name,
        {"vpcId": vpc_id, "revokeRulesOnDelete": True, "tags": merged_tags({"Name": full_name}, tags)},
        opts,
    )
    _egress(f"{name}-eksClusterInternetEgressRule", group, opts)
    return group


def node_security_group(
    name: str,
    *,
    vpc_id: pulumi.Input[str],
    cluster: pulumi.Input[EksCluster],
    cluster_security_group_id: pulumi.Input[str],
    tags: pulumi.Input[Inputs | None],
    opts: pulumi.ResourceOptions,
) -> tuple[SecurityGroup, SecurityGroupRule]:
    """Create the nodes' security group and the rules between it and the control plane's.

    Returns:
        The group, and the rule by which nodes reach the API server.
    """
    full_name = f"{name}-nodeSecurityGroup"
    cluster_name = pulumi.Output.from_input(cluster).apply(lambda known: known.name)
    group = SecurityGroup(
        full_name,
        {
            "vpcId": vpc_id,
            "revokeRulesOnDelete": True,
            "tags": merged_tags(
                {"Name": full_name},
                cluster_name.apply(lambda known: {f"kubernetes.io/cluster/{known}": "owned"}),
                tags,
            ),
        },
        opts,
    )

    def ingress(rule: str, description: str, ports: Inputs, to: pulumi.Input[str], source: Inputs):
        return SecurityGroupRule(
            f"{name}-{rule}",
            {"description": description, "type": "ingress", **ports, "securityGroupId": to, **source},
            opts,
        )

    control_plane = {"sourceSecurityGroupId": cluster_security_group_id}
    ingress("eksNodeIngressRule", "Allow nodes to communicate with each other", _ALL, group.id, {"self": True})
    ingress(
        "eksNodeClusterIngressRule",
        "Allow worker Kubelets and pods to receive communication from the cluster control plane",
        _UNPRIVILEGED,
        group.id,
        control_plane,
    )
    ingress(
        "eksExtApiServerClusterIngressRule",
        "Allow pods running extension API servers on port 443 to receive communication from cluster control plane",
        _HTTPS,
        group.id,
        control_plane,
    )
    _egress(f"{name}-eksNodeInternetEgressRule", group, opts)
    api_access = ingress(
        "eksClusterIngressRule",
        "Allow pods to communicate with the cluster API Server",
        _HTTPS,
        cluster_security_group_id,
        {"sourceSecurityGroupId": group.id},
    )
    return group, api_access


class NodeGroupSecurityGroup(pulumi.ComponentResource):
    """`eks:index:NodeGroupSecurityGroup`: a security group for nodes, made outside of a cluster component."""

    TOKEN = "eks:index:NodeGroupSecurityGroup"

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions) -> None:
        super().__init__(self.TOKEN, name, None, opts)
        cluster_group = pulumi.Output.from_input(args["clusterSecurityGroup"])
        group, rule = node_security_group(
            name,
            vpc_id=args["vpcId"],
            cluster=args["eksCluster"],
            cluster_security_group_id=cluster_group.apply(lambda known: known.id),
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.outputs = {"securityGroup": group, "securityGroupRule": rule}
        self.register_outputs({})
