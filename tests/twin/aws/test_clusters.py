"""Clusters: what is answered, what is refused, and how they change."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509

from tests.twin.aws.support import ACCOUNT, REGION, World, client, refused, unique, wait


def test_a_cluster_is_created_step_by_step(world: World) -> None:
    name = unique("steps")
    created = world.eks.create_cluster(
        name=name, roleArn=world.cluster_role, resourcesVpcConfig={"subnetIds": world.subnets}, tags={"team": "a"}
    )["cluster"]
    assert created["status"] == "CREATING"
    assert "endpoint" not in created
    wait(world.eks, "cluster_active", name=name)
    found = world.eks.describe_cluster(name=name)["cluster"]
    assert found["arn"] == f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}"
    assert found["version"] == "1.36"
    assert found["tags"] == {"team": "a"}
    assert found["accessConfig"]["authenticationMode"] == "CONFIG_MAP"
    assert found["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "172.20.0.0/16"
    assert found["upgradePolicy"] == {"supportType": "EXTENDED"}
    assert found["deletionProtection"] is False
    assert [setup["enabled"] for setup in found["logging"]["clusterLogging"]] == [False]
    assert found["resourcesVpcConfig"]["vpcId"] == world.vpc
    assert "computeConfig" not in found
    certificate = x509.load_pem_x509_certificate(base64.b64decode(found["certificateAuthority"]["data"]))
    assert certificate.subject == certificate.issuer
    with refused("ResourceInUseException", f"Cluster already exists with name: {name}"):
        world.cluster(name=name)


def test_its_security_group_lives_and_dies_with_it(world: World) -> None:
    name = world.cluster()
    group_id = world.eks.describe_cluster(name=name)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    group = world.ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    assert group["GroupName"].startswith(f"eks-cluster-sg-{name}-")
    assert {"Key": f"kubernetes.io/cluster/{name}", "Value": "owned"} in group["Tags"]
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group_id
    assert world.eks.delete_cluster(name=name)["cluster"]["status"] == "DELETING"
    wait(world.eks, "cluster_deleted", name=name)
    with refused("ResourceNotFoundException", f"No cluster found for name: {name}."):
        world.eks.describe_cluster(name=name)
    with refused("InvalidGroup.NotFound"):
        world.ec2.describe_security_groups(GroupIds=[group_id])


def test_each_cluster_has_its_own_endpoint_and_issuer(world: World, cluster: str) -> None:
    first = world.eks.describe_cluster(name=cluster)["cluster"]
    second = world.eks.describe_cluster(name=world.cluster())["cluster"]
    assert first["endpoint"] != second["endpoint"]
    assert first["identity"]["oidc"]["issuer"] != second["identity"]["oidc"]["issuer"]
    assert first["certificateAuthority"]["data"] != second["certificateAuthority"]["data"]


def test_bad_clusters_are_refused(world: World) -> None:
    good = {
        "name": unique("refused"),
        "roleArn": world.cluster_role,
        "resourcesVpcConfig": {"subnetIds": world.subnets},
    }
    cases: list[tuple[dict[str, object], str]] = [
        ({"version": "1.28"}, "unsupported Kubernetes version"),
        ({"resourcesVpcConfig": {"subnetIds": world.subnets[:1]}}, "at least two different AZs"),
        ({"resourcesVpcConfig": {"subnetIds": ["subnet-0"]}}, "does not exist"),
        ({"resourcesVpcConfig": {}}, "Subnets cannot be empty"),
        (
            {
                "resourcesVpcConfig": {
                    "subnetIds": world.subnets,
                    "endpointPublicAccess": False,
                    "endpointPrivateAccess": False,
                }
            },
            "cannot be false",
        ),
        ({"roleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "does not exist"),
        ({"roleArn": world.node_role}, "trusted entity is not correct"),
        ({"roleArn": "arn:aws:iam::999999999999:role/other"}, "Cross-account"),
        ({"kubernetesNetworkConfig": {"serviceIpv4Cidr": "8.8.0.0/16"}}, "serviceIpv4Cidr"),
        ({"kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.0.0.0/16"}}, "must not overlap"),
        ({"tags": {"aws:mine": "x"}}, "aws: prefixed"),
        ({"computeConfig": {"enabled": True}}, "fully enabled or fully disabled"),
        (
            {"encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:x:y:key/none"}}]},
            "keyArn",
        ),
    ]
    for change, message in cases:
        with refused("InvalidParameterException", message):
            world.eks.create_cluster(**{**good, **change})
    assert good["name"] not in world.eks.list_clusters()["clusters"]


def test_everything_asked_for_is_answered(world: World) -> None:
    key = client(world.url, "kms").create_key()["KeyMetadata"]["Arn"]
    encryption = [{"resources": ["secrets"], "provider": {"keyArn": key}}]
    name = world.cluster(
        encryptionConfig=encryption,
        logging={"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]},
        upgradePolicy={"supportType": "STANDARD"},
        zonalShiftConfig={"enabled": True},
        version="1.35",
    )
    found = world.eks.describe_cluster(name=name)["cluster"]
    assert found["encryptionConfig"] == encryption
    assert found["upgradePolicy"] == {"supportType": "STANDARD"}
    assert found["zonalShiftConfig"] == {"enabled": True}
    assert {"types": ["api", "audit"], "enabled": True} in found["logging"]["clusterLogging"]
    assert found["version"] == "1.35"
    with refused("InvalidParameterException", "already enabled"):
        world.eks.associate_encryption_config(clusterName=name, encryptionConfig=encryption)


def test_auto_mode(world: World) -> None:
    name = world.cluster(
        computeConfig={"enabled": True, "nodePools": ["system"], "nodeRoleArn": world.node_role},
        kubernetesNetworkConfig={"elasticLoadBalancing": {"enabled": True}},
        storageConfig={"blockStorage": {"enabled": True}},
        bootstrapSelfManagedAddons=False,
    )
    found = world.eks.describe_cluster(name=name)["cluster"]
    assert found["computeConfig"]["nodePools"] == ["system"]
    assert found["storageConfig"] == {"blockStorage": {"enabled": True}}
    entry = world.eks.describe_access_entry(clusterName=name, principalArn=world.node_role)["accessEntry"]
    assert entry["type"] == "EC2"


def test_configuration_changes_one_kind_at_a_time(world: World) -> None:
    name = world.cluster()

    def change(**config: object) -> dict[str, object]:
        update = world.eks.update_cluster_config(name=name, **config)["update"]
        done = world.update_succeeds(name, update)
        wait(world.eks, "cluster_active", name=name)
        return done

    done = change(logging={"clusterLogging": [{"types": ["audit"], "enabled": True}]})
    assert done["type"] == "LoggingUpdate"
    assert change(resourcesVpcConfig={"endpointPrivateAccess": True})["type"] == "EndpointAccessUpdate"
    assert change(resourcesVpcConfig={"subnetIds": world.subnets[:2]})["type"] == "VpcConfigUpdate"
    assert change(upgradePolicy={"supportType": "STANDARD"})["type"] == "UpgradePolicyUpdate"
    assert change(deletionProtection=True)["type"] == "DeletionProtectionUpdate"
    found = world.eks.describe_cluster(name=name)["cluster"]
    assert {"types": ["audit"], "enabled": True} in found["logging"]["clusterLogging"]
    assert found["resourcesVpcConfig"]["endpointPrivateAccess"] is True
    assert found["resourcesVpcConfig"]["subnetIds"] == world.subnets[:2]
    with refused("InvalidRequestException", "deletion protection"):
        world.eks.delete_cluster(name=name)
    with refused("InvalidParameterException", "Only one type of update"):
        world.eks.update_cluster_config(name=name, deletionProtection=False, upgradePolicy={"supportType": "EXTENDED"})
    with refused("InvalidParameterException", "No changes needed"):
        world.eks.update_cluster_config(name=name, deletionProtection=True)
    assert len(world.eks.list_updates(name=name)["updateIds"]) == 5


def test_versions_go_up_one_by_one(world: World) -> None:
    name = world.cluster(version="1.34")
    with refused("InvalidParameterException", "from 1.34 to 1.36"):
        world.eks.update_cluster_version(name=name, version="1.36")
    update = world.eks.update_cluster_version(name=name, version="1.35")["update"]
    assert update["type"] == "VersionUpdate"
    with refused("ResourceInUseException", "UPDATING"):
        world.eks.update_cluster_version(name=name, version="1.36")
    world.update_succeeds(name, update)
    assert world.eks.describe_cluster(name=name)["cluster"]["version"] == "1.35"
    with refused("InvalidParameterException"):
        world.eks.update_cluster_version(name=name, version="1.34")


def test_a_cluster_with_nodes_stays(world: World) -> None:
    name = world.cluster()
    group = world.nodegroup(name)
    with refused("ResourceInUseException", "Cluster has nodegroups attached"):
        world.eks.delete_cluster(name=name)
    world.eks.delete_nodegroup(clusterName=name, nodegroupName=group)
    wait(world.eks, "nodegroup_deleted", clusterName=name, nodegroupName=group)
    profile = world.role("eks-fargate-pods.amazonaws.com")
    world.eks.create_fargate_profile(
        clusterName=name, fargateProfileName="f", podExecutionRoleArn=profile, selectors=[{"namespace": "default"}]
    )
    wait(world.eks, "fargate_profile_active", clusterName=name, fargateProfileName="f")
    with refused("ResourceInUseException", "Fargate"):
        world.eks.delete_cluster(name=name)
    world.eks.delete_fargate_profile(clusterName=name, fargateProfileName="f")
    wait(world.eks, "fargate_profile_deleted", clusterName=name, fargateProfileName="f")
    world.eks.delete_cluster(name=name)
    wait(world.eks, "cluster_deleted", name=name)


def test_listing_in_pages(world: World, cluster: str) -> None:
    for _ in range(2):
        world.cluster()
    pages = list(world.eks.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 1}))
    names = [name for page in pages for name in page["clusters"]]
    assert all(len(page["clusters"]) <= 1 for page in pages)
    assert names == sorted(set(names))
    assert cluster in names
    with refused("InvalidParameterException", "nextToken"):
        world.eks.list_clusters(nextToken="$$")


def test_supported_versions(world: World) -> None:
    versions = {item["clusterVersion"]: item for item in world.eks.describe_cluster_versions()["clusterVersions"]}
    assert versions["1.36"]["versionStatus"] == "STANDARD_SUPPORT"
    assert versions["1.33"]["versionStatus"] == "EXTENDED_SUPPORT"
    assert [name for name, item in versions.items() if item["defaultVersion"]] == ["1.36"]
    chosen = world.eks.describe_cluster_versions(defaultOnly=True)["clusterVersions"]
    assert [item["clusterVersion"] for item in chosen] == ["1.36"]


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_follow_the_partition(aws_endpoint: str, region: str, partition: str) -> None:
    import boto3

    eks = boto3.client(
        "eks", endpoint_url=aws_endpoint, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    arns = [policy["arn"] for policy in eks.list_access_policies()["accessPolicies"]]
    assert f"arn:{partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy" in arns


def test_an_oidc_identity_provider(world: World) -> None:
    name = world.cluster()
    config = {"type": "oidc", "name": "corp"}
    update = world.eks.associate_identity_provider_config(
        clusterName=name,
        oidc={"identityProviderConfigName": "corp", "issuerUrl": "https://id.example.com", "clientId": "kubernetes"},
    )["update"]
    world.update_succeeds(name, update)
    found = world.eks.describe_identity_provider_config(clusterName=name, identityProviderConfig=config)
    assert found["identityProviderConfig"]["oidc"]["status"] == "ACTIVE"
    assert world.eks.list_identity_provider_configs(clusterName=name)["identityProviderConfigs"] == [config]
    update = world.eks.disassociate_identity_provider_config(clusterName=name, identityProviderConfig=config)["update"]
    world.update_succeeds(name, update)
    with refused("ResourceNotFoundException"):
        world.eks.describe_identity_provider_config(clusterName=name, identityProviderConfig=config)


def test_the_token_makes_a_call_idempotent(world: World) -> None:
    name = unique("token")
    request = {
        "name": name,
        "roleArn": world.cluster_role,
        "resourcesVpcConfig": {"subnetIds": world.subnets},
        "clientRequestToken": unique("once"),
    }
    first = world.eks.create_cluster(**request)["cluster"]
    again = world.eks.create_cluster(**request)["cluster"]
    assert first["createdAt"] == again["createdAt"]
    with refused("InvalidParameterException", "token"):
        world.eks.create_cluster(**{**request, "version": "1.35"})
