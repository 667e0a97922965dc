"""`PodIdentityAgent`: the add-on that hands credentials to pods."""

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import after, allowed, token, validated

ADDON_NAME = "eks-pod-identity-agent"


class PodIdentityAgentArgs(TypedDict):
    """The arguments of a `PodIdentityAgent`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `EksCluster.ready`, or another Output that comes once there are nodes: without a node
    the add-on has nowhere to become active."""
    auto_mode: NotRequired[bool]
    """Whether the cluster runs in EKS Auto Mode, which has the agent built in: no add-on is made then. Default:
    false."""
    addon_version: NotRequired[pulumi.Input[str]]
    """A version such as `v1.3.10-eksbuild.2`, or `latest` for the newest of the cluster's Kubernetes version.
    Default: the add-on's default version for it."""
    ipv4_only: NotRequired[bool]
    """Whether the agent listens on 169.254.170.23 only. Where nodes have IPv6 disabled it cannot start otherwise.
    Default: false."""
    configuration: NotRequired[Mapping[str, Any]]
    """More of the add-on's configuration, as `aws eks describe-addon-configuration` documents it. Default: none."""
    overwrite: NotRequired[bool]
    """Whether the add-on takes over from an agent that was installed by other means, and from changes made by hand.
    Default: false, so that a conflict is an error."""
    preserve: NotRequired[bool]
    """Whether the agent goes on running, unmanaged, when this component is deleted. Default: false."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for the add-on. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class PodIdentityAgent(pulumi.ComponentResource):
    """The EKS add-on `eks-pod-identity-agent`, active before anything that takes `ready` begins.

    Raises `InvalidArgs` on a cluster name or an add-on version that EKS would refuse, and on arguments that cannot take
    effect in Auto Mode.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/eks/addon/.
    """

    addon_arn: pulumi.Output[str]
    """The ARN of the add-on. Empty in Auto Mode."""
    addon_version: pulumi.Output[str]
    """The add-on's version. Empty in Auto Mode, where AWS keeps it current."""
    ready: pulumi.Output[str]
    """The cluster's name, once its agent is active."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: PodIdentityAgentArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("PodIdentityAgent"), name, {**args}, opts)
        child = pulumi.ResourceOptions(parent=self)
        valid = validated(
            f"PodIdentityAgent {name!r}",
            rules.agent,
            {
                "cluster_name": args["cluster_name"],
                "auto_mode": args.get("auto_mode", False),
                "addon_version": args.get("addon_version"),
                "ipv4_only": args.get("ipv4_only", False),
                "configuration": args.get("configuration", {}),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
        )
        if valid["auto_mode"]:
            self.addon_arn = self.addon_version = pulumi.Output.from_input("")
            self.ready = pulumi.Output.from_input(valid["cluster_name"])
        else:
            conflicts = "OVERWRITE" if args.get("overwrite", False) else "NONE"
            addon = aws.eks.Addon(
                f"{name}-addon",
                cluster_name=valid["cluster_name"],
                addon_name=ADDON_NAME,
                addon_version=self._resolve_version(valid["cluster_name"], valid["addon_version"]),
                configuration_values=_configuration(valid["configuration"], valid["ipv4_only"]),
                resolve_conflicts_on_create=conflicts,
                resolve_conflicts_on_update=conflicts,
                preserve=args.get("preserve", False),
                tags=valid["tags"],
                opts=child,
            )
            self.addon_arn = addon.arn
            self.addon_version = addon.addon_version
            self.ready = after(addon.cluster_name, addon.arn)
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "addon_arn": self.addon_arn,
                "addon_version": self.addon_version,
                "ready": self.ready,
                "allowed": self.allowed,
            }
        )

    def _resolve_version(
        self, cluster_name: pulumi.Input[str], version: pulumi.Input[str] | None
    ) -> pulumi.Output[str | None] | None:
        if version is None:
            return None
        invoke = pulumi.InvokeOutputOptions(parent=self)

        def newest(resolved: str) -> pulumi.Output[str] | str:
            if resolved != "latest":
                return resolved
            kubernetes_version = aws.eks.get_cluster_output(name=cluster_name, opts=invoke).version
            return aws.eks.get_addon_version_output(
                addon_name=ADDON_NAME, kubernetes_version=kubernetes_version, most_recent=True, opts=invoke
            ).version

        return pulumi.Output.from_input(version).apply(newest)


def _configuration(configuration: Mapping[str, Any], ipv4_only: bool) -> str | None:
    values: dict[str, Any] = dict(configuration)
    if ipv4_only:
        agent = dict(values.get("agent", {}))
        values["agent"] = {**agent, "additionalArgs": {**agent.get("additionalArgs", {}), "-b": "169.254.170.23"}}
    # Sorted, so that the order in which somebody wrote the keys is never a change.
    return json.dumps(values, sort_keys=True, separators=(",", ":")) if values else None
