"""For every resource type: what it is made with, what changes it in place, what replaces it, how it is imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from local.plugins.base.wire import Values

from .conftest import Surroundings, trust
from .driver import Made


def policy(*actions: str) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    )


@dataclass(frozen=True)
class Case:
    """How a resource type is put through its life.

    Attributes:
        token: The type.
        inputs: Makes what it is created with.
        updates: Changes that are made in place, one after the other; None takes a property away.
        replacements: For each property that cannot be changed, another value.
        import_id: Makes the id to import it by.
        not_imported: Inputs that cannot be read back, and what they are without.
        changes_id: Whether the API gives it another id on a change, which a state cannot follow.
        survives: Whether deleting it leaves it where it is.
    """

    token: str
    inputs: Callable[[Surroundings], Values]
    updates: tuple[Values | Callable[[Surroundings], Values], ...] = ()
    replacements: Values = field(default_factory=dict)
    import_id: Callable[[Made], str] = lambda made: made.id
    not_imported: frozenset[str] = frozenset()
    changes_id: bool = False
    survives: bool = False

    def __str__(self) -> str:
        return self.token.rpartition(":")[2]


TAGGED: Values = {"tags": {"Name": "one", "kubernetes.io/role/elb": "1"}}
RETAGGED: Values = {"tags": {"Name": "two", "more": ""}}
UNTAGGED: Values = {"tags": None}
TAG_CHANGES = (RETAGGED, UNTAGGED)


def _attachment(around: Surroundings) -> Values:
    return {"role": around.role().id, "policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}


def _association(around: Surroundings) -> Values:
    return {
        "clusterName": around.cluster.id,
        "namespace": around.unique("ns"),
        "serviceAccount": "sa",
        "roleArn": around.role().state["arn"],
        **TAGGED,
    }


def _node_group(around: Surroundings) -> Values:
    return {
        "clusterName": around.cluster.id,
        "nodeGroupName": around.unique("nodes"),
        "nodeRoleArn": around.role("ec2.amazonaws.com").state["arn"],
        "subnetIds": around.subnets,
        "scalingConfig": {"minSize": 1, "desiredSize": 2, "maxSize": 3},
        "labels": {"a": "1", "b": "2"},
        "taints": [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}],
        "amiType": "AL2023_x86_64_STANDARD",
        "instanceTypes": ["t3.small"],
        **TAGGED,
    }


def _cluster(around: Surroundings) -> Values:
    return {
        "name": around.unique("life"),
        "roleArn": around.role("eks.amazonaws.com").state["arn"],
        "vpcConfig": {"subnetIds": around.subnets, "endpointPrivateAccess": True},
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "enabledClusterLogTypes": ["audit", "api"],
        "version": "1.35",
        **TAGGED,
    }


def _rule(around: Surroundings) -> Values:
    return {
        "type": "ingress",
        "securityGroupId": around.security_group(),
        "protocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrBlocks": ["10.1.0.0/16"],
        "description": "one",
    }


def _vpc_rule(around: Surroundings) -> Values:
    return {
        "securityGroupId": around.security_group(),
        "ipProtocol": "tcp",
        "fromPort": 80,
        "toPort": 80,
        "cidrIpv4": "10.2.0.0/16",
        "description": "one",
        **TAGGED,
    }


def _route_table(around: Surroundings) -> str:
    return around.made("aws:ec2/routeTable:RouteTable", {"vpcId": around.vpc}).id


def _association_in(around: Surroundings) -> Values:
    vpc = around.new_vpc()
    subnet = around.made("aws:ec2/subnet:Subnet", {"vpcId": vpc, "cidrBlock": "10.0.1.0/24"})
    table = around.made("aws:ec2/routeTable:RouteTable", {"vpcId": vpc})
    return {"subnetId": subnet.id, "routeTableId": table.id}


def _nat(around: Surroundings) -> Values:
    address = around.made("aws:ec2/eip:Eip", {"domain": "vpc"})
    return {"allocationId": address.id, "subnetId": around.subnets[0], **TAGGED}


CASES = (
    Case(
        "aws:ec2/vpc:Vpc",
        lambda around: {"cidrBlock": "10.9.0.0/16", "enableDnsHostnames": True, **TAGGED},
        ({"enableDnsHostnames": False}, {"enableDnsSupport": False}, {"enableDnsSupport": True}, *TAG_CHANGES),
        {"cidrBlock": "10.8.0.0/16", "region": "eu-central-1", "instanceTenancy": "dedicated"},
    ),
    Case(
        "aws:ec2/subnet:Subnet",
        lambda around: {
            "vpcId": around.new_vpc(),
            "cidrBlock": "10.0.1.0/24",
            "availabilityZone": "eu-west-1a",
            **TAGGED,
        },
        ({"mapPublicIpOnLaunch": True}, {"mapPublicIpOnLaunch": None}, *TAG_CHANGES),
        {"cidrBlock": "10.0.2.0/24", "availabilityZone": "eu-west-1b", "vpcId": "vpc-0"},
    ),
    Case(
        "aws:ec2/internetGateway:InternetGateway",
        lambda around: {"vpcId": around.new_vpc(), **TAGGED},
        (lambda around: {"vpcId": around.new_vpc()}, *TAG_CHANGES),
        {"region": "eu-central-1"},
    ),
    Case("aws:ec2/eip:Eip", lambda around: {"domain": "vpc", **TAGGED}, TAG_CHANGES, {"domain": "standard"}),
    Case(
        "aws:ec2/natGateway:NatGateway",
        _nat,
        TAG_CHANGES,
        {"allocationId": "eipalloc-0", "subnetId": "subnet-0"},
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        lambda around: {
            "vpcId": around.vpc,
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": around.gateway}],
            **TAGGED,
        },
        (
            lambda around: {
                "routes": [
                    {"cidrBlock": "10.50.0.0/16", "gatewayId": around.gateway},
                    {"cidrBlock": "0.0.0.0/0", "gatewayId": around.gateway},
                ]
            },
            {"routes": []},
            *TAG_CHANGES,
        ),
        {"vpcId": "vpc-0"},
        not_imported=frozenset({"routes"}),
    ),
    Case(
        "aws:ec2/route:Route",
        lambda around: {
            "routeTableId": _route_table(around),
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": around.gateway,
        },
        (lambda around: {"gatewayId": None, "natGatewayId": around.nat_gateway},),
        {"destinationCidrBlock": "10.77.0.0/16", "routeTableId": "rtb-0"},
        import_id=lambda made: f"{made.state['routeTableId']}_0.0.0.0/0",
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        _association_in,
        (lambda around: {"routeTableId": _route_table(around)},),
        {"subnetId": "subnet-0"},
        import_id=lambda made: f"{made.state['subnetId']}/{made.state['routeTableId']}",
        changes_id=True,
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda around: {
            "vpcId": around.vpc,
            "ingress": [
                {"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.1.0.0/16", "10.2.0.0/16"]},
                {"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True, "description": "among themselves"},
            ],
            **TAGGED,
        },
        (
            {"ingress": [{"protocol": "tcp", "fromPort": 81, "toPort": 81, "cidrBlocks": ["10.1.0.0/16"]}]},
            {"egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}]},
            {"ingress": [], "revokeRulesOnDelete": True},
            *TAG_CHANGES,
        ),
        {"description": "another", "vpcId": "vpc-0", "name": "another"},
        not_imported=frozenset({"ingress", "egress", "revokeRulesOnDelete"}),
    ),
    Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        lambda around: {"vpcId": around.new_vpc(), **TAGGED},
        (
            {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/8"]}]},
            {"ingress": None},
            *TAG_CHANGES,
        ),
        {"vpcId": "vpc-0"},
        survives=True,
    ),
    Case(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        _rule,
        ({"description": "two"},),
        {"cidrBlocks": ["10.3.0.0/16"], "fromPort": 442, "protocol": "udp", "type": "egress"},
        import_id=lambda made: f"{made.state['securityGroupId']}_ingress_tcp_443_443_10.1.0.0/16",
    ),
    Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        _vpc_rule,
        ({"description": "two", "fromPort": 79}, {"cidrIpv4": "10.3.0.0/16"}, *TAG_CHANGES),
        {"securityGroupId": "sg-0"},
    ),
    Case(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        _vpc_rule,
        ({"description": "two", "fromPort": 79}, *TAG_CHANGES),
        {"securityGroupId": "sg-0"},
    ),
    Case(
        "aws:ec2/launchTemplate:LaunchTemplate",
        lambda around: {
            "updateDefaultVersion": True,
            "description": "one",
            "instanceType": "t3.small",
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {"volumeSize": 20, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": True},
                }
            ],
            "tagSpecifications": [{"resourceType": "instance", "tags": {"a": "b"}}],
            **TAGGED,
        },
        (
            {"instanceType": "t3.medium"},
            {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled"}},
            {"tagSpecifications": None, "description": "two"},
            *TAG_CHANGES,
        ),
        {"name": "another"},
        not_imported=frozenset({"updateDefaultVersion"}),
    ),
    Case(
        "aws:iam/role:Role",
        lambda around: {
            "assumeRolePolicy": trust("ec2.amazonaws.com"),
            "description": "one",
            "managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"],
            "inlinePolicies": [{"name": "in", "policy": policy("s3:GetObject")}],
            "forceDetachPolicies": True,
            **TAGGED,
        },
        (
            {"assumeRolePolicy": trust("pods.eks.amazonaws.com")},
            {"description": None, "maxSessionDuration": 7200},
            {"managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]},
            {"inlinePolicies": [{"name": "in", "policy": policy("s3:PutObject")}]},
            {"permissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
            {"permissionsBoundary": None},
            *TAG_CHANGES,
        ),
        {"path": "/other/", "name": "another"},
        not_imported=frozenset({"forceDetachPolicies", "managedPolicyArns", "inlinePolicies"}),
    ),
    Case(
        "aws:iam/policy:Policy",
        lambda around: {"policy": policy("s3:GetObject"), "path": "/p/", "description": "one", **TAGGED},
        (*({"policy": policy(f"s3:Get{number}")} for number in range(7)), *TAG_CHANGES),
        {"description": "two", "path": "/q/", "name": "another"},
    ),
    Case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        _attachment,
        (),
        {"role": "another", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        import_id=lambda made: f"{made.state['role']}/{made.state['policyArn']}",
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        lambda around: {"role": around.role().id, "policy": policy("s3:GetObject")},
        ({"policy": policy("s3:PutObject")},),
        {"role": "another", "name": "another"},
    ),
    Case(
        "aws:iam/instanceProfile:InstanceProfile",
        lambda around: {"role": around.role("ec2.amazonaws.com").id, "path": "/p/", **TAGGED},
        (lambda around: {"role": around.role("ec2.amazonaws.com").id}, {"role": None}, *TAG_CHANGES),
        {"path": "/q/"},
    ),
    Case(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        lambda around: {
            "url": f"https://{around.unique('issuer')}.example.com",
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": ["a" * 40],
            **TAGGED,
        },
        ({"thumbprintLists": ["b" * 40]}, *TAG_CHANGES),
        {"url": "https://another.example.com"},
    ),
    Case(
        "aws:eks/cluster:Cluster",
        _cluster,
        (
            {"enabledClusterLogTypes": ["scheduler", "api"]},
            lambda around: {
                "vpcConfig": {
                    "subnetIds": around.subnets,
                    "endpointPrivateAccess": True,
                    "publicAccessCidrs": ["203.0.113.0/24"],
                }
            },
            {"accessConfig": {"authenticationMode": "API"}},
            {"version": "1.36"},
            {"deletionProtection": True},
            {"deletionProtection": False},
            {"upgradePolicy": {"supportType": "STANDARD"}},
            *TAG_CHANGES,
        ),
        {"name": "another", "roleArn": "arn:aws:iam::123456789012:role/another", "version": "1.34"},
    ),
    Case(
        "aws:eks/nodeGroup:NodeGroup",
        _node_group,
        (
            {"scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 5}},
            {"labels": {"b": "3", "c": "4"}},
            {"taints": [{"key": "k", "value": "w", "effect": "NO_SCHEDULE"}, {"key": "l", "effect": "NO_EXECUTE"}]},
            {"taints": None, "labels": None},
            {"updateConfig": {"maxUnavailable": 2}},
            *TAG_CHANGES,
        ),
        {
            "amiType": "BOTTLEROCKET_x86_64",
            "instanceTypes": ["t3.large"],
            "subnetIds": ["subnet-0"],
            "nodeRoleArn": "arn:aws:iam::123456789012:role/another",
            "nodeGroupName": "another",
            "capacityType": "SPOT",
        },
    ),
    Case(
        "aws:eks/addon:Addon",
        lambda around: {
            "clusterName": around.cluster.id,
            "addonName": "eks-pod-identity-agent",
            "resolveConflictsOnCreate": "OVERWRITE",
            "resolveConflictsOnUpdate": "PRESERVE",
            "preserve": False,
            **TAGGED,
        },
        (
            {"configurationValues": '{"agent": {"additionalArgs": {"-b": "169.254.170.23"}}}'},
            lambda around: {"addonVersion": around.other_addon_version("eks-pod-identity-agent")},
            *TAG_CHANGES,
        ),
        {"addonName": "another", "clusterName": "another"},
        not_imported=frozenset({"resolveConflictsOnCreate", "resolveConflictsOnUpdate", "preserve"}),
    ),
    Case(
        "aws:eks/accessEntry:AccessEntry",
        lambda around: {
            "clusterName": around.cluster.id,
            "principalArn": around.role("ec2.amazonaws.com").state["arn"],
            "kubernetesGroups": ["b", "a"],
            **TAGGED,
        },
        ({"kubernetesGroups": ["c"]}, {"kubernetesGroups": None}, {"userName": "another"}, *TAG_CHANGES),
        {"type": "EC2_LINUX", "principalArn": "arn:aws:iam::123456789012:role/another"},
    ),
    Case(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        lambda around: {
            "clusterName": around.cluster.id,
            "principalArn": around.access_entry.state["principalArn"],
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
            "accessScope": {"type": "namespace", "namespaces": ["b", "a"]},
        },
        (),
        {"accessScope": {"type": "cluster"}, "principalArn": "arn:aws:iam::123456789012:role/another"},
    ),
    Case(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        _association,
        (
            lambda around: {"roleArn": around.role().state["arn"]},
            lambda around: {"targetRoleArn": around.role().state["arn"]},
            {"targetRoleArn": None},
            {"disableSessionTags": True},
            {"policy": policy("s3:GetObject")},
            {"policy": None},
            *TAG_CHANGES,
        ),
        {"namespace": "another", "serviceAccount": "another", "clusterName": "another"},
        import_id=lambda made: f"{made.state['clusterName']},{made.id}",
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        lambda around: {"name": f"/aws/eks/{around.unique('logs')}/cluster", "retentionInDays": 30, **TAGGED},
        ({"retentionInDays": 7}, {"retentionInDays": None}, *TAG_CHANGES),
        {"name": "another"},
    ),
    Case(
        "aws:kms/key:Key",
        lambda around: {"description": "one", "deletionWindowInDays": 7, **TAGGED},
        ({"description": "two"}, {"enableKeyRotation": True}, {"isEnabled": False}, {"isEnabled": True}, *TAG_CHANGES),
        {"keyUsage": "SIGN_VERIFY"},
        not_imported=frozenset({"deletionWindowInDays"}),
    ),
    Case(
        "aws:kms/alias:Alias",
        lambda around: {"targetKeyId": around.key().id},
        (lambda around: {"targetKeyId": around.key().state["arn"]},),
        {"name": "alias/another"},
    ),
    Case(
        "aws:s3/bucket:Bucket",
        lambda around: {"forceDestroy": True, **TAGGED},
        TAG_CHANGES,
        {"bucket": "another"},
        not_imported=frozenset({"forceDestroy"}),
    ),
)
