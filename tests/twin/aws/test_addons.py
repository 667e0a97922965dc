"""Add-ons and their catalogue."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.twin.aws.support import World, refused, unique, wait

AGENT = "eks-pod-identity-agent"


@pytest.fixture(scope="module")
def home(world: World) -> str:
    """A cluster for this module's add-ons."""
    return world.cluster()


def test_life_of_an_addon(world: World, home: str) -> None:
    configuration = json.dumps({"agent": {"additionalArgs": {"-b": "169.254.170.23"}}})
    created = world.eks.create_addon(clusterName=home, addonName=AGENT, configurationValues=configuration)["addon"]
    assert created["status"] == "CREATING"
    wait(world.eks, "addon_active", clusterName=home, addonName=AGENT)
    with refused("ResourceInUseException", "Addon already exists."):
        world.eks.create_addon(clusterName=home, addonName=AGENT)
    versions = world.eks.describe_addon_versions(addonName=AGENT, kubernetesVersion="1.36")["addons"][0]
    other = next(
        item["addonVersion"] for item in versions["addonVersions"] if item["addonVersion"] != created["addonVersion"]
    )
    update = world.eks.update_addon(clusterName=home, addonName=AGENT, addonVersion=other, resolveConflicts="PRESERVE")[
        "update"
    ]
    assert update["type"] == "AddonUpdate"
    world.update_succeeds(home, update, addonName=AGENT)
    found = world.eks.describe_addon(clusterName=home, addonName=AGENT)["addon"]
    assert found["addonVersion"] == other
    assert found["configurationValues"] == configuration
    assert world.eks.list_updates(name=home, addonName=AGENT)["updateIds"] == [update["id"]]
    update = world.eks.update_addon(clusterName=home, addonName=AGENT, resolveConflicts="OVERWRITE")["update"]
    world.update_succeeds(home, update, addonName=AGENT)
    assert "configurationValues" not in world.eks.describe_addon(clusterName=home, addonName=AGENT)["addon"]
    assert AGENT in world.eks.list_addons(clusterName=home)["addons"]
    assert world.eks.delete_addon(clusterName=home, addonName=AGENT)["addon"]["status"] == "DELETING"
    wait(world.eks, "addon_deleted", clusterName=home, addonName=AGENT)
    with refused("ResourceNotFoundException", f"No addon: {AGENT} found in cluster: {home}"):
        world.eks.describe_addon(clusterName=home, addonName=AGENT)


def test_bad_addons_are_refused(world: World, home: str) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"addonName": "nothing"}, "Addon specified is not supported"),
        ({"addonVersion": "v0.0.1-eksbuild.1"}, "Addon version specified is not supported"),
        ({"configurationValues": '{"nonsense": 1}'}, "Json schema validation failed"),
        ({"configurationValues": "{"}, "not valid JSON or YAML"),
        ({"podIdentityAssociations": [{"serviceAccount": "x", "roleArn": world.pod_role}]}, "service account x"),
        ({"serviceAccountRoleArn": "arn:aws:iam::123456789012:role/none"}, "does not exist"),
    ]
    for change, message in cases:
        with refused("InvalidParameterException", message):
            world.eks.create_addon(**{"clusterName": home, "addonName": AGENT, **change})


