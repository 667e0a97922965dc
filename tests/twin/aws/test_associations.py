"""Pod identity associations: all operations and members."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.twin.aws.support import ACCOUNT, REGION, World, refused, trust, unique

POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
)


@pytest.fixture(scope="module")
def home(world: World) -> str:
    """A cluster with nothing but this module's associations."""
    return world.cluster()


def associate(world: World, home: str, **arguments: Any) -> dict[str, Any]:
    request = {
        "clusterName": home,
        "namespace": "demo-ns",
        "serviceAccount": unique("sa"),
        "roleArn": world.pod_role,
        **arguments,
    }
    return world.eks.create_pod_identity_association(**request)["association"]


def test_life_of_an_association(world: World, home: str) -> None:
    made = associate(world, home, tags={"a": "b"})
    identifier = made["associationId"]
    assert identifier.startswith("a-")
    assert len(identifier) == 19
    assert made["associationArn"] == f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/{home}/{identifier}"
    assert made["disableSessionTags"] is False
    assert "ownerArn" not in made
    found = world.eks.describe_pod_identity_association(clusterName=home, associationId=identifier)["association"]
    assert found == made
    with refused("ResourceInUseException", f"Association already exists: {identifier}"):
        associate(world, home, serviceAccount=made["serviceAccount"])
    role = world.role("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    changed = world.eks.update_pod_identity_association(clusterName=home, associationId=identifier, roleArn=role)
    assert changed["association"]["roleArn"] == role
    assert changed["association"]["modifiedAt"] >= made["modifiedAt"]
    assert changed["association"]["createdAt"] == made["createdAt"]
    gone = world.eks.delete_pod_identity_association(clusterName=home, associationId=identifier)["association"]
    assert gone["associationId"] == identifier
    with refused("ResourceNotFoundException", identifier):
        world.eks.describe_pod_identity_association(clusterName=home, associationId=identifier)
    assert associate(world, home, serviceAccount=made["serviceAccount"])["associationId"] != identifier


def test_target_role_and_external_id(world: World, home: str) -> None:
    target = "arn:aws:iam::999999999999:role/other"
    made = associate(world, home, targetRoleArn=target, disableSessionTags=True)
    account = made["serviceAccount"]
    assert made["targetRoleArn"] == target
    assert made["externalId"] == f"{REGION}/{ACCOUNT}/{home}/demo-ns/{account}"

    def update(**change: Any) -> dict[str, Any]:
        return world.eks.update_pod_identity_association(
            clusterName=home, associationId=made["associationId"], **change
        )["association"]

    assert "externalId" not in update(disableSessionTags=False)
    cleared = update(targetRoleArn="")
    assert "targetRoleArn" not in cleared


def test_session_policy(world: World, home: str) -> None:
    with refused("InvalidParameterException", "disableSessionTags must be true"):
        associate(world, home, policy=POLICY)
    with refused("InvalidParameterException", "2048"):
        associate(world, home, policy=POLICY + " " * 2048, disableSessionTags=True)
    with refused("InvalidParameterException", "JSON"):
        associate(world, home, policy="{", disableSessionTags=True)
    made = associate(world, home, policy=POLICY, disableSessionTags=True)
    assert made["policy"] == POLICY
    with refused("InvalidParameterException", "disableSessionTags must be true"):
        world.eks.update_pod_identity_association(
            clusterName=home, associationId=made["associationId"], disableSessionTags=False
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"namespace": "Bad_Name"}, "namespace"),
        ({"namespace": "a" * 64}, "namespace"),
        ({"serviceAccount": "-x"}, "service account"),
        ({"serviceAccount": "a" * 254}, "service account"),
        ({"roleArn": "nonsense"}, "roleArn"),
        ({"roleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "does not exist"),
        ({"roleArn": "arn:aws:iam::999999999999:role/other"}, "same account"),
        ({"targetRoleArn": "nonsense"}, "targetRoleArn"),
        ({"tags": {"aws:x": "y"}}, "aws: prefixed"),
    ],
)
def test_bad_associations_are_refused(world: World, home: str, change: dict[str, Any], message: str) -> None:
    with refused("InvalidParameterException", message):
        associate(world, home, **change)


def test_trust_is_looked_at(world: World, home: str) -> None:
    invalid = "Trust policy of the role provided is invalid"
    with refused("InvalidParameterException", invalid):
        associate(world, home, roleArn=world.node_role)
    untagged = world.role("pods.eks.amazonaws.com", "sts:AssumeRole")
    with refused("InvalidParameterException", invalid):
        associate(world, home, roleArn=untagged)
    assert associate(world, home, roleArn=untagged, disableSessionTags=True)
    name = unique("late")
    arn = world.iam.create_role(RoleName=name, Path="/a/b/", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))[
        "Role"
    ]["Arn"]
    with refused("InvalidParameterException", invalid):
        associate(world, home, roleArn=arn)
    trusted = trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusted)
    assert associate(world, home, roleArn=arn)["roleArn"] == arn


