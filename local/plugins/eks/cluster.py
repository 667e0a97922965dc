"""`eks:index:Cluster`: an EKS cluster with its roles, security groups, add-ons and access entries."""

import os
import shutil
from typing import Any

import pulumi
from pulumi.errors import InputPropertyError

from . import access, arguments, kubeconfig, kubernetes
from .addons import VpcCniAddon, cluster_addon
from .readiness import await_healthy
from .resources import (
    EksCluster,
    InstanceProfile,
    OpenIdConnectProvider,
    Role,
    SecurityGroup,
    default_network,
    partition,
)
from .security_groups import cluster_security_group, node_security_group
from .service_role import ServiceRole
from .wire import Inputs, compact, is_given, merged_tags, to_json

TOKEN = "eks:index:Cluster"
GET_KUBECONFIG = "eks:index:Cluster/getKubeconfig"

_NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryReadOnly",
)
_AUTO_MODE_NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
# https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html
_AUTO_MODE_CLUSTER_POLICIES = (
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)


class Cluster(pulumi.ComponentResource):
    """An EKS cluster and what belongs to it.

    Attributes:
        outputs: The component's outputs, under their wire names.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the cluster.

        Args:
            name: The component's name, which the names of its children start with.
            args: The inputs of the SDK's `ClusterArgs`, under their wire names.
            opts: The component's options.

        Raises:
            pulumi.errors.InputPropertiesError: The arguments contradict each other, or ask for what this plugin
                does not serve.
            pulumi.errors.InputPropertyError: The aws command, which the kubeconfig calls, is not on the PATH.
        """
        # Before anything is registered, so that a refused cluster leaves nothing behind.
        arguments.check(args)
        if shutil.which("aws") is None:
            raise InputPropertyError(
                "kubeconfig",
                "it calls the aws CLI, which is not on the PATH; see "
                "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
            )
        super().__init__(TOKEN, name, None, opts)
        self._base = name
        self._args = args
        self._tags = args.get("tags")
        self._auto_mode = arguments.auto_mode_enabled(args)
        self._partition = partition(self)
        self._child = pulumi.ResourceOptions(parent=self)
        self.outputs = self._create()
        self.register_outputs(self.outputs)

    def _create(self) -> dict[str, Any]:
        args = self._args
        vpc_id, subnet_ids = self._network()
        service_role = self._service_role()
        cluster_group = self._cluster_security_group(vpc_id)
        node_role = self._auto_mode_node_role()
        cluster = self._cluster(subnet_ids, service_role, cluster_group, node_role)
        self._kube_proxy(cluster)

        endpoint = cluster.endpoint.apply(self._reachable)
        credentials = self._credentials()
        # The provider logs in with the profile of whoever deploys. The output leaves it out, for others to use.
        own_config = kubeconfig.of_cluster(cluster, credentials, endpoint=endpoint)
        shared_config = kubeconfig.of_cluster(cluster, credentials, endpoint=endpoint, with_profile=False)
        provider = None
        if kubernetes.plugin_installed():
            provider = kubernetes.provider(
                f"{self._base}-eks-k8s", own_config, args.get("enableConfigMapMutable"), self
            )

        node_options = self._node_options()
        instance_roles, default_role = self._instance_roles(node_options)
        node_access, entries, access_dependencies = self._access(cluster, instance_roles, default_role, provider)
        vpc_cni = self._vpc_cni(cluster, access_dependencies, provider)
        self._coredns(cluster)
        oidc_provider = self._oidc_provider(cluster)
        node_group, ingress_rule = self._node_security_group(vpc_id, cluster, cluster_group)
        if node_group is not None:
            node_options["nodeSecurityGroup"] = node_group
            node_options["clusterIngressRule"] = ingress_rule

        # EKS makes a group of its own for every cluster, which serves where the component made none.
        eks_group_id = cluster.vpcConfig.apply(lambda config: config["clusterSecurityGroupId"])
        node_role_name = "" if node_role is None else node_role.role.name
        issuer_url = cluster.identities.apply(_issuer)
        core = compact(
            {
                "cluster": cluster,
                "vpcId": vpc_id,
                "subnetIds": subnet_ids if args.get("subnetIds") is None else args["subnetIds"],
                "publicSubnetIds": args.get("publicSubnetIds"),
                "privateSubnetIds": args.get("privateSubnetIds"),
                "endpoint": endpoint,
                "clusterSecurityGroup": cluster_group,
                "provider": provider,
                "instanceRoles": instance_roles,
                "nodeGroupOptions": node_options,
                "eksNodeAccess": node_access,
                "storageClasses": {},
                "kubeconfig": shared_config,
                "vpcCni": vpc_cni,
                "tags": self._tags,
                "nodeSecurityGroupTags": args.get("nodeSecurityGroupTags"),
                "oidcProvider": oidc_provider,
                "encryptionConfig": self._encryption_config(),
                "clusterIamRole": args.get("serviceRole") if service_role is None else service_role.role,
                "accessEntries": entries,
                "autoModeNodeRoleName": node_role_name,
            }
        )
        return compact(
            {
                "kubeconfig": shared_config,
                "kubeconfigJson": shared_config.apply(to_json),
                "clusterSecurityGroup": cluster_group,
                "instanceRoles": instance_roles,
                "nodeSecurityGroup": node_group,
                "eksClusterIngressRule": ingress_rule,
                "eksCluster": cluster,
                "core": core,
                "clusterSecurityGroupId": eks_group_id if cluster_group is None else _id_of(cluster_group),
                "nodeSecurityGroupId": eks_group_id if node_group is None else node_group.id,
                "clusterIngressRuleId": "" if ingress_rule is None else ingress_rule.securityGroupRuleId,
                "defaultNodeGroupAsgName": "",
                "fargateProfileId": "",
                "fargateProfileStatus": "",
                "oidcProviderArn": "" if oidc_provider is None else oidc_provider.arn,
                "oidcProviderUrl": issuer_url,
                "oidcIssuer": issuer_url.apply(lambda url: url.replace("https://", "", 1)),
                "autoModeNodeRoleName": node_role_name,
            }
        )

    def _network(self) -> tuple[pulumi.Input[str], pulumi.Input[Any]]:
        args = self._args
        vpc_id: pulumi.Input[str] | None = args.get("vpcId")
        subnet_ids: pulumi.Input[Any] = []
        if not is_given(vpc_id):
            vpc_id, subnet_ids = default_network(self)
        if args.get("subnetIds") is not None:
            subnet_ids = args["subnetIds"]
        elif args.get("publicSubnetIds") is not None or args.get("privateSubnetIds") is not None:
            subnet_ids = pulumi.Output.all(args.get("publicSubnetIds"), args.get("privateSubnetIds")).apply(
                lambda groups: [subnet for group in groups for subnet in group or []]
            )
        assert vpc_id is not None
        return vpc_id, subnet_ids

    def _service_role(self) -> ServiceRole | None:
        if is_given(self._args.get("serviceRole")):
            return None
        return ServiceRole(
            f"{self._base}-eksRole",
            service="eks.amazonaws.com",
            description="Allows EKS to manage clusters on your behalf.",
            managed_policies=(
                "AmazonEKSClusterPolicy",
                *(_AUTO_MODE_CLUSTER_POLICIES if self._auto_mode else ()),
            ),
            partition=self._partition,
            # Auto Mode tags the sessions it opens with the role.
            actions=("sts:AssumeRole", "sts:TagSession"),
            tags=self._tags,
            opts=self._child,
        )

    def _cluster_security_group(self, vpc_id: pulumi.Input[str]) -> pulumi.Input[SecurityGroup] | None:
        args = self._args
        if is_given(args.get("clusterSecurityGroup")):
            return args["clusterSecurityGroup"]
        if arguments.skips_default_security_groups(args):
            return None
        tags = merged_tags(args.get("clusterSecurityGroupTags"), self._tags)
        return cluster_security_group(self._base, vpc_id=vpc_id, tags=tags, opts=self._child)

    def _auto_mode_node_role(self) -> ServiceRole | None:
        auto_mode = self._args.get("autoMode") or {}
        if not self._auto_mode or auto_mode.get("createNodeRole") is False:
            return None
        return ServiceRole(
            f"{self._base}-nodeRole",
            service="ec2.amazonaws.com",
            managed_policies=_AUTO_MODE_NODE_POLICIES,
            partition=self._partition,
            tags=self._tags,
            opts=self._child,
        )

    def _encryption_config(self) -> pulumi.Output[dict[str, Any]] | None:
        key_arn = self._args.get("encryptionConfigKeyArn")
        if not is_given(key_arn):
            return None
        return pulumi.Output.from_input(key_arn).apply(
            lambda arn: {"provider": {"keyArn": arn}, "resources": ["secrets"]}
        )

    def _network_config(self) -> pulumi.Output[dict[str, Any]] | None:
        cidr, family = self._args.get("kubernetesServiceIpAddressRange"), self._args.get("ipFamily")
        if not (is_given(cidr) or is_given(family) or self._auto_mode):
            return None

        def config(known: list[Any]) -> dict[str, Any]:
            ip_family = known[1] or "ipv4"
            return compact(
                {
                    "serviceIpv4Cidr": known[0] if ip_family == "ipv4" else None,
                    "ipFamily": ip_family,
                    "elasticLoadBalancing": {"enabled": True} if self._auto_mode else None,
                }
            )

        return pulumi.Output.all(cidr, family).apply(config)

    def _auto_mode_configs(self, node_role: ServiceRole | None) -> dict[str, Any]:
        """The three configurations that Auto Mode consists of.

        The aws provider wants them enabled together or not at all, and cannot tell while one of them is unknown:
        so they become known together.
        """
        network = self._network_config()
        if not self._auto_mode:
            return compact({"kubernetesNetworkConfig": network})
        compute = pulumi.Output.all(
            (self._args.get("autoMode") or {}).get("computeConfig"),
            None if node_role is None else node_role.role.arn,
        ).apply(
            lambda known: {
                **compact({"enabled": True, "nodeRoleArn": known[1]}),
                "nodePools": ["general-purpose", "system"],
                **compact(known[0] or {}),
            }
        )
        together = pulumi.Output.all(
            computeConfig=compute,
            storageConfig={"blockStorage": {"enabled": True}},
            kubernetesNetworkConfig=network,
        )
        return {
            key: together.apply(lambda configs, key=key: configs[key])
            for key in ("computeConfig", "storageConfig", "kubernetesNetworkConfig")
        }

    def _public_access_cidrs(self) -> pulumi.Output[Any] | None:
        args = self._args
        if args.get("publicAccessCidrs") is None:
            return None

        def gated(known: list[Any]) -> Any:
            if known[0] is not None and known[1] is False:
                raise InputPropertyError("publicAccessCidrs", "it can only be set when endpointPublicAccess is true")
            return known[0]

        return pulumi.Output.all(args["publicAccessCidrs"], args.get("endpointPublicAccess")).apply(gated)

    def _cluster(
        self,
        subnet_ids: pulumi.Input[Any],
        service_role: ServiceRole | None,
        security_group: pulumi.Input[SecurityGroup] | None,
        node_role: ServiceRole | None,
    ) -> EksCluster:
        args = self._args
        name = f"{self._base}-eksCluster"
        bootstrap = args.get("bootstrapSelfManagedAddons")
        role_arn = (
            pulumi.Output.from_input(args["serviceRole"]).apply(lambda role: role.arn)
            if service_role is None
            else service_role.role.arn
        )
        access_config = None
        if args.get("authenticationMode"):
            access_config = {
                "authenticationMode": args["authenticationMode"],
                "bootstrapClusterCreatorAdminPermissions": True,
            }
        return EksCluster(
            name,
            {
                "name": args.get("name"),
                "roleArn": role_arn,
                **self._auto_mode_configs(node_role),
                "bootstrapSelfManagedAddons": False if self._auto_mode else (True if bootstrap is None else bootstrap),
                "vpcConfig": compact(
                    {
                        "securityGroupIds": None if security_group is None else [_id_of(security_group)],
                        "subnetIds": subnet_ids,
                        "endpointPrivateAccess": args.get("endpointPrivateAccess"),
                        "endpointPublicAccess": args.get("endpointPublicAccess"),
                        "publicAccessCidrs": self._public_access_cidrs(),
                    }
                ),
                "version": args.get("version"),
                "enabledClusterLogTypes": args.get("enabledClusterLogTypes"),
                "tags": merged_tags({"Name": name}, args.get("clusterTags"), self._tags),
                "encryptionConfig": self._encryption_config(),
                "accessConfig": access_config,
                "upgradePolicy": args.get("upgradePolicy"),
                "deletionProtection": args.get("deletionProtection"),
            },
            pulumi.ResourceOptions(
                parent=self,
                # Both are read at creation only. Left to be compared, they would replace clusters that were
                # created before the aws provider knew them.
                ignore_changes=[
                    "accessConfig.bootstrapClusterCreatorAdminPermissions",
                    "bootstrapSelfManagedAddons",
                ],
                # A role is of use to the cluster only with its policies.
                depends_on=[
                    needed
                    for made in (service_role, node_role)
                    if made is not None
                    for needed in (made.role, *made.attachments)
                ],
            ),
        )

    def _kube_proxy(self, cluster: EksCluster) -> None:
        options = self._args.get("kubeProxyAddonOptions") or {}
        enabled = options.get("enabled")
        if not self._auto_mode if enabled is None else enabled:
            self._addon("kube-proxy", options, cluster)

    def _coredns(self, cluster: EksCluster) -> None:
        options = self._args.get("corednsAddonOptions") or {}
        # CoreDNS becomes healthy on a node only, so by default it is left to EKS where the component makes none.
        has_nodes = not self._args.get("skipDefaultNodeGroup") or self._auto_mode
        explicit = options.get("enabled") is True or is_given(options.get("configurationValues"))
        if explicit or (has_nodes and options.get("enabled") in (None, True)):
            self._addon("coredns", options, cluster)

    def _addon(self, addon: str, options: Inputs, cluster: EksCluster) -> None:
        cluster_addon(
            f"{self._base}-{addon}",
            addon,
            options,
            cluster_name=cluster.name,
            cluster_version=cluster.version,
            tags=self._tags,
            parent=self,
        )

    def _vpc_cni(
        self,
        cluster: EksCluster,
        dependencies: list[pulumi.Resource],
        provider: pulumi.ProviderResource | None,
    ) -> VpcCniAddon | None:
        use_default = self._args.get("useDefaultVpcCni")
        if self._auto_mode if use_default is None else use_default:
            return None
        options = {
            **(self._args.get("vpcCniOptions") or {}),
            "clusterName": cluster.name,
            "clusterVersion": cluster.version,
            "tags": self._tags,
        }
        return VpcCniAddon(
            f"{self._base}-vpc-cni",
            options,
            pulumi.ResourceOptions(
                parent=self,
                depends_on=dependencies,
                providers=None if provider is None else {"kubernetes": provider},
            ),
        )

    async def _reachable(self, endpoint: str) -> str:
        """Pass the endpoint on once it answers, so that what uses the kubeconfig starts no earlier."""
        if not pulumi.runtime.is_dry_run() and is_given(self._args.get("endpointPublicAccess")):
            healthy = await await_healthy(
                endpoint,
                lambda message: pulumi.log.info(message, self, ephemeral=True),
                proxy=self._args.get("proxy"),
            )
            if not healthy:
                pulumi.log.debug(f"{endpoint}/healthz does not answer from here", self)
        return endpoint

    def _credentials(self) -> pulumi.Input[Inputs | None]:
        """The role and profile of the kubeconfig; the profile that the aws provider uses, by default."""
        given = self._args.get("providerCredentialOpts")
        if given is not None:
            return given
        profile = os.environ.get("AWS_PROFILE") or pulumi.Config("aws").get("profile")
        return {"profileName": profile} if profile else None

    def _node_options(self) -> dict[str, Any]:
        given = self._args.get("nodeGroupOptions")
        if given:
            return dict(given)
        renamed = {ours: self._args.get(name) for name, ours in arguments.NODE_OPTIONS.items()}
        return compact({**renamed, "version": self._args.get("version")})

    def _instance_roles(self, node_options: dict[str, Any]) -> tuple[pulumi.Input[Any], pulumi.Output[Role] | None]:
        """The roles of nodes that the component knows of, and the one that gets an access entry.

        A role made here comes with an instance profile, which is put into the node options.
        """
        args = self._args
        if is_given(args.get("instanceRoles")):
            return args["instanceRoles"], None
        if is_given(args.get("instanceRole")):
            role = pulumi.Output.from_input(args["instanceRole"])
            return [role], role
        wanted = args.get("createInstanceRole")
        if not (not args.get("skipDefaultNodeGroup") if wanted is None else wanted):
            return [], None
        made = ServiceRole(
            f"{self._base}-instanceRole",
            service="ec2.amazonaws.com",
            managed_policies=_NODE_POLICIES,
            partition=self._partition,
            tags=self._tags,
            opts=self._child,
        )
        profile_name = args.get("instanceProfileName") or node_options.get("instanceProfileName")
        existing = pulumi.ResourceOptions(parent=self, id=profile_name)
        node_options["instanceProfile"] = InstanceProfile(
            f"{self._base}-instanceProfile",
            {} if profile_name else {"role": made.resolved_role.apply(lambda role: role.id)},
            existing if profile_name else self._child,
        )
        return [made.resolved_role], made.resolved_role

    def _access(
        self,
        cluster: EksCluster,
        instance_roles: pulumi.Input[Any],
        default_role: pulumi.Output[Role] | None,
        provider: pulumi.ProviderResource | None,
    ) -> tuple[pulumi.Resource | None, list[Inputs], list[pulumi.Resource]]:
        """Let nodes and principals in.

        Returns:
            The aws-auth ConfigMap if there is one, the access entries as they were asked for, and the resources
            that what logs in to the cluster has to wait for.
        """
        args = self._args
        mode = args.get("authenticationMode")
        node_access = None
        if access.supports_config_map(mode) and provider is not None:
            node_access = access.aws_auth(
                f"{self._base}-nodeAccess",
                instance_roles=instance_roles,
                role_mappings=args.get("roleMappings"),
                user_mappings=args.get("userMappings"),
                opts=pulumi.ResourceOptions(parent=self, provider=provider),
            )
        entries: dict[str, Inputs] = {}
        if access.supports_access_entries(mode):
            if default_role is not None:
                entries["defaultNodeGroupInstanceRole"] = {
                    "principalArn": default_role.apply(lambda role: role.arn),
                    "type": "EC2_LINUX",
                }
            entries.update(args.get("accessEntries") or {})
        created = access.access_entries(self._base, cluster, entries, self)
        return node_access, [*entries.values()], [*created, *([node_access] if node_access else [])]

    def _oidc_provider(self, cluster: EksCluster) -> OpenIdConnectProvider | None:
        if not self._args.get("createOidcProvider"):
            return None
        # No thumbprint is given: IAM finds it out by itself, and does not use it for EKS issuers. The official
        # component asks the issuer's host for it at every preview.
        return OpenIdConnectProvider(
            f"{self._base}-oidcProvider",
            {"clientIdLists": ["sts.amazonaws.com"], "url": cluster.identities.apply(_issuer)},
            self._child,
        )

    def _node_security_group(
        self,
        vpc_id: pulumi.Input[str],
        cluster: EksCluster,
        cluster_group: pulumi.Input[SecurityGroup] | None,
    ):
        if arguments.skips_default_security_groups(self._args) or cluster_group is None:
            return None, None
        return node_security_group(
            self._base,
            vpc_id=vpc_id,
            cluster=cluster,
            cluster_security_group_id=_id_of(cluster_group),
            tags=merged_tags(self._args.get("nodeSecurityGroupTags"), self._tags),
            opts=self._child,
        )


def _id_of(resource: pulumi.Input[Any]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(resource).apply(lambda known: known.id)


def _issuer(identities: Any) -> str:
    """The OIDC issuer's URL among a cluster's identities, or nothing."""
    for identity in identities or []:
        for oidc in identity.get("oidcs") or []:
            return oidc.get("issuer") or ""
    return ""


class ExistingCluster(pulumi.ComponentResource):
    """A cluster component that was constructed before, as the target of a method call.

    Attributes:
        eksCluster: The EKS cluster in it.
    """

    eksCluster: pulumi.Output[EksCluster]

    def __init__(self, name: str, urn: str) -> None:
        super().__init__(TOKEN, name, {"eksCluster": None}, pulumi.ResourceOptions(urn=urn))

    def get_kubeconfig(self, credentials: Inputs) -> pulumi.Output[str]:
        """Write a kubeconfig, as JSON, that logs in with a given role or profile."""
        return self.eksCluster.apply(lambda cluster: kubeconfig.of_cluster(cluster, credentials)).apply(to_json)
