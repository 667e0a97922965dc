"""Access entries, access policies, and who gets them by itself."""

from __future__ import annotations

import json

import pytest

from local.aws.eks.access_policies import AUTO_NODE, RULES
from tests.twin.aws.support import ACCOUNT, World, refused, unique, wait

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
POLICY = "arn:aws:eks::aws:cluster-access-policy/{}"
ADMIN, VIEW = POLICY.format("AmazonEKSClusterAdminPolicy"), POLICY.format("AmazonEKSViewPolicy")


def test_the_creator_is_administrator(world: World, cluster: str) -> None:
    assert world.iam and ROOT in world.eks.list_access_entries(clusterName=cluster)["accessEntries"]
    policies = world.eks.list_associated_access_policies(clusterName=cluster, principalArn=ROOT)
    assert [item["policyArn"] for item in policies["associatedAccessPolicies"]] == [ADMIN]
    name = world.cluster(accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False})
    assert world.eks.list_access_entries(clusterName=name)["accessEntries"] == []


def test_life_of_an_entry(world: World, cluster: str) -> None:
    arn = world.role("ec2.amazonaws.com", path="/team/a/")
    role = arn.rpartition("/")[2]
    entry = world.eks.create_access_entry(
        clusterName=cluster, principalArn=arn, kubernetesGroups=["viewers"], tags={"a": "b"}
    )["accessEntry"]
    assert entry["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{{{{SessionName}}}}"
    assert entry["type"] == "STANDARD"
    with refused("ResourceInUseException", "already in use on this cluster"):
        world.eks.create_access_entry(clusterName=cluster, principalArn=arn)
    changed = world.eks.update_access_entry(clusterName=cluster, principalArn=arn, kubernetesGroups=[], username="me")
    assert (changed["accessEntry"]["kubernetesGroups"], changed["accessEntry"]["username"]) == ([], "me")
    scope = {"type": "namespace", "namespaces": ["default"]}
    world.eks.associate_access_policy(clusterName=cluster, principalArn=arn, policyArn=VIEW, accessScope=scope)
    listed = world.eks.list_associated_access_policies(clusterName=cluster, principalArn=arn)
    assert listed["associatedAccessPolicies"][0]["accessScope"] == scope
    assert world.eks.list_access_entries(clusterName=cluster, associatedPolicyArn=VIEW)["accessEntries"] == [arn]
    world.eks.disassociate_access_policy(clusterName=cluster, principalArn=arn, policyArn=VIEW)
    with refused("ResourceNotFoundException", "policyArn"):
        world.eks.disassociate_access_policy(clusterName=cluster, principalArn=arn, policyArn=VIEW)
    world.eks.delete_access_entry(clusterName=cluster, principalArn=arn)
    with refused("ResourceNotFoundException", "principalArn could not be found"):
        world.eks.describe_access_entry(clusterName=cluster, principalArn=arn)


@pytest.mark.parametrize("kind", ["EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX"])
def test_node_types(world: World, cluster: str, kind: str) -> None:
    arn = world.role("ec2.amazonaws.com")
    with refused("InvalidParameterException", kind):
        world.eks.create_access_entry(clusterName=cluster, principalArn=arn, type=kind, kubernetesGroups=["x"])
    entry = world.eks.create_access_entry(clusterName=cluster, principalArn=arn, type=kind)["accessEntry"]
    assert entry["username"].startswith("system:node:{{")
    assert "system:nodes" in entry["kubernetesGroups"]


def test_bad_entries_are_refused(world: World, cluster: str) -> None:
    arn = world.role("ec2.amazonaws.com")
    cases: list[tuple[dict[str, object], str]] = [
        ({"principalArn": "someone"}, "principalArn"),
        ({"principalArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "invalid principal"),
        ({"principalArn": f"arn:aws:iam::{ACCOUNT}:user/u", "type": "EC2_LINUX"}, "principalArn"),
        ({"kubernetesGroups": ["system:masters"]}, "cannot start with system:"),
        ({"username": "eks:me"}, "username"),
        ({"type": "OTHER"}, "not supported"),
    ]
    for change, message in cases:
        with refused("InvalidParameterException", message):
            world.eks.create_access_entry(**{"clusterName": cluster, "principalArn": arn, **change})
    world.eks.create_access_entry(clusterName=cluster, principalArn=arn)
    scopes: list[tuple[str, dict[str, object], str]] = [
        (POLICY.format("Nothing"), {"type": "cluster"}, "policyArn"),
        (VIEW, {"type": "namespace"}, "namespaces"),
        (VIEW, {"type": "cluster", "namespaces": ["x"]}, "type cluster"),
    ]
    for policy, scope, message in scopes:
        with refused("InvalidParameterException", message):
            world.eks.associate_access_policy(
                clusterName=cluster, principalArn=arn, policyArn=policy, accessScope=scope
            )


def test_a_policy_that_cannot_be_enforced_is_refused_by_name(world: World, cluster: str) -> None:
    arn = world.role("ec2.amazonaws.com")
    world.eks.create_access_entry(clusterName=cluster, principalArn=arn, type="EC2")
    offered = {policy["name"] for policy in world.eks.list_access_policies()["accessPolicies"]}
    assert RULES.keys() | {AUTO_NODE} < offered

    def associate(name: str) -> None:
        world.eks.associate_access_policy(
            clusterName=cluster, principalArn=arn, policyArn=POLICY.format(name), accessScope={"type": "cluster"}
        )

    for name in offered - RULES.keys() - {AUTO_NODE}:
        with refused("InvalidParameterException", f"cannot enforce the access policy {name}"):
            associate(name)
    for name in (*RULES, AUTO_NODE):
        associate(name)


def test_authentication_modes(world: World) -> None:
    name = world.cluster(mode="CONFIG_MAP")
    with refused("InvalidRequestException", "authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"):
        world.eks.list_access_entries(clusterName=name)
    with refused("InvalidParameterException", "from CONFIG_MAP to API"):
        world.eks.update_cluster_config(name=name, accessConfig={"authenticationMode": "API"})
    for mode in ("API_AND_CONFIG_MAP", "API"):
        update = world.eks.update_cluster_config(name=name, accessConfig={"authenticationMode": mode})["update"]
        assert update["type"] == "AccessConfigUpdate"
        world.update_succeeds(name, update)
        wait(world.eks, "cluster_active", name=name)
    assert world.eks.list_access_entries(clusterName=name)["accessEntries"] == [ROOT]
    with refused("InvalidParameterException", "from API to CONFIG_MAP"):
        world.eks.update_cluster_config(name=name, accessConfig={"authenticationMode": "CONFIG_MAP"})


def test_a_user_of_iam_is_the_creator(world: World) -> None:
    import boto3

    user = unique("user")
    arn = world.iam.create_user(UserName=user)["User"]["Arn"]
    statement = {"Effect": "Allow", "Action": ["eks:CreateCluster", "iam:PassRole"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_user_policy(UserName=user, PolicyName="clusters", PolicyDocument=policy)
    key = world.iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="eu-west-1")
    assert session.client("sts", endpoint_url=world.url).get_caller_identity()["Arn"] == arn
    name = unique("mine")
    session.client("eks", endpoint_url=world.url).create_cluster(
        name=name,
        roleArn=world.cluster_role,
        resourcesVpcConfig={"subnetIds": world.subnets},
        accessConfig={"authenticationMode": "API"},
    )
    wait(world.eks, "cluster_active", name=name)
    assert world.eks.list_access_entries(clusterName=name)["accessEntries"] == [arn]