def test_lists_filters_and_pages(world: World) -> None:
    home = world.cluster()
    for namespace in ("one", "two"):
        for number in range(5):
            associate(world, home, namespace=namespace, serviceAccount=f"sa-{number}")

    def found(**filters: Any) -> set[tuple[str, str]]:
        pages = world.eks.get_paginator("list_pod_identity_associations").paginate(
            clusterName=home, PaginationConfig={"PageSize": 3}, **filters
        )
        listed = [item for page in pages for item in page["associations"]]
        assert len({item["associationId"] for item in listed}) == len(listed)
        assert all("roleArn" not in item for item in listed)
        return {(item["namespace"], item["serviceAccount"]) for item in listed}

    assert len(found()) == 10
    assert found(namespace="one") == {("one", f"sa-{number}") for number in range(5)}
    assert found(serviceAccount="sa-3") == {("one", "sa-3"), ("two", "sa-3")}
    assert found(namespace="two", serviceAccount="sa-0") == {("two", "sa-0")}
    assert found(namespace="none") == set()
    with refused("InvalidParameterException", "nextToken"):
        world.eks.list_pod_identity_associations(clusterName=home, nextToken="!")
    with refused("ResourceNotFoundException"):
        world.eks.list_pod_identity_associations(clusterName="nothing")


def test_a_token_makes_it_once_and_again_after_it_is_gone(world: World, home: str) -> None:
    arguments = {"serviceAccount": unique("sa"), "clientRequestToken": unique("token")}
    first = associate(world, home, **arguments)
    assert associate(world, home, **arguments)["associationId"] == first["associationId"]
    with refused("InvalidParameterException", "token"):
        associate(world, home, **{**arguments, "disableSessionTags": True})
    world.eks.delete_pod_identity_association(clusterName=home, associationId=first["associationId"])
    assert associate(world, home, **arguments)["associationId"] != first["associationId"]


def test_the_cap_of_5000(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process and without HTTP: five thousand calls would take half a minute."""
    from contextlib import nullcontext

    from local.aws.eks import associations
    from local.aws.eks.service import EksService
    from local.aws.eks.store import Cluster
    from local.aws.front import Request

    monkeypatch.setattr(associations, "_check_role", lambda *_: None)
    service = EksService(ACCOUNT, lambda _: nullcontext(), 0.0)
    region = service.store.region(ACCOUNT, REGION)
    region.clusters["full"] = Cluster({"name": "full", "arn": "arn", "status": "ACTIVE"}, creator="me")

    def create(number: int) -> tuple[int, dict[str, Any]]:
        body = {"namespace": "ns", "serviceAccount": f"sa-{number}", "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}
        path = "/clusters/full/pod-identity-associations"
        reply = service.handle(Request("POST", path, "", {}, json.dumps(body).encode(), "", REGION, ""))
        return reply.status, json.loads(reply.body)

    assert associations.LIMIT_PER_CLUSTER == 5_000
    assert all(create(number)[0] == 200 for number in range(5_000))
    status, error = create(5_000)
    assert (status, error["__type"]) == (400, "ResourceLimitExceededException")


def test_tags_on_every_kind_of_resource(world: World, home: str) -> None:
    world.eks.create_addon(clusterName=home, addonName="metrics-server")
    role = world.role("ec2.amazonaws.com")
    arns = [
        world.eks.describe_cluster(name=home)["cluster"]["arn"],
        associate(world, home)["associationArn"],
        world.eks.describe_addon(clusterName=home, addonName="metrics-server")["addon"]["addonArn"],
        world.eks.create_access_entry(clusterName=home, principalArn=role)["accessEntry"]["accessEntryArn"],
        world.eks.describe_nodegroup(clusterName=home, nodegroupName=world.nodegroup(home))["nodegroup"][
            "nodegroupArn"
        ],
    ]
    for arn in arns:
        world.eks.tag_resource(resourceArn=arn, tags={"x": "1", "y": "2"})
        world.eks.untag_resource(resourceArn=arn, tagKeys=["x"])
        assert world.eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"y": "2"}
        with refused("BadRequestException", "aws: prefixed"):
            world.eks.tag_resource(resourceArn=arn, tags={"aws:x": "1"})
        with refused("BadRequestException", "50"):
            world.eks.tag_resource(resourceArn=arn, tags={f"key-{number}": "" for number in range(50)})
    with refused("NotFoundException"):
        world.eks.list_tags_for_resource(resourceArn=arns[1][:-3] + "zzz")
    with refused("BadRequestException"):
        world.eks.list_tags_for_resource(resourceArn="nonsense")


def test_insights_are_empty_and_checked(world: World, home: str) -> None:
    assert world.eks.list_insights(clusterName=home)["insights"] == []
    with refused("ResourceNotFoundException"):
        world.eks.describe_insight(clusterName=home, id="x")
    with refused("ResourceNotFoundException"):
        world.eks.list_insights(clusterName="nothing")


def test_every_pod_token_is_refused_without_an_api_server(world: World, home: str) -> None:
    from tests.twin.aws.support import client

    auth = client(world.url, "eks-auth")
    with refused("InvalidTokenException", "token included in the request is invalid"):
        auth.assume_role_for_pod_identity(clusterName=home, token="a.b.c")
    with refused("ResourceNotFoundException"):
        auth.assume_role_for_pod_identity(clusterName="nothing", token="a.b.c")
    with refused("InvalidParameterException", "pattern"):
        auth.assume_role_for_pod_identity(clusterName=home, token="not a token")
