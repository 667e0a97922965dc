"""`EksAddon`: an EKS add-on that takes its pod identity associations itself."""

import json
import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import after, allowed, token, validated
from ._workloads import judge_addon_name
from .rules import UNKNOWN, Finding

_VERSION = r"latest|v\d+\.\d+\.\d+([-+.][\w.+-]+)?"
_PAGE = rules.USER_GUIDE + "add-ons-iam.html"


class EksAddonArgs(TypedDict):
    """The arguments of an `EksAddon`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `PodIdentityAgent.ready`: the add-on's pods get credentials from the agent."""
    addon_name: pulumi.Input[str]
    """The add-on's name, such as `aws-ebs-csi-driver`, as `aws eks describe-addon-versions` lists it."""
    addon_version: NotRequired[pulumi.Input[str]]
    """A version such as `v1.64.0-eksbuild.1`, or `latest` for the newest of the cluster's Kubernetes version. Default:
    the add-on's default version for it."""
    region: NotRequired[pulumi.Input[str]]
    """The cluster's region. Default: the provider's."""
    configuration: NotRequired[Mapping[str, Any]]
    """The add-on's configuration, as `aws eks describe-addon-configuration` documents it. Default: none."""
    pod_identity_associations: NotRequired[Mapping[str, pulumi.Input[str]]]
    """The ARNs of roles, by the add-on's ServiceAccounts that have them. Give `PodIdentities.role_arn(workload)` of a
    workload with `addon`, or `PodIdentityRole.resolved_role_arn`. Default: none."""
    overwrite: NotRequired[bool]
    """Whether the add-on takes over from what was installed by other means, and from changes made by hand. Default:
    false, so that a conflict is an error."""
    preserve: NotRequired[bool]
    """Whether the add-on's software goes on running, unmanaged, when this component is deleted. Default: false."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for the add-on. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class EksAddon(pulumi.ComponentResource):
    """An EKS add-on, with the roles that its ServiceAccounts have.

    EKS makes the associations and owns them: they change only through the add-on, and go with it. The ServiceAccounts
    come with the add-on's software, so nothing else is made.

    Raises `InvalidArgs` on names, versions and ARNs that EKS would refuse, and on configuration that IAM roles for
    service accounts would need (the annotation of a ServiceAccount).

    See https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/eks/addon/.
    """

    addon_arn: pulumi.Output[str]
    """The ARN of the add-on."""
    addon_version: pulumi.Output[str]
    """The add-on's version."""
    ready: pulumi.Output[str]
    """The cluster's name, once the add-on is active."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: EksAddonArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("EksAddon"), name, {**args}, opts)
        valid = validated(
            f"EksAddon {name!r}",
            judge,
            {
                "cluster_name": args["cluster_name"],
                "addon_name": args["addon_name"],
                "addon_version": args.get("addon_version"),
                "configuration": args.get("configuration", {}),
                "overwrite": args.get("overwrite", False),
                "preserve": args.get("preserve", False),
                "tags": args.get("tags", {}),
                "pod_identity_associations": args.get("pod_identity_associations", {}),
            },
            args.get("allow"),
            declared=EksAddonArgs,
        )
        conflicts = "OVERWRITE" if valid["overwrite"] else "NONE"
        cluster_name, addon_name, version = valid["cluster_name"], valid["addon_name"], valid["addon_version"]
        region, invoke = args.get("region"), pulumi.InvokeOutputOptions(parent=self)
        addon = aws.eks.Addon(
            f"{name}-addon",
            cluster_name=cluster_name,
            addon_name=addon_name,
            addon_version=resolve_version(addon_name, cluster_name, version, region, invoke),
            configuration_values=pulumi.Output.from_input(valid["configuration"]).apply(configuration_values),
            pod_identity_associations=[
                aws.eks.AddonPodIdentityAssociationArgs(service_account=account, role_arn=role_arn)
                for account, role_arn in sorted(valid["pod_identity_associations"].items())
            ]
            or None,
            resolve_conflicts_on_create=conflicts,
            resolve_conflicts_on_update=conflicts,
            preserve=valid["preserve"],
            region=region,
            tags=valid["tags"],
            opts=pulumi.ResourceOptions(parent=self),
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


def judge(
    *,
    cluster_name: Any = None,
    addon_name: Any = None,
    addon_version: Any = None,
    configuration: Any = None,
    pod_identity_associations: Any = None,
    overwrite: Any = None,
    preserve: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """Judge the arguments of an `EksAddon`."""
    findings = rules.judge_cluster_name(cluster_name) + judge_addon_name(addon_name, "addon_name")
    version = addon_version if isinstance(addon_version, str) else ""
    if addon_version not in (None, UNKNOWN) and not re.fullmatch(_VERSION, version, re.ASCII):
        fix = 'Write it as v1.64.0-eksbuild.1, or "latest", or leave it out for the Kubernetes version\'s default'
        findings.append(Finding("addon-version", "addon_version", addon_version, "this is not an add-on version", fix))
    for prop, value in (("overwrite", overwrite), ("preserve", preserve)):
        if value is not UNKNOWN and not isinstance(value, bool):
            reason, fix = "this is true or false", "Write true or false, without quotes"
            findings.append(Finding("boolean", prop, value, reason, fix))
    roles = pod_identity_associations
    if roles is not UNKNOWN and not isinstance(roles, Mapping):
        fix = "Write {ServiceAccount: role ARN}"
        findings.append(Finding("addon-associations", "pod_identity_associations", roles, "this is a mapping", fix))
    for account, role_arn in sorted(roles.items(), key=str) if isinstance(roles, Mapping) else ():
        where = f"pod_identity_associations.{account}"
        findings += rules.judge_service_account(account, where) + rules.judge_role_arn(role_arn, where)
    for where in _irsa_annotations("configuration", configuration):
        reason = "this gives the ServiceAccount a role by IRSA, beside the one that Pod Identity gives it"
        fix = "Remove the annotation, and name the role in pod_identity_associations"
        findings.append(Finding("irsa-left-over", where, _IRSA, reason, fix, _PAGE))
    return findings + rules.judge_tags(tags)


def resolve_version(
    addon_name: pulumi.Input[str],
    cluster_name: pulumi.Input[str],
    version: pulumi.Input[str] | None,
    region: pulumi.Input[str] | None,
    invoke: pulumi.InvokeOutputOptions,
) -> pulumi.Output[str | None] | None:
    """An add-on's version, which EKS is asked for where it is `latest`; None for the default one."""
    if version is None:
        return None

    def newest(resolved: str) -> pulumi.Output[str] | str:
        if resolved != "latest":
            return resolved
        kubernetes_version = aws.eks.get_cluster_output(name=cluster_name, region=region, opts=invoke).version
        return aws.eks.get_addon_version_output(
            addon_name=addon_name,
            kubernetes_version=kubernetes_version,
            most_recent=True,
            region=region,
            opts=invoke,
        ).version

    return pulumi.Output.from_input(version).apply(newest)


def configuration_values(configuration: Mapping[str, Any]) -> str | None:
    """An add-on's configuration as the text that goes to EKS; None where there is none."""
    # Sorted, so that the order in which somebody wrote the keys is never a change.
    return json.dumps(configuration, sort_keys=True, separators=(",", ":")) if configuration else None


_IRSA = "eks.amazonaws.com/role-arn"


def _irsa_annotations(where: str, value: Any) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    here = [f"{where}.{_IRSA}"] if _IRSA in value else []
    return here + [found for key, item in value.items() for found in _irsa_annotations(f"{where}.{key}", item)]
