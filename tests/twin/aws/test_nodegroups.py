"""Managed node groups."""

from __future__ import annotations

from tests.twin.aws.support import World, refused, unique, wait


def test_defaults(world: World, cluster: str) -> None:
    name = world.nodegroup(cluster)
    group = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
    assert group["status"] == "ACTIVE"
    assert group["amiType"] == "AL2023_x86_64_STANDARD"
    assert group["instanceTypes"] == ["t3.medium"]
    assert group["diskSize"] == 20
    assert group["capacityType"] == "ON_DEMAND"
    assert group["updateConfig"] == {"maxUnavailable": 1}
    assert group["version"] == "1.36"
    assert group["releaseVersion"].startswith("1.36.")
    assert group["resources"]["autoScalingGroups"][0]["name"].startswith(f"eks-{name}-")
    entry = world.eks.describe_access_entry(clusterName=cluster, principalArn=world.node_role)["accessEntry"]
    assert (entry["type"], entry["kubernetesGroups"]) == ("EC2_LINUX", ["system:nodes"])


def test_the_last_group_takes_its_roles_entry_along(world: World, cluster: str) -> None:
    role = world.role("ec2.amazonaws.com", path="/nodes/")
    name = unique("group")
    world.eks.create_nodegroup(clusterName=cluster, nodegroupName=name, subnets=world.subnets, nodeRole=role)
    wait(world.eks, "nodegroup_active", clusterName=cluster, nodegroupName=name)
    assert role in world.eks.list_access_entries(clusterName=cluster)["accessEntries"]
    world.eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)
    wait(world.eks, "nodegroup_deleted", clusterName=cluster, nodegroupName=name)
    assert role not in world.eks.list_access_entries(clusterName=cluster)["accessEntries"]
    with refused("ResourceNotFoundException", f"No node group found for name: {name}."):
        world.eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)


def test_a_launch_template_is_resolved(world: World, cluster: str) -> None:
    template = world.ec2.create_launch_template(
        LaunchTemplateName=unique("template"),
        LaunchTemplateData={"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}},
    )["LaunchTemplate"]
    identifier, name = template["LaunchTemplateId"], template["LaunchTemplateName"]
    group = world.nodegroup(cluster, launchTemplate={"name": name})
    found = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName=group)["nodegroup"]
    assert found["launchTemplate"] == {"id": identifier, "name": name, "version": "1"}
    assert "diskSize" not in found
    world.ec2.create_launch_template_version(
        LaunchTemplateId=identifier, LaunchTemplateData={"InstanceType": "t3.large"}
    )
    update = world.eks.update_nodegroup_version(
        clusterName=cluster, nodegroupName=group, launchTemplate={"id": identifier, "version": "2"}
    )["update"]
    world.update_succeeds(cluster, update, nodegroupName=group)
    found = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName=group)["nodegroup"]
    assert found["launchTemplate"]["version"] == "2"
    with refused("InvalidParameterException", "Disk size"):
        world.nodegroup(cluster, launchTemplate={"name": name}, diskSize=30)
    with refused("InvalidParameterException", "not in both"):
        world.nodegroup(cluster, launchTemplate={"id": identifier, "version": "$Latest"}, instanceTypes=["t3.small"])
    with refused("InvalidParameterException", "not found"):
        world.nodegroup(cluster, launchTemplate={"name": "nothing"})


def test_configuration_changes(world: World, cluster: str) -> None:
    name = world.nodegroup(cluster, labels={"a": "1", "b": "2"})
    taint = {"key": "only", "value": "gpu", "effect": "NO_SCHEDULE"}
    update = world.eks.update_nodegroup_config(
        clusterName=cluster,
        nodegroupName=name,
        scalingConfig={"minSize": 1, "maxSize": 5, "desiredSize": 4},
        labels={"addOrUpdateLabels": {"b": "3"}, "removeLabels": ["a"]},
        taints={"addOrUpdateTaints": [taint]},
        updateConfig={"maxUnavailablePercentage": 50},
    )["update"]
    assert {"type": "DesiredSize", "value": "4"} in update["params"]
    with refused("ResourceInUseException", "Active State"):
        world.eks.update_nodegroup_config(clusterName=cluster, nodegroupName=name, scalingConfig={"desiredSize": 2})
    world.update_succeeds(cluster, update, nodegroupName=name)
    assert world.eks.list_updates(name=cluster, nodegroupName=name)["updateIds"] == [update["id"]]
    group = world.eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
    assert group["labels"] == {"b": "3"}
    assert group["taints"] == [taint]
    assert group["scalingConfig"] == {"minSize": 1, "maxSize": 5, "desiredSize": 4}
    assert group["updateConfig"] == {"maxUnavailablePercentage": 50}


def test_bad_groups_are_refused(world: World, cluster: str) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"amiType": "AL2_x86_64"}, "1.32 or earlier"),
        ({"instanceTypes": ["t9.huge"]}, "do not exist"),
        ({"instanceTypes": ["t4g.medium"]}, "is not a valid instance type"),
        ({"version": "1.35"}, "not the cluster's version"),
        ({"scalingConfig": {"minSize": 3, "maxSize": 2, "desiredSize": 2}}, "Minimum capacity 3"),
        ({"scalingConfig": {"minSize": 1, "maxSize": 2, "desiredSize": 3}}, "Desired capacity 3"),
        ({"updateConfig": {"maxUnavailable": 1, "maxUnavailablePercentage": 1}}, "cannot both"),
        ({"labels": {"eks.amazonaws.com/x": "y"}}, "reserved"),
        ({"releaseVersion": "1.20.0-20200101"}, "release version"),
    ]
    for arguments, message in cases:
        with refused("InvalidParameterException", message):
            world.nodegroup(cluster, **arguments)
    with refused("InvalidParameterException", "trusted entity"):
        world.eks.create_nodegroup(
            clusterName=cluster, nodegroupName="x", subnets=world.subnets, nodeRole=world.cluster_role
        )


def test_a_name_is_taken_once(world: World, cluster: str) -> None:
    name = world.nodegroup(cluster)
    with refused("ResourceInUseException", f"NodeGroup already exists with name {name} and cluster name {cluster}"):
        world.eks.create_nodegroup(
            clusterName=cluster, nodegroupName=name, subnets=world.subnets, nodeRole=world.node_role
        )
