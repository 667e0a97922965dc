"""The cluster component: its children, its outputs, and what its arguments change about them."""

import json
from typing import Any

import pulumi
import pytest
from pulumi.errors import InputPropertiesError, InputPropertyError
from pulumi.output import UNKNOWN

from local.plugins.eks import kubernetes
from local.plugins.eks.cluster import Cluster, ExistingCluster
from local.plugins.eks.resources import Role, SecurityGroup

from .construct import ENDPOINT, ISSUER, MINIMAL, cluster, run, unknown

MINIMAL_CHILDREN = {
    ("eks:index:Cluster", "c"),
    ("eks:index:ServiceRole", "c-eksRole"),
    ("aws:iam/role:Role", "c-eksRole-role"),
    ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "c-eksRole-4b490823"),
    ("aws:ec2/securityGroup:SecurityGroup", "c-eksClusterSecurityGroup"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksClusterInternetEgressRule"),
    ("aws:eks/cluster:Cluster", "c-eksCluster"),
    ("aws:eks/addon:Addon", "c-kube-proxy"),
    ("eks:index:VpcCniAddon", "c-vpc-cni"),
    ("aws:eks/addon:Addon", "c-vpc-cni"),
    ("aws:ec2/securityGroup:SecurityGroup", "c-nodeSecurityGroup"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeIngressRule"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeClusterIngressRule"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksExtApiServerClusterIngressRule"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeInternetEgressRule"),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksClusterIngressRule"),
}


@pytest.mark.parametrize("preview", [True, False])
def test_children(preview: bool) -> None:
    made = cluster(preview=preview)
    assert {(child.type, child.name) for child in made.resources} == MINIMAL_CHILDREN
    assert len(made.resources) == len(MINIMAL_CHILDREN)


def test_cluster_inputs() -> None:
    made = cluster(
        endpointPrivateAccess=True,
        endpointPublicAccess=True,
        publicAccessCidrs=["192.0.2.0/24"],
        enabledClusterLogTypes=["api"],
        encryptionConfigKeyArn="arn:aws:kms:eu-west-1:1:key/k",
        kubernetesServiceIpAddressRange="172.20.0.0/16",
        upgradePolicy={"supportType": "STANDARD"},
        deletionProtection=True,
        tags={"team": "a", "Name": "mine"},
        clusterTags={"team": "b", "kind": "cluster"},
    )
    assert made.named("c-eksCluster").inputs == {
        "name": "demo",
        "version": "1.36",
        "roleArn": "arn:aws:any:eu-west-1:123456789012:c-eksRole-role",
        "bootstrapSelfManagedAddons": True,
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        "deletionProtection": True,
        "enabledClusterLogTypes": ["api"],
        "encryptionConfig": {
            "provider": {"keyArn": "arn:aws:kms:eu-west-1:1:key/k"},
            "resources": ["secrets"],
        },
        "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": "172.20.0.0/16"},
        "upgradePolicy": {"supportType": "STANDARD"},
        "tags": {"Name": "mine", "team": "a", "kind": "cluster"},
        "vpcConfig": {
            "endpointPrivateAccess": True,
            "endpointPublicAccess": True,
            "publicAccessCidrs": ["192.0.2.0/24"],
            "securityGroupIds": ["c-eksClusterSecurityGroup-id"],
            "subnetIds": ["subnet-1", "subnet-2"],
        },
    }


def test_outputs() -> None:
    outputs = cluster().outputs
    assert outputs["kubeconfigJson"] == json.dumps(outputs["kubeconfig"], separators=(",", ":"))
    assert outputs["kubeconfig"]["clusters"][0]["cluster"] == {
        "server": ENDPOINT,
        "certificate-authority-data": "Q0E=",
    }
    assert outputs["oidcProviderUrl"] == ISSUER
    assert outputs["oidcIssuer"] == ISSUER.removeprefix("https://")
    assert outputs["clusterSecurityGroupId"] == "c-eksClusterSecurityGroup-id"
    assert outputs["nodeSecurityGroupId"] == "c-nodeSecurityGroup-id"
    assert outputs["clusterIngressRuleId"] == "sgr-c-eksClusterIngressRule"
    assert outputs["core"]["cluster"] is outputs["eksCluster"]
    assert outputs["core"]["nodeGroupOptions"]["nodeSecurityGroup"] is outputs["nodeSecurityGroup"]
    assert outputs["core"]["endpoint"] == ENDPOINT
    for absent in ("autoModeNodeRoleName", "defaultNodeGroupAsgName", "fargateProfileId", "oidcProviderArn"):
        assert outputs[absent] == ""


