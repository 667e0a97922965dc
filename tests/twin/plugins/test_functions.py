"""The functions, against the endpoint."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from local.plugins.aws.package import AwsPackage
from local.plugins.base.wire import Values

from .conftest import REGION, Surroundings, trust
from .driver import CheckFailed, Driver
from .test_plugin import client


def test_zones(plugin: Driver) -> None:
    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    found = plugin.invoke(token, filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}])
    assert found["names"] == sorted(found["names"])
    assert len(found["names"]) == len(found["zoneIds"]) == 3
    less = plugin.invoke(token, excludeZoneIds=found["zoneIds"][:1], excludeNames=found["names"][1:2])
    assert less["names"] == found["names"][2:]
    assert found["id"] == REGION


def test_region_and_partition(plugin: Driver) -> None:
    region = plugin.invoke("aws:index/getRegion:getRegion")
    assert (region["region"], region["description"]) == (REGION, "Europe (Ireland)")
    assert plugin.invoke("aws:index/getRegion:getRegion", region="us-east-1")["endpoint"] == (
        "ec2.us-east-1.amazonaws.com"
    )
    assert plugin.invoke("aws:index/getPartition:getPartition")["partition"] == "aws"


def test_vpcs_subnets_and_groups(plugin: Driver, around: Surroundings) -> None:
    subnets = set(around.subnets)
    vpc = plugin.invoke("aws:ec2/getVpc:getVpc", id=around.vpc)
    assert (vpc["id"], vpc["cidrBlock"], vpc["default"]) == (around.vpc, "10.0.0.0/16", False)
    assert plugin.invoke("aws:ec2/getVpc:getVpc", default=True)["default"] is True
    in_vpc = [{"name": "vpc-id", "values": [around.vpc]}]
    assert set(plugin.invoke("aws:ec2/getSubnets:getSubnets", filters=in_vpc)["ids"]) >= subnets
    subnet = plugin.invoke("aws:ec2/getSubnet:getSubnet", id=around.subnets[0])
    assert (subnet["vpcId"], subnet["availabilityZone"]) == (around.vpc, f"{REGION}a")
    group = plugin.invoke("aws:ec2/getSecurityGroup:getSecurityGroup", name="default", vpcId=around.vpc)
    assert group["vpcId"] == around.vpc
    with pytest.raises(grpc.RpcError, match="0 VPCs match"):
        plugin.invoke("aws:ec2/getVpc:getVpc", tags={"no": "such"})
    with pytest.raises(grpc.RpcError, match="2 subnets match"):
        plugin.invoke("aws:ec2/getSubnet:getSubnet", vpcId=around.vpc)


def test_clusters(plugin: Driver, around: Surroundings) -> None:
    name = around.cluster.id
    cluster = plugin.invoke("aws:eks/getCluster:getCluster", name=name)
    for key in ("arn", "endpoint", "version", "roleArn", "status", "identities"):
        assert cluster[key] == around.cluster.state[key], key
    assert cluster["certificateAuthorities"] == [around.cluster.state["certificateAuthority"]]
    assert cluster["accessConfigs"][0]["authenticationMode"] == "API"
    assert set(cluster["vpcConfig"]["subnetIds"]) == set(around.subnets)
    assert name in plugin.invoke("aws:eks/getClusters:getClusters")["names"]
    with pytest.raises(grpc.RpcError, match="ResourceNotFoundException"):
        plugin.invoke("aws:eks/getCluster:getCluster", name="missing")


def test_addon_versions(plugin: Driver) -> None:
    token = "aws:eks/getAddonVersion:getAddonVersion"
    arguments = {"addonName": "eks-pod-identity-agent", "kubernetesVersion": "1.36"}
    default = plugin.invoke(token, **arguments)["version"]
    newest = plugin.invoke(token, **arguments, mostRecent=True)["version"]
    assert default.startswith("v1.")
    assert _order(newest) >= _order(default)
    with pytest.raises(grpc.RpcError):
        plugin.invoke(token, addonName="missing", kubernetesVersion="1.36")


def _order(version: str) -> list[int]:
    return [int(part) for part in version.removeprefix("v").replace("-eksbuild", "").split(".")]


def test_what_is_in_a_cluster(plugin: Driver, around: Surroundings) -> None:
    cluster = around.cluster.id
    entry = plugin.invoke(
        "aws:eks/getAccessEntry:getAccessEntry",
        clusterName=cluster,
        principalArn=around.access_entry.state["principalArn"],
    )
    assert entry["accessEntryArn"] == around.access_entry.state["accessEntryArn"]
    addon = around.made("aws:eks/addon:Addon", {"clusterName": cluster, "addonName": "kube-proxy"})
    found = plugin.invoke("aws:eks/getAddon:getAddon", clusterName=cluster, addonName="kube-proxy")
    assert found["addonVersion"] == addon.state["addonVersion"]
    group = around.made(
        "aws:eks/nodeGroup:NodeGroup",
        {
            "clusterName": cluster,
            "nodeRoleArn": around.role("ec2.amazonaws.com").state["arn"],
            "subnetIds": around.subnets,
            "scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 1},
        },
    )
    name = group.state["nodeGroupName"]
    assert name in plugin.invoke("aws:eks/getNodeGroups:getNodeGroups", clusterName=cluster)["names"]
    node_group = plugin.invoke("aws:eks/getNodeGroup:getNodeGroup", clusterName=cluster, nodeGroupName=name)
    assert node_group["scalingConfigs"] == [{"minSize": 1, "desiredSize": 1, "maxSize": 1}]
    plugin.delete(group)
    plugin.delete(addon)


def test_kubernetes_versions(plugin: Driver) -> None:
    found = plugin.invoke("aws:eks/getClusterVersions:getClusterVersions")["clusterVersions"]
    assert "1.36" in [version["clusterVersion"] for version in found]


def test_roles_and_policies(plugin: Driver, around: Surroundings) -> None:
    role = around.role()
    found = plugin.invoke("aws:iam/getRole:getRole", name=role.id)
    assert found["arn"] == role.state["arn"]
    assert json.loads(found["assumeRolePolicy"]) == json.loads(trust("pods.eks.amazonaws.com"))
    by_arn = plugin.invoke("aws:iam/getPolicy:getPolicy", arn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert by_arn["name"] == "ReadOnlyAccess"
    assert json.loads(by_arn["policy"])["Version"] == "2012-10-17"
    with pytest.raises(grpc.RpcError, match="0 policies are named"):
        plugin.invoke("aws:iam/getPolicy:getPolicy", name="no-such-policy")


def test_parameters(plugin: Driver, aws_endpoint: str) -> None:
    ssm = client("ssm", aws_endpoint)
    ssm.put_parameter(Name="/plain", Value="v", Type="String")
    ssm.put_parameter(Name="/hidden", Value="v", Type="SecureString")
    assert plugin.invoke("aws:ssm/getParameter:getParameter", name="/plain")["insecureValue"] == "v"
    hidden = plugin.invoke("aws:ssm/getParameter:getParameter", name="/hidden")
    assert hidden["value"] == "v"
    assert "insecureValue" not in hidden


DOCUMENT = "aws:iam/getPolicyDocument:getPolicyDocument"


def written(plugin: Driver, **arguments: Any) -> Values:
    found = plugin.invoke(DOCUMENT, **arguments)
    assert json.loads(found["json"]) == json.loads(found["minifiedJson"])
    return json.loads(found["json"])


def test_a_policy_document(plugin: Driver) -> None:
    document = written(
        plugin,
        statements=[
            {
                "sid": "Trust",
                "actions": ["sts:TagSession", "sts:AssumeRole"],
                "principals": [{"type": "Service", "identifiers": ["pods.eks.amazonaws.com"]}],
                "conditions": [
                    {"test": "StringEquals", "variable": "aws:SourceAccount", "values": ["1"]},
                    {"test": "StringEquals", "variable": "aws:SourceArn", "values": ["a", "b"]},
                ],
            },
            {
                "effect": "Deny",
                "notActions": ["s3:*"],
                "resources": ["*"],
                "principals": [{"type": "*", "identifiers": ["*"]}],
            },
        ],
    )
    assert document == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Trust",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": "1", "aws:SourceArn": ["a", "b"]}},
            },
            {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*", "Principal": "*"},
        ],
    }


def test_documents_are_merged_by_the_ids_of_their_statements(plugin: Driver) -> None:
    def source(sid: str, action: str) -> str:
        statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    document = written(
        plugin,
        sourcePolicyDocuments=[source("A", "a:a"), source("B", "b:b")],
        statements=[{"sid": "B", "actions": ["b:own"], "resources": ["*"]}],
        overridePolicyDocuments=[source("A", "a:over"), source("C", "c:c")],
    )
    assert [(s["Sid"], s["Action"]) for s in document["Statement"]] == [("A", "a:over"), ("B", "b:own"), ("C", "c:c")]
    with pytest.raises(grpc.RpcError, match="have a statement A"):
        plugin.invoke(DOCUMENT, sourcePolicyDocuments=[source("A", "a:a"), source("A", "b:b")])


def test_wrong_arguments(plugin: Driver) -> None:
    with pytest.raises(CheckFailed) as caught:
        plugin.invoke("aws:eks/getCluster:getCluster", nam="x")
    assert caught.value.failures.keys() == {"name", "nam"}


def test_every_function_returns_only_what_it_declares(plugin: Driver, around: Surroundings) -> None:
    arguments: dict[str, Values] = {
        "getVpc": {"id": around.vpc},
        "getSubnet": {"id": around.subnets[0]},
        "getSecurityGroup": {"name": "default", "vpcId": around.vpc},
        "getRole": {"name": around.role().id},
        "getPolicy": {"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        "getCluster": {"name": around.cluster.id},
        "getAddonVersion": {"addonName": "coredns", "kubernetesVersion": "1.36"},
        "getNodeGroups": {"clusterName": around.cluster.id},
        "getAccessEntry": {
            "clusterName": around.cluster.id,
            "principalArn": around.access_entry.state["principalArn"],
        },
    }
    needing_more = {"getAddon", "getNodeGroup", "getParameter"}
    for token, function in AwsPackage().functions.items():
        name = token.rpartition(":")[2]
        if name not in needing_more:
            found = plugin.invoke(token, **arguments.get(name, {}))
            assert found.keys() <= function.results.keys(), token
            required = {key for key, declared in function.arguments.items() if declared.required}
            assert required <= found.keys(), token
