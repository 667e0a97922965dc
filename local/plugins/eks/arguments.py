"""What a cluster component accepts, and what is wrong with what it was given.

Every input of the SDK's `ClusterArgs` stands in exactly one of two tables: `SUPPORTED`, or `REFUSED` with the
reason. An input in neither is one of a newer SDK, and is refused as well: nothing is ignored in silence.
"""

from collections.abc import Iterator
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails

from . import access, kubernetes
from .wire import Inputs, is_given

# The node options of the cluster, each with its name in `core.nodeGroupOptions`. The default node group that they
# describe is refused, and without it their only effect is to be found there.
NODE_OPTIONS = {
    "nodeSubnetIds": "nodeSubnetIds",
    "nodeAssociatePublicIpAddress": "nodeAssociatePublicIpAddress",
    "instanceType": "instanceType",
    "nodePublicKey": "nodePublicKey",
    "nodeRootVolumeEncrypted": "nodeRootVolumeEncrypted",
    "nodeRootVolumeSize": "nodeRootVolumeSize",
    "nodeUserData": "nodeUserData",
    "minSize": "minSize",
    "maxSize": "maxSize",
    "desiredCapacity": "desiredCapacity",
    "nodeAmiId": "amiId",
    "gpu": "gpu",
}

SUPPORTED = frozenset(
    {
        "accessEntries",
        "authenticationMode",
        "autoMode",
        "bootstrapSelfManagedAddons",
        "clusterSecurityGroup",
        "clusterSecurityGroupTags",
        "clusterTags",
        "corednsAddonOptions",
        "createInstanceRole",
        "createOidcProvider",
        "deletionProtection",
        "enableConfigMapMutable",
        "enabledClusterLogTypes",
        "encryptionConfigKeyArn",
        "endpointPrivateAccess",
        "endpointPublicAccess",
        "instanceProfileName",
        "instanceRole",
        "instanceRoles",
        "ipFamily",
        "kubeProxyAddonOptions",
        "kubernetesServiceIpAddressRange",
        "name",
        "nodeGroupOptions",
        "nodeSecurityGroupTags",
        "privateSubnetIds",
        "providerCredentialOpts",
        "proxy",
        "publicAccessCidrs",
        "publicSubnetIds",
        "roleMappings",
        "serviceRole",
        "skipDefaultNodeGroup",
        "skipDefaultSecurityGroups",
        "subnetIds",
        "tags",
        "upgradePolicy",
        "useDefaultVpcCni",
        "userMappings",
        "version",
        "vpcCniOptions",
        "vpcId",
        *NODE_OPTIONS,
    }
)

REFUSED = {
    "creationRoleProvider": "it works in Node.js programs only, with the official plugin too; "
    "use providerCredentialOpts instead",
    "fargate": "Fargate profiles are served by the official plugin of pulumi-eks only",
    "storageClasses": "storage classes are served by the official plugin of pulumi-eks only",
}

# These decide which resources exist, which has to be known before anything is.
_PLAIN = (
    "authenticationMode",
    "createInstanceRole",
    "createOidcProvider",
    "proxy",
    "skipDefaultNodeGroup",
    "skipDefaultSecurityGroups",
    "useDefaultVpcCni",
)
_PLAIN_MAPS = ("accessEntries", "autoMode", "corednsAddonOptions", "kubeProxyAddonOptions", "vpcCniOptions")
# What the default node group is described by, if not by nodeGroupOptions.
_NODE_GROUP_ALTERNATIVES = (
    *(option for option in NODE_OPTIONS if option != "nodeRootVolumeEncrypted"),
    "instanceProfileName",
)

Finding = tuple[str, str]


def check(args: Inputs) -> None:
    """Refuse arguments that no cluster can be made of, naming everything that is wrong at once.

    Raises:
        pulumi.errors.InputPropertiesError: With one entry per finding.
    """
    findings = [*_shape(args)]
    if not findings:
        findings = [*_combinations(args), *_authentication(args), *_nodes(args)]
    if findings:
        details = [InputPropertyErrorDetails(property_path=path, reason=why) for path, why in findings]
        raise InputPropertiesError("eks.Cluster cannot be created from these arguments", details)