def test_everything_may_be_unknown_at_preview() -> None:
    made = cluster(
        preview=True,
        vpcId=unknown,
        subnetIds=lambda: [unknown()],
        version=unknown,
        tags=lambda: {"team": unknown()},
        publicAccessCidrs=unknown,
        encryptionConfigKeyArn=unknown,
        ipFamily=unknown,
    )
    assert {(child.type, child.name) for child in made.resources} == MINIMAL_CHILDREN
    assert made.outputs["kubeconfig"] is UNKNOWN
    assert made.outputs["oidcIssuer"] is UNKNOWN


def test_secret_stays_secret() -> None:
    secrets: dict[str, bool] = {}

    def build() -> dict[str, Any]:
        made = Cluster("c", {**MINIMAL, "providerCredentialOpts": pulumi.Output.secret({"roleArn": "r"})})

        async def ask() -> None:
            secrets["kubeconfig"] = await made.outputs["kubeconfig"].is_secret()

        return {"asked": ask()}

    run(build)
    assert secrets == {"kubeconfig": True}


@pytest.mark.parametrize(
    ("credentials", "in_provider", "in_output"),
    [
        ({"profileName": "p"}, ["--profile", "p"], []),
        ({"roleArn": "r"}, ["--role", "r"], ["--role", "r"]),
        ({"roleArn": "r", "profileName": "p"}, ["--role", "r", "--profile", "p"], ["--role", "r"]),
    ],
)
def test_credentials_of_the_kubeconfig(
    credentials: dict[str, str], in_provider: list[str], in_output: list[str], kubernetes_plugin: None
) -> None:
    base = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "demo", "--output", "json"]
    made = cluster(providerCredentialOpts=credentials)
    provider = json.loads(made.named("c-eks-k8s").inputs["kubeconfig"])
    assert provider["users"][0]["user"]["exec"]["args"] == base + in_provider
    assert made.outputs["kubeconfig"]["users"][0]["user"]["exec"]["args"] == base + in_output


def test_profile_of_the_environment(monkeypatch: pytest.MonkeyPatch, kubernetes_plugin: None) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    provider = json.loads(cluster().named("c-eks-k8s").inputs["kubeconfig"])
    assert provider["users"][0]["user"]["exec"]["args"][-2:] == ["--profile", "mine"]


def test_default_vpc() -> None:
    made = cluster(vpcId=None, subnetIds=None)
    assert made.named("c-eksClusterSecurityGroup").inputs["vpcId"] == "vpc-default"
    assert made.named("c-eksCluster").inputs["vpcConfig"]["subnetIds"] == ["subnet-default"]


def test_public_and_private_subnets() -> None:
    made = cluster(subnetIds=None, publicSubnetIds=["pub"], privateSubnetIds=["priv"])
    assert made.named("c-eksCluster").inputs["vpcConfig"]["subnetIds"] == ["pub", "priv"]
    assert made.outputs["core"]["publicSubnetIds"] == ["pub"]


def test_existing_role_and_security_group() -> None:
    def build() -> dict[str, Any]:
        role = Role("mine", {"assumeRolePolicy": "{}"}, pulumi.ResourceOptions())
        group = SecurityGroup("group", {}, pulumi.ResourceOptions())
        args = {**MINIMAL, "serviceRole": role, "clusterSecurityGroup": group, "instanceRole": role}
        return Cluster("c", args).outputs

    made = run(build)
    inputs = made.named("c-eksCluster").inputs
    assert inputs["roleArn"] == "arn:aws:any:eu-west-1:123456789012:mine"
    assert inputs["vpcConfig"]["securityGroupIds"] == ["group-id"]
    assert not {"c-eksRole", "c-eksClusterSecurityGroup", "c-instanceProfile"} & made.names
    assert made.outputs["clusterSecurityGroupId"] == "group-id"
    entry = made.named("c-defaultNodeGroupInstanceRole").inputs
    assert (entry["principalArn"], entry["type"]) == (
        "arn:aws:any:eu-west-1:123456789012:mine",
        "EC2_LINUX",
    )


