from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import InvalidArgs
from components.addon import EksAddon
from tests.unit.conftest import ACCOUNT, Deploy

ADDON = "aws:eks/addon:Addon"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ebs"


async def _later(value: Any) -> Any:
    return value


def unknown() -> pulumi.Output[Any]:
    return pulumi.Output(set(), _later(Unknown()), _later(False))


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        given = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {"cluster_name": "demo", "addon_name": "aws-ebs-csi-driver", **given}
        addon = EksAddon("ebs", merged)
        return {"ready": addon.ready, "version": addon.addon_version, "arn": addon.addon_arn, "allowed": addon.allowed}

    return run


def test_an_add_on_with_its_defaults(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    addon = made.only(ADDON)
    assert addon.name == "ebs-addon"
    assert (addon.inputs["clusterName"], addon.inputs["addonName"]) == ("demo", "aws-ebs-csi-driver")
    assert not {"addonVersion", "configurationValues", "podIdentityAssociations"} & set(addon.inputs)
    assert addon.inputs["resolveConflictsOnCreate"] == addon.inputs["resolveConflictsOnUpdate"] == "NONE"
    assert isinstance(made.outputs["ready"], Unknown) if preview else made.outputs["ready"] == "demo"


def test_its_service_accounts_have_roles(deploy: Deploy, preview: bool) -> None:
    roles = {"node": ROLE, "controller": ROLE + "-2"}
    addon = deploy(program(pod_identity_associations=roles), preview=preview).only(ADDON).inputs
    assert addon["podIdentityAssociations"] == [
        {"serviceAccount": "controller", "roleArn": ROLE + "-2"},
        {"serviceAccount": "node", "roleArn": ROLE},
    ]


def test_a_role_that_is_yet_to_come_leaves_the_others_known(deploy: Deploy) -> None:
    roles = lambda: {"controller": unknown(), "node": ROLE}  # noqa: E731
    addon = deploy(program(pod_identity_associations=roles), preview=True).only(ADDON).inputs
    controller, node = addon["podIdentityAssociations"]
    assert isinstance(controller["roleArn"], Unknown)
    assert node == {"serviceAccount": "node", "roleArn": ROLE}


@pytest.mark.parametrize(("asked", "made"), [("v1.64.0-eksbuild.1",) * 2, ("latest", "v9.9.9-eksbuild.9")])
def test_versions(deploy: Deploy, preview: bool, asked: str, made: str) -> None:
    assert deploy(program(addon_version=asked), preview=preview).only(ADDON).inputs["addonVersion"] == made


def test_configuration_conflicts_and_tags(deploy: Deploy, preview: bool) -> None:
    args: Any = {"configuration": {"b": 1, "a": {"c": True}}, "overwrite": True, "preserve": True, "tags": {"x": "y"}}
    addon = deploy(program(**args), preview=preview).only(ADDON).inputs
    assert addon["configurationValues"] == '{"a":{"c":true},"b":1}'
    assert addon["resolveConflictsOnCreate"] == addon["resolveConflictsOnUpdate"] == "OVERWRITE"
    assert (addon["preserve"], addon["tags"]) == (True, {"x": "y"})


IRSA = {"sa": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"cluster_name": "no cluster"}, {"cluster_name"}),
        ({"addon_name": "ebs csi"}, {"addon_name"}),
        ({"addon_version": "newest"}, {"addon_version"}),
        ({"addon_version": 1.3}, {"addon_version"}),
        ({"overwrite": "yes", "preserve": 1}, {"overwrite", "preserve"}),
        ({"pod_identity_associations": [ROLE]}, {"pod_identity_associations"}),
        ({"pod_identity_associations": {"Node!": ROLE}}, {"pod_identity_associations.Node!"}),
        ({"pod_identity_associations": {"node": "ebs"}}, {"pod_identity_associations.node"}),
        ({"pod_identity_associations": {"node": lambda: 0}}, {"pod_identity_associations.node"}),
        ({"configuration": IRSA}, {"configuration.sa.annotations.eks.amazonaws.com/role-arn"}),
        ({"tags": {"aws:x": "y"}}, {"tags.aws:x"}),
    ],
)
def test_what_cannot_work_is_refused(deploy: Deploy, preview: bool, args: Any, expected: set[str]) -> None:
    def run() -> Any:
        roles = args.get("pod_identity_associations")
        later = isinstance(roles, dict) and callable(roles.get("node"))
        given = {"pod_identity_associations": {"node": pulumi.Output.from_input("ebs")}} if later else args
        return program(**given)()

    with pytest.raises(InvalidArgs) as refused:
        deploy(run, preview=preview)
    assert {finding.property for finding in refused.value.findings} == expected


def test_an_exception_has_a_reason(deploy: Deploy) -> None:
    allow = {"irsa-left-over": "until the last pod is restarted"}
    made = deploy(program(configuration=IRSA, allow=allow))
    assert made.only(ADDON)
    assert made.outputs["allowed"] == allow
