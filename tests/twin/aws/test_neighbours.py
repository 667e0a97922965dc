"""What moto answers for the resources around a cluster, as infrastructure tools read it back."""

from __future__ import annotations

from typing import Any

from tests.twin.aws.support import World, client, refused, unique


def tagged(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def test_a_launch_template_is_read_as_written(world: World) -> None:
    data = {
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "TagSpecifications": tagged("instance", "node"),
    }
    made = world.ec2.create_launch_template(
        LaunchTemplateName=unique("lt"), LaunchTemplateData=data, TagSpecifications=tagged("launch-template", "own")
    )["LaunchTemplate"]
    identifier = made["LaunchTemplateId"]
    version = world.ec2.describe_launch_template_versions(LaunchTemplateId=identifier, Versions=["$Latest"])
    assert version["LaunchTemplateVersions"][0]["LaunchTemplateData"] == data
    world.ec2.create_tags(Resources=[identifier], Tags=[{"Key": "more", "Value": "1"}])
    world.ec2.delete_tags(Resources=[identifier], Tags=[{"Key": "Name"}])
    found = world.ec2.describe_launch_templates(LaunchTemplateIds=[identifier])["LaunchTemplates"][0]
    assert found["Tags"] == [{"Key": "more", "Value": "1"}]


def test_rules_between_groups_keep_their_descriptions(world: World) -> None:
    first, second = (
        world.ec2.create_security_group(GroupName=unique("sg"), Description="d", VpcId=world.vpc)["GroupId"]
        for _ in range(2)
    )

    def permission(description: str) -> list[dict[str, Any]]:
        pair = {"GroupId": second, "Description": description}
        return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [pair]}]

    rule = world.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=permission("nodes"))[
        "SecurityGroupRules"
    ][0]
    identifier = rule["SecurityGroupRuleId"]

    def described() -> dict[str, Any]:
        found = world.ec2.describe_security_group_rules(SecurityGroupRuleIds=[identifier])
        return found["SecurityGroupRules"][0]

    assert described()["Description"] == "nodes"
    with refused("InvalidPermission.Duplicate"):
        world.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=permission("other words"))
    world.ec2.update_security_group_rule_descriptions_ingress(GroupId=first, IpPermissions=permission("again"))
    assert described()["Description"] == "again"
    world.ec2.modify_security_group_rules(
        GroupId=first,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": identifier,
                "SecurityGroupRule": {"IpProtocol": "-1", "ReferencedGroupId": first, "Description": "self"},
            }
        ],
    )
    assert described()["ReferencedGroupInfo"]["GroupId"] == first
    assert (described()["IpProtocol"], described()["Description"]) == ("-1", "self")
    for group in (first, second):
        world.ec2.delete_security_group(GroupId=group)


def test_what_is_in_use_stays(world: World) -> None:
    ec2 = world.ec2
    subnet = world.subnets[0]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    assert gateway["NatGatewayAddresses"][0]["PrivateIp"].startswith("10.0.1.")
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    assert ec2.describe_addresses_attribute(AllocationIds=[address], Attribute="domain-name")["Addresses"]
    interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])
    assert interfaces["NetworkInterfaces"] == []
    ec2.release_address(AllocationId=address)
    with refused("NatGatewayNotFound"):
        ec2.delete_nat_gateway(NatGatewayId="nat-00000000000000000")
    used, user = (
        ec2.create_security_group(GroupName=unique("sg"), Description="d", VpcId=world.vpc)["GroupId"] for _ in range(2)
    )
    ec2.authorize_security_group_ingress(
        GroupId=user, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": used}]}]
    )
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=used)
    for group in (user, used):
        ec2.delete_security_group(GroupId=group)


def test_managed_policies_are_there(world: World) -> None:
    for name in (
        "AmazonEKSClusterPolicy",
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
        "service-role/AmazonEBSCSIDriverPolicy",
    ):
        arn = f"arn:aws:iam::aws:policy/{name}"
        assert world.iam.get_policy(PolicyArn=arn)["Policy"]["Arn"] == arn


def test_log_groups_answer_their_class(world: World) -> None:
    logs, name = client(world.url, "logs"), unique("group")
    logs.create_log_group(logGroupName=name, tags={"a": "b"})
    found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
    assert found["logGroupClass"] == "STANDARD"
    assert logs.list_tags_for_resource(resourceArn=found["logGroupArn"])["tags"] == {"a": "b"}