def test_an_addon_owns_its_associations(world: World, home: str) -> None:
    name, account = "aws-ebs-csi-driver", "ebs-csi-controller-sa"
    wanted = [{"serviceAccount": account, "roleArn": world.pod_role}]
    addon = world.eks.create_addon(clusterName=home, addonName=name, podIdentityAssociations=wanted)["addon"]
    wait(world.eks, "addon_active", clusterName=home, addonName=name)
    (arn,) = addon["podIdentityAssociations"]
    identifier = arn.rpartition("/")[2]

    def owned() -> list[dict[str, str]]:
        return world.eks.list_pod_identity_associations(clusterName=home, serviceAccount=account)["associations"]

    assert owned()[0]["ownerArn"] == addon["addonArn"]
    assert owned()[0]["namespace"] == "kube-system"
    for change in (world.eks.delete_pod_identity_association, world.eks.update_pod_identity_association):
        with refused("InvalidRequestException", "owned by"):
            change(clusterName=home, associationId=identifier)
    other = world.role("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    update = world.eks.update_addon(
        clusterName=home, addonName=name, podIdentityAssociations=[{"serviceAccount": account, "roleArn": other}]
    )["update"]
    world.update_succeeds(home, update, addonName=name)
    changed = world.eks.describe_pod_identity_association(clusterName=home, associationId=owned()[0]["associationId"])
    assert changed["association"]["roleArn"] == other
    update = world.eks.update_addon(clusterName=home, addonName=name, podIdentityAssociations=[])["update"]
    world.update_succeeds(home, update, addonName=name)
    assert owned() == []


def test_a_refused_association_leaves_the_addon_as_it_was(world: World, home: str) -> None:
    name, account = "aws-efs-csi-driver", "efs-csi-controller-sa"
    taken = world.eks.create_pod_identity_association(
        clusterName=home, namespace="kube-system", serviceAccount=account, roleArn=world.pod_role
    )["association"]["associationId"]
    with refused("ResourceInUseException", f"Association already exists: {taken}"):
        world.eks.create_addon(
            clusterName=home,
            addonName=name,
            podIdentityAssociations=[{"serviceAccount": account, "roleArn": world.pod_role}],
        )
    assert name not in world.eks.list_addons(clusterName=home)["addons"]


def test_preserve_keeps_the_associations(world: World, home: str) -> None:
    name, account = "external-dns", "external-dns"
    wanted = [{"serviceAccount": account, "roleArn": world.pod_role}]
    world.eks.create_addon(clusterName=home, addonName=name, podIdentityAssociations=wanted)
    wait(world.eks, "addon_active", clusterName=home, addonName=name)
    world.eks.delete_addon(clusterName=home, addonName=name, preserve=True)
    wait(world.eks, "addon_deleted", clusterName=home, addonName=name)
    left = world.eks.list_pod_identity_associations(clusterName=home, namespace="external-dns")["associations"]
    assert len(left) == 1
    assert "ownerArn" not in left[0]


def test_the_catalogue(world: World) -> None:
    addons = {
        addon["addonName"]: addon
        for page in world.eks.get_paginator("describe_addon_versions").paginate(PaginationConfig={"PageSize": 5})
        for addon in page["addons"]
    }
    assert {AGENT, "vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "metrics-server"} <= set(addons)
    for kubernetes in ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36"):
        for name, addon in addons.items():
            defaults = [
                version["addonVersion"]
                for version in addon["addonVersions"]
                for match in version["compatibilities"]
                if match["clusterVersion"] == kubernetes and match["defaultVersion"]
            ]
            assert len(defaults) == 1, (name, kubernetes)
    storage = world.eks.describe_addon_versions(types=["storage"])["addons"]
    assert {addon["type"] for addon in storage} == {"storage"}
    assert world.eks.describe_addon_versions(owners=["aws-marketplace"])["addons"] == []


def test_every_configuration_schema_is_one(world: World) -> None:
    for addon in world.eks.describe_addon_versions()["addons"]:
        for version in addon["addonVersions"]:
            found = world.eks.describe_addon_configuration(
                addonName=addon["addonName"], addonVersion=version["addonVersion"]
            )
            jsonschema.Draft6Validator.check_schema(json.loads(found["configurationSchema"]))
    version = world.eks.describe_addon_versions(addonName="vpc-cni")["addons"][0]["addonVersions"][0]["addonVersion"]
    cni = world.eks.describe_addon_configuration(addonName="vpc-cni", addonVersion=version)
    assert cni["podIdentityConfiguration"][0]["serviceAccount"] == "aws-node"
    with refused("ResourceNotFoundException"):
        world.eks.describe_addon_configuration(addonName=AGENT, addonVersion=unique("v"))