def auto_mode_enabled(args: Inputs) -> bool:
    """Say whether EKS Auto Mode is asked for."""
    return bool((args.get("autoMode") or {}).get("enabled"))


def skips_default_security_groups(args: Inputs) -> bool:
    """Say whether no security groups are to be made; Auto Mode needs none."""
    explicit = args.get("skipDefaultSecurityGroups")
    return auto_mode_enabled(args) if explicit is None else bool(explicit)


def _shape(args: Inputs) -> Iterator[Finding]:
    for name, value in args.items():
        if name in REFUSED and is_given(value):
            yield name, REFUSED[name]
        elif name not in REFUSED and name not in SUPPORTED:
            yield name, "it is not known to this plugin; the official plugin of pulumi-eks may serve it"
    for name in (*_PLAIN, *_PLAIN_MAPS):
        if isinstance(args.get(name), pulumi.Output):
            yield name, "it must be a plain value and no Output, because it decides which resources exist"
    mode = args.get("authenticationMode")
    if mode and not isinstance(mode, pulumi.Output) and mode not in access.MODES:
        yield "authenticationMode", f"{mode!r} is none of {', '.join(access.MODES)}"


def _combinations(args: Inputs) -> Iterator[Finding]:
    if is_given(args.get("instanceRole")) and is_given(args.get("instanceRoles")):
        yield "instanceRoles", "instanceRole and instanceRoles are mutually exclusive"
    if is_given(args.get("subnetIds")) and (
        is_given(args.get("publicSubnetIds")) or is_given(args.get("privateSubnetIds"))
    ):
        yield "subnetIds", "subnetIds excludes publicSubnetIds and privateSubnetIds"
    if args.get("publicAccessCidrs") is not None and args.get("endpointPublicAccess") is False:
        yield "publicAccessCidrs", "it can only be set when endpointPublicAccess is true"
    cni: dict[str, Any] = args.get("vpcCniOptions") or {}
    if is_given(cni.get("externalSnat")) and is_given(cni.get("cniExternalSnat")):
        yield "vpcCniOptions.externalSnat", "externalSnat and cniExternalSnat are mutually exclusive"
    if is_given(cni.get("securityContextPrivileged")):
        yield (
            "vpcCniOptions.securityContextPrivileged",
            "patching the CNI's DaemonSet is served by the official plugin of pulumi-eks only",
        )


def _authentication(args: Inputs) -> Iterator[Finding]:
    mode = args.get("authenticationMode")
    if not access.supports_config_map(mode):
        for name in ("roleMappings", "userMappings", "instanceRoles"):
            if is_given(args.get(name)):
                yield name, f"it must be empty when authenticationMode is {mode}"
    elif not kubernetes.plugin_installed():
        needs = "the aws-auth ConfigMap, which takes the kubernetes plugin, and that is not installed"
        if mode != access.API_AND_CONFIG_MAP:
            yield "authenticationMode", f"{mode or 'the default, CONFIG_MAP,'} needs {needs}; use API"
        for name in ("roleMappings", "userMappings", "instanceRoles"):
            if is_given(args.get(name)):
                yield name, f"it needs {needs}; use accessEntries"
    if is_given(args.get("enableConfigMapMutable")) and not kubernetes.plugin_installed():
        yield "enableConfigMapMutable", "it needs the kubernetes plugin, which is not installed"
    if not access.supports_access_entries(mode):
        current = f"is {mode}" if mode else "is not set"
        if is_given(args.get("accessEntries")):
            yield "accessEntries", f"it is not supported when authenticationMode {current}; use API"
        if auto_mode_enabled(args):
            yield "autoMode", f"it needs access entries, but authenticationMode {current}; use API"


def _nodes(args: Inputs) -> Iterator[Finding]:
    if is_given(args.get("nodeGroupOptions")):
        for name in _NODE_GROUP_ALTERNATIVES:
            if is_given(args.get(name)):
                yield name, "it is mutually exclusive with nodeGroupOptions"
    if not args.get("skipDefaultNodeGroup") and not auto_mode_enabled(args):
        yield (
            "skipDefaultNodeGroup",
            "it must be true: the default node group is served by the official plugin of pulumi-eks only; "
            "add an aws.eks.NodeGroup to the cluster instead",
        )
