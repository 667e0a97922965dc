"""The AWS resources that the components create, declared by token and by the outputs that are read.

The classes of `pulumi_aws` would do the same, but importing `pulumi_aws.ec2` alone takes longer than the whole of
a component's construction, in every process of every preview. Inputs are given under their wire names, which is
how a component receives its own. A test holds tokens, outputs and inputs against the classes of `pulumi_aws`.
"""

import inspect
from importlib import metadata
from typing import Any, ClassVar

import pulumi
from pulumi.runtime import register_resource_module
from pulumi.runtime.rpc import ResourceModule

from .wire import Inputs, compact

AWS_VERSION = metadata.version("pulumi-aws")


class AwsResource(pulumi.CustomResource):
    """A resource of the aws provider; the annotations of a subclass are the outputs that it exposes."""

    token: ClassVar[str]

    def __init__(self, name: str, inputs: Inputs, opts: pulumi.ResourceOptions) -> None:
        reads = dict.fromkeys(inspect.get_annotations(type(self)))
        # The version makes the engine choose the same default provider as the program's own pulumi_aws resources.
        version = pulumi.ResourceOptions(version=AWS_VERSION)
        super().__init__(self.token, name, {**reads, **compact(inputs)}, pulumi.ResourceOptions.merge(version, opts))


class EksCluster(AwsResource):
    token = "aws:eks/cluster:Cluster"
    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    version: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    certificateAuthority: pulumi.Output[Any]
    identities: pulumi.Output[Any]
    vpcConfig: pulumi.Output[Any]


class Addon(AwsResource):
    token = "aws:eks/addon:Addon"


class AccessEntry(AwsResource):
    token = "aws:eks/accessEntry:AccessEntry"


class AccessPolicyAssociation(AwsResource):
    token = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"


class Role(AwsResource):
    token = "aws:iam/role:Role"
    arn: pulumi.Output[str]
    name: pulumi.Output[str]


class RolePolicyAttachment(AwsResource):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


class InstanceProfile(AwsResource):
    token = "aws:iam/instanceProfile:InstanceProfile"


class OpenIdConnectProvider(AwsResource):
    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    arn: pulumi.Output[str]


class SecurityGroup(AwsResource):
    token = "aws:ec2/securityGroup:SecurityGroup"


class SecurityGroupRule(AwsResource):
    token = "aws:ec2/securityGroupRule:SecurityGroupRule"
    securityGroupRuleId: pulumi.Output[str]


RESOURCES: tuple[type[AwsResource], ...] = (
    EksCluster,
    Addon,
    AccessEntry,
    AccessPolicyAssociation,
    Role,
    RolePolicyAttachment,
    InstanceProfile,
    OpenIdConnectProvider,
    SecurityGroup,
    SecurityGroupRule,
)


class _References(ResourceModule):
    """Turns a reference that arrives as an input (a role, a security group) into the resource it stands for.

    A module of the aws package holds one type, so the type needs no second look.
    """

    def __init__(self, resource: type[AwsResource]) -> None:
        self._resource = resource

    def version(self) -> None:
        return None

    def construct(self, name: str, typ: str, urn: str) -> pulumi.Resource:
        return self._resource(name, {}, pulumi.ResourceOptions(urn=urn))


def register_references() -> None:
    """Make the SDK resolve references to AWS resources into the classes above. Call once per process."""
    for resource in RESOURCES:
        package, module, _ = resource.token.split(":")
        register_resource_module(package, module, _References(resource))


def invoke(token: str, args: Inputs, parent: pulumi.Resource) -> pulumi.Output[Any]:
    """Call a function of the aws provider that `parent` uses."""
    return pulumi.runtime.invoke_output(token, compact(args), pulumi.InvokeOptions(parent=parent, version=AWS_VERSION))


def partition(parent: pulumi.Resource) -> pulumi.Output[str]:
    """The AWS partition that `parent` is created in: aws, aws-cn, aws-us-gov."""
    return invoke("aws:index/getPartition:getPartition", {}, parent).apply(lambda found: found["partition"])


def default_network(parent: pulumi.Resource) -> tuple[pulumi.Output[str], pulumi.Output[list[str]]]:
    """The id of the region's default VPC, and the ids of its subnets."""
    vpc_id = invoke("aws:ec2/getVpc:getVpc", {"default": True}, parent).apply(lambda vpc: vpc["id"])
    filters = [{"name": "vpc-id", "values": [vpc_id]}]
    subnets = invoke("aws:ec2/getSubnets:getSubnets", {"filters": filters}, parent)
    return vpc_id, subnets.apply(lambda found: found["ids"])


def newest_addon_version(
    addon: str, kubernetes_version: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """The newest version of an EKS add-on that runs on a Kubernetes version."""
    arguments = {"addonName": addon, "kubernetesVersion": kubernetes_version, "mostRecent": True}
    return invoke("aws:eks/getAddonVersion:getAddonVersion", arguments, parent).apply(lambda found: found["version"])
