"""The EKS add-ons that a cluster component installs: kube-proxy, CoreDNS and the VPC CNI.

See https://docs.aws.amazon.com/eks/latest/userguide/eks-add-ons.html.
"""

from typing import Any

import pulumi

from .resources import Addon, newest_addon_version
from .wire import Inputs, is_given, text, to_json

# Adoption of what EKS installed by itself, and every later update, would otherwise fail on a conflict.
_OVERWRITE = "OVERWRITE"


def _configuration(values: pulumi.Input[Inputs | None]) -> pulumi.Output[str | None] | None:
    if not is_given(values):
        return None
    return pulumi.Output.from_input(values).apply(
        lambda known: None if known is None else to_json(known, sort_keys=True)
    )


def cluster_addon(
    name: str,
    addon: str,
    options: Inputs,
    *,
    cluster_name: pulumi.Input[str],
    cluster_version: pulumi.Input[str],
    tags: pulumi.Input[Inputs] | None,
    parent: pulumi.Resource,
) -> Addon:
    """Install kube-proxy or CoreDNS.

    Args:
        name: The resource's name.
        addon: The add-on's name.
        options: `version` (the newest by default), `configurationValues`, `resolveConflictsOnCreate` and
            `resolveConflictsOnUpdate` (OVERWRITE by default).
        cluster_name: The cluster.
        cluster_version: Its Kubernetes version, which the newest version depends on.
        tags: The add-on's tags.
        parent: The component it belongs to.
    """
    return Addon(
        name,
        {
            "clusterName": cluster_name,
            "addonName": addon,
            "preserve": True,
            "tags": tags,
            "addonVersion": options.get("version") or newest_addon_version(addon, cluster_version, parent),
            "resolveConflictsOnCreate": options.get("resolveConflictsOnCreate") or _OVERWRITE,
            "resolveConflictsOnUpdate": options.get("resolveConflictsOnUpdate") or _OVERWRITE,
            "configurationValues": _configuration(options.get("configurationValues")),
        },
        pulumi.ResourceOptions(parent=parent),
    )


# The CNI's settings: the environment variable, the option that sets it, and its value when the option is not
# given (None: the variable is not set). See
# https://github.com/aws/amazon-vpc-cni-k8s/blob/master/README.md#cni-configuration-variables.
_CNI_ENVIRONMENT: tuple[tuple[str, str, str | None], ...] = (
    ("AWS_VPC_CNI_NODE_PORT_SUPPORT", "nodePortSupport", None),
    ("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "cniCustomNetworkCfg", "false"),
    ("WARM_ENI_TARGET", "warmEniTarget", "1"),
    ("WARM_IP_TARGET", "warmIpTarget", None),
    ("WARM_PREFIX_TARGET", "warmPrefixTarget", None),
    ("ENABLE_PREFIX_DELEGATION", "enablePrefixDelegation", None),
    ("AWS_VPC_K8S_CNI_LOGLEVEL", "logLevel", "DEBUG"),
    ("AWS_VPC_K8S_CNI_LOG_FILE", "logFile", "/host/var/log/aws-routed-eni/ipamd.log"),
    ("AWS_VPC_K8S_CNI_VETHPREFIX", "vethPrefix", "eni"),
    ("AWS_VPC_ENI_MTU", "eniMtu", "9001"),
    ("ENI_CONFIG_LABEL_DEF", "eniConfigLabelDef", None),
    ("AWS_VPC_K8S_PLUGIN_LOG_LEVEL", "pluginLogLevel", "DEBUG"),
    ("AWS_VPC_K8S_PLUGIN_LOG_FILE", "pluginLogFile", "/var/log/aws-routed-eni/plugin.log"),
    ("ENABLE_POD_ENI", "enablePodEni", "false"),
    ("AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER", "cniConfigureRpfilter", None),
)
_CNI_INIT_ENVIRONMENT: tuple[tuple[str, str, str | None], ...] = (
    ("DISABLE_TCP_EARLY_DEMUX", "disableTcpEarlyDemux", "false"),
)
# Zero free interfaces is a setting of its own, where zero of anything else means "not set".
_ZERO_IS_A_VALUE = frozenset({"warmEniTarget"})


def _environment(args: Inputs, table: tuple[tuple[str, str, str | None], ...]) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for variable, option, default in table:
        value = args.get(option)
        if is_given(value) or (option in _ZERO_IS_A_VALUE and value is not None):
            variables[variable] = pulumi.Output.from_input(value).apply(text)
        elif default is not None:
            variables[variable] = default
    return variables


def cni_configuration(args: Inputs) -> pulumi.Output[dict[str, Any]]:
    """The configuration values of the VPC CNI add-on that a set of CNI options amounts to.

    What `configurationValues` says itself wins over the options.
    """
    environment = _environment(args, _CNI_ENVIRONMENT)
    snat = args.get("externalSnat") or args.get("cniExternalSnat") or False
    environment["AWS_VPC_K8S_CNI_EXTERNALSNAT"] = pulumi.Output.from_input(snat).apply(text)

    def merge(known: dict[str, Any]) -> dict[str, Any]:
        merged = dict(known["own"] or {})
        if "enableNetworkPolicy" not in merged and known["network_policy"] is not None:
            merged["enableNetworkPolicy"] = text(known["network_policy"])
        own = merged.get("env")
        merged["env"] = {**known["environment"], **(own if isinstance(own, dict) else {})}
        init = merged.get("init")
        if isinstance(init, dict) and isinstance(init.get("env"), dict):
            merged["init"] = {**init, "env": {**known["init_environment"], **init["env"]}}
        else:
            merged["init"] = {"env": known["init_environment"], **(init if isinstance(init, dict) else {})}
        return merged

    return pulumi.Output.all(
        environment=environment,
        init_environment=_environment(args, _CNI_INIT_ENVIRONMENT),
        network_policy=args.get("enableNetworkPolicy"),
        own=args.get("configurationValues"),
    ).apply(merge)


class VpcCniAddon(pulumi.ComponentResource):
    """`eks:index:VpcCniAddon`: the VPC CNI as an EKS add-on."""

    TOKEN = "eks:index:VpcCniAddon"

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions) -> None:
        """Install the VPC CNI.

        Args:
            name: The name of the component, and of the add-on in it.
            args: `clusterName`, one of `addonVersion` and `clusterVersion`, `tags`, `serviceAccountRoleArn`, and
                the options of the CNI.
            opts: The component's options.
        """
        super().__init__(self.TOKEN, name, None, opts)
        version = args.get("addonVersion") or newest_addon_version("vpc-cni", args["clusterVersion"], self)
        self.addon = Addon(
            name,
            {
                "clusterName": args["clusterName"],
                "addonVersion": version,
                "addonName": "vpc-cni",
                "resolveConflictsOnCreate": args.get("resolveConflictsOnCreate") or _OVERWRITE,
                "resolveConflictsOnUpdate": args.get("resolveConflictsOnUpdate") or _OVERWRITE,
                "preserve": True,
                "configurationValues": _configuration(cni_configuration(args)),
                "serviceAccountRoleArn": args.get("serviceAccountRoleArn"),
                "tags": args.get("tags"),
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.outputs = {"addon": self.addon}
        self.register_outputs(self.outputs)