def test_created_instance_role() -> None:
    made = cluster(createInstanceRole=True)
    policies = {
        child.inputs["policyArn"].rsplit("/", 1)[1]
        for child in made.resources
        if child.type.endswith(":RolePolicyAttachment") and child.name.startswith("c-instanceRole-")
    }
    assert policies == {
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonEC2ContainerRegistryReadOnly",
    }
    assert made.named("c-instanceProfile").inputs["role"] == "c-instanceRole-role-id"
    assert [role._name for role in made.outputs["instanceRoles"]] == ["c-instanceRole-role"]
    assert "c-defaultNodeGroupInstanceRole" in made.names


def test_access_entries() -> None:
    policy = {"policyArn": "arn:aws:eks::aws:cluster-access-policy/View", "accessScope": {"type": "cluster"}}
    entry = {
        "principalArn": "arn:aws:iam::1:role/r",
        "username": "someone",
        "kubernetesGroups": ["readers"],
    }

    def entries() -> dict[str, Any]:
        return {"reader": {**entry, "accessPolicies": {"view": pulumi.Output.from_input(policy)}}}

    made = cluster(accessEntries=entries)
    assert made.named("c-reader").inputs == {
        "clusterName": "demo",
        "principalArn": "arn:aws:iam::1:role/r",
        "userName": "someone",
        "kubernetesGroups": ["readers"],
    }
    assert made.named("c-reader-view").inputs == {
        "clusterName": "demo",
        "principalArn": "arn:aws:iam::1:role/r",
        **policy,
    }


def test_auto_mode() -> None:
    made = cluster(autoMode={"enabled": True}, skipDefaultNodeGroup=True)
    inputs = made.named("c-eksCluster").inputs
    assert inputs["computeConfig"] == {
        "enabled": True,
        "nodeRoleArn": "arn:aws:any:eu-west-1:123456789012:c-nodeRole-role",
        "nodePools": ["general-purpose", "system"],
    }
    assert inputs["storageConfig"] == {"blockStorage": {"enabled": True}}
    assert inputs["kubernetesNetworkConfig"] == {
        "ipFamily": "ipv4",
        "elasticLoadBalancing": {"enabled": True},
    }
    assert inputs["bootstrapSelfManagedAddons"] is False
    assert "securityGroupIds" not in inputs["vpcConfig"]
    assert not {"c-kube-proxy", "c-vpc-cni", "c-nodeSecurityGroup"} & made.names
    assert "c-coredns" in made.names
    assert made.outputs["autoModeNodeRoleName"] == "c-nodeRole-role"
    assert made.outputs["clusterSecurityGroupId"] == made.outputs["nodeSecurityGroupId"] == "sg-of-eks"


def test_addon_options() -> None:
    made = cluster(
        useDefaultVpcCni=True,
        kubeProxyAddonOptions={"version": "v1", "resolveConflictsOnUpdate": "PRESERVE"},
        corednsAddonOptions={"configurationValues": {"replicaCount": 3.0, "autoScaling": {"b": 1.0, "a": 2.0}}},
        tags={"team": "a"},
    )
    assert "c-vpc-cni" not in made.names
    assert made.named("c-kube-proxy").inputs == {
        "clusterName": "demo",
        "addonName": "kube-proxy",
        "addonVersion": "v1",
        "preserve": True,
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "PRESERVE",
        "tags": {"team": "a"},
    }
    coredns = made.named("c-coredns").inputs
    assert coredns["addonVersion"] == "newest-coredns"
    assert coredns["configurationValues"] == '{"autoScaling":{"a":2,"b":1},"replicaCount":3}'


def test_oidc_provider() -> None:
    made = cluster(createOidcProvider=True)
    assert made.named("c-oidcProvider").inputs == {"clientIdLists": ["sts.amazonaws.com"], "url": ISSUER}
    assert made.outputs["oidcProviderArn"].endswith("c-oidcProvider")


