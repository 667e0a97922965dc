"""`PodIdentityAgent`: the add-on that hands credentials to pods."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import after, allowed, token, validated
from .addon import configuration_values, resolve_version
from .rules import Finding

ADDON_NAME = "eks-pod-identity-agent"


class PodIdentityAgentArgs(TypedDict):
    """The arguments of a `PodIdentityAgent`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `EksCluster.ready`, or another Output that comes once there are nodes: without a node
    the add-on has nowhere to become active."""
    region: NotRequired[pulumi.Input[str]]
    """The cluster's region. Default: the provider's."""
    auto_mode: NotRequired[bool]
    """Whether the cluster runs in EKS Auto Mode, which has the agent built in: no add-on is made then. Not an Output,
    as `ExistingCluster.auto_mode` is: say `install` is false for a cluster of which it has to be found out. Default:
    false."""
    install: NotRequired[bool]
    """Whether the agent is installed here. Say false where it is there already, and looked after by somebody else: it
    is only looked up, and Auto Mode found out. Default: true."""
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

    With `install` false nothing is made: the agent that the cluster has is looked up, and the preview fails where it
    has none.

    Raises `InvalidArgs` on a cluster name or an add-on version that EKS would refuse, and on arguments that cannot take
    effect in Auto Mode or on an agent that is not installed here.

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
            _judge,
            {
                "cluster_name": args["cluster_name"],
                "auto_mode": args.get("auto_mode", False),
                "install": args.get("install", True),
                "addon_version": args.get("addon_version"),
                "ipv4_only": args.get("ipv4_only", False),
                "configuration": args.get("configuration", {}),
                "overwrite": args.get("overwrite", False),
                "preserve": args.get("preserve", False),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
            declared=PodIdentityAgentArgs,
            fixes={
                "auto_mode": "Give the value itself; or, for a cluster that stands already, leave it out and say "
                "install: False, which looks the agent up and finds Auto Mode out"
            },
        )
        if valid["auto_mode"]:
            self.addon_arn = self.addon_version = pulumi.Output.from_input("")
            self.ready = pulumi.Output.from_input(valid["cluster_name"])
        elif not valid["install"]:
            found = self._look_up(name, valid["cluster_name"], args.get("region"))
            self.addon_arn = found.apply(lambda agent: agent["arn"])
            self.addon_version = found.apply(lambda agent: agent["version"])
            self.ready = after(pulumi.Output.from_input(valid["cluster_name"]), found)
        else:
            # What is not asked for is left out and comes to the same: EKS does not say it of an add-on, so that one
            # that is adopted would be shown as changed.
            conflicts = "OVERWRITE" if valid["overwrite"] else None
            cluster_name, version, region = valid["cluster_name"], valid["addon_version"], args.get("region")
            addon = aws.eks.Addon(
                f"{name}-addon",
                cluster_name=cluster_name,
                addon_name=ADDON_NAME,
                addon_version=resolve_version(
                    ADDON_NAME, cluster_name, version, region, pulumi.InvokeOutputOptions(parent=self)
                ),
                configuration_values=pulumi.Output.from_input(valid["configuration"]).apply(
                    lambda known: configuration_values(_configuration(known, valid["ipv4_only"]))
                ),
                resolve_conflicts_on_create=conflicts,
                resolve_conflicts_on_update=conflicts,
                preserve=valid["preserve"] or None,
                region=region,
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

    def _look_up(
        self, name: str, cluster_name: pulumi.Input[str], region: pulumi.Input[str] | None
    ) -> pulumi.Output[dict[str, str]]:
        invoke = pulumi.InvokeOutputOptions(parent=self)

        def look(known: str) -> pulumi.Output[dict[str, str]]:
            cluster = aws.eks.get_cluster_output(name=known, region=region, opts=invoke)

            def agent(computes: Any) -> pulumi.Output[dict[str, str]] | dict[str, str]:
                if any(compute.enabled for compute in computes or ()):
                    return {"arn": "", "version": ""}
                addon = aws.eks.get_addon_output(cluster_name=known, addon_name=ADDON_NAME, region=region, opts=invoke)
                found = addon.apply(lambda addon: {"arn": addon.arn, "version": addon.addon_version})
                return self._explained(
                    found,
                    f"PodIdentityAgent {name!r}: no add-on {ADDON_NAME} is found in cluster {known}, and install is "
                    f"false. Install it (aws eks create-addon --cluster-name {known} --addon-name {ADDON_NAME}), or "
                    "leave install out",
                )

            return cluster.compute_configs.apply(agent)

        return pulumi.Output.from_input(cluster_name).apply(look)

    def _explained(self, output: pulumi.Output[Any], message: str) -> pulumi.Output[Any]:
        # What the provider says of a failure stays as it is; in front of it goes what to do.
        async def explain() -> None:
            try:
                await output.future(with_unknowns=True)
            except Exception:
                pulumi.log.error(message, self)
                raise

        return pulumi.Output.all(output, pulumi.Output.from_input(explain())).apply(lambda pair: pair[0])


def _judge(
    *, install: Any = None, overwrite: Any = None, preserve: Any = None, tags: Any = None, **more: Any
) -> list[Finding]:
    findings = rules.agent(tags=tags, **more)
    for prop, value in (("install", install), ("overwrite", overwrite), ("preserve", preserve)):
        if value is not rules.UNKNOWN and not isinstance(value, bool):
            reason, fix = "this is true or false", "Write true or false, without quotes"
            findings.append(Finding("boolean", prop, value, reason, fix))
    if install is False:
        own = ("addon_version", "ipv4_only", "configuration")
        given = {**{prop: more.get(prop) for prop in own}, "overwrite": overwrite, "preserve": preserve, "tags": tags}
        for prop, value in given.items():
            if value is not rules.UNKNOWN and value:
                reason = "the agent is not installed here, so this would have no effect"
                findings.append(Finding("agent-install", prop, value, reason, f"Remove {prop}, or install"))
    return findings


def _configuration(configuration: Mapping[str, Any], ipv4_only: bool) -> dict[str, Any]:
    values: dict[str, Any] = dict(configuration)
    if ipv4_only:
        agent = dict(values.get("agent", {}))
        values["agent"] = {**agent, "additionalArgs": {**agent.get("additionalArgs", {}), "-b": "169.254.170.23"}}
    return values