def test_config_map_where_the_kubernetes_plugin_is(kubernetes_plugin: None) -> None:
    mapping = {"roleArn": "arn:aws:iam::1:role/r", "username": "u", "groups": ["g"]}
    made = cluster(
        authenticationMode="API_AND_CONFIG_MAP",
        createInstanceRole=True,
        roleMappings=[mapping],
        enableConfigMapMutable=True,
    )
    assert made.named("c-nodeAccess").inputs["data"] == {
        "mapRoles": "- rolearn: arn:aws:iam::1:role/r\n"
        "  username: u\n"
        "  groups:\n"
        "    - g\n"
        "- rolearn: arn:aws:any:eu-west-1:123456789012:c-instanceRole-role\n"
        "  username: system:node:{{EC2PrivateDNSName}}\n"
        "  groups:\n"
        "    - system:bootstrappers\n"
        "    - system:nodes\n"
    }
    assert made.outputs["core"]["provider"]._name == "c-eks-k8s"
    assert "c-defaultNodeGroupInstanceRole" in made.names


def test_no_provider_without_the_kubernetes_plugin() -> None:
    assert not kubernetes.plugin_installed()
    made = cluster(authenticationMode="API_AND_CONFIG_MAP")
    assert not {"c-eks-k8s", "c-nodeAccess"} & made.names
    assert "provider" not in made.outputs["core"]


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"fargate": True, "storageClasses": "gp2"}, {"fargate", "storageClasses"}),
        ({"creationRoleProvider": {"role": 1, "provider": 2}}, {"creationRoleProvider"}),
        ({"ofANewerSdk": 1}, {"ofANewerSdk"}),
        ({"authenticationMode": "IAM"}, {"authenticationMode"}),
        ({"authenticationMode": None, "accessEntries": {"a": {}}}, {"authenticationMode", "accessEntries"}),
        ({"authenticationMode": "CONFIG_MAP"}, {"authenticationMode"}),
        ({"instanceRoles": ["r"], "roleMappings": [{}]}, {"instanceRoles", "roleMappings"}),
        ({"authenticationMode": "API_AND_CONFIG_MAP", "userMappings": [{}]}, {"userMappings"}),
        ({"privateSubnetIds": ["p"]}, {"subnetIds"}),
        ({"skipDefaultNodeGroup": None}, {"skipDefaultNodeGroup"}),
        ({"endpointPublicAccess": False, "publicAccessCidrs": ["192.0.2.0/24"]}, {"publicAccessCidrs"}),
        ({"nodeGroupOptions": {"minSize": 1}, "minSize": 1}, {"minSize"}),
        ({"vpcCniOptions": {"securityContextPrivileged": True}}, {"vpcCniOptions.securityContextPrivileged"}),
        ({"enableConfigMapMutable": True}, {"enableConfigMapMutable"}),
        ({"createOidcProvider": unknown}, {"createOidcProvider"}),
    ],
)
def test_refused(args: dict[str, Any], properties: set[str]) -> None:
    with pytest.raises(InputPropertiesError) as refusal:
        cluster(args)
    assert {error["property_path"] for error in refusal.value.errors or []} == properties


def test_contradiction_that_shows_late() -> None:
    with pytest.raises(InputPropertyError) as refusal:
        cluster(endpointPublicAccess=lambda: pulumi.Output.from_input(False), publicAccessCidrs=["192.0.2.0/24"])
    assert refusal.value.property_path == "publicAccessCidrs"


def test_missing_aws_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputPropertyError) as refusal:
        cluster()
    assert "aws CLI" in refusal.value.reason


@pytest.mark.parametrize("preview", [True, False])
def test_get_kubeconfig(preview: bool) -> None:
    def build() -> dict[str, Any]:
        # The mocks keep no outputs of components, so the reference cannot be resolved by them.
        existing = ExistingCluster.__new__(ExistingCluster)
        existing.__dict__["eksCluster"] = pulumi.Output.from_input(Cluster("c", MINIMAL).outputs["eksCluster"])
        return {"json": existing.get_kubeconfig({"roleArn": "r"})}

    result = run(build, preview=preview).outputs["json"]
    if preview:
        assert result is UNKNOWN
    else:
        assert json.loads(result)["users"][0]["user"]["exec"]["args"][-2:] == ["--role", "r"]
