import json
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import InvalidArgs, PodIdentityAssociation
from tests.unit.conftest import ACCOUNT, Deploy

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eks-pod-s3-readonly-access"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        resolved = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {
            "cluster_name": "demo",
            "namespace": "demo-ns",
            "service_account": "demo-sa",
            "role_arn": ROLE,
            **resolved,
        }
        association = PodIdentityAssociation("a", merged)
        return {
            "id": association.association_id,
            "arn": association.association_arn,
            "external_id": association.external_id,
        }

    return run


def test_the_association_of_the_blog(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    association = made.only(ASSOCIATION)
    assert association.inputs["clusterName"] == "demo"
    assert association.inputs["namespace"] == "demo-ns"
    assert association.inputs["serviceAccount"] == "demo-sa"
    assert association.inputs["roleArn"] == ROLE
    assert association.delete_before_replace
    if preview:
        assert isinstance(made.outputs["id"], Unknown)
    else:
        assert made.outputs["id"] == "a-0123456789abcdefg"
        assert made.outputs["external_id"] == ""


def test_target_role_and_session_policy(deploy: Deploy, preview: bool) -> None:
    target = "arn:aws:iam::210987654321:role/other/reader"
    args = {"target_role_arn": target, "disable_session_tags": True, "session_policy": POLICY}
    inputs = deploy(program(**args), preview=preview).only(ASSOCIATION).inputs
    assert inputs["targetRoleArn"] == target
    assert inputs["disableSessionTags"] is True
    assert inputs["policy"] == POLICY


def test_an_unknown_role_is_no_error(deploy: Deploy) -> None:
    made = deploy(program(role_arn=lambda: pulumi.Output.from_input(Unknown())), preview=True)
    assert isinstance(made.only(ASSOCIATION).inputs["roleArn"], Unknown)


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"namespace": "Demo", "service_account": "demo_sa"}, {"namespace", "service_account"}),
        ({"role_arn": "eks-pod-s3-readonly-access"}, {"role_arn"}),
        ({"session_policy": POLICY}, {"session_policy"}),
        ({"session_policy": "{", "disable_session_tags": True}, {"session_policy"}),
        ({"session_policy": POLICY[:-2] + " " * 2048 + "]}", "disable_session_tags": True}, {"session_policy"}),
        ({"namespace": lambda: pulumi.Output.from_input("-"), "role_arn": lambda: pulumi.Output.from_input(Unknown())}, {"namespace"}),
        ({"tags": {"aws:x": "1", "ok": "2"}}, {"tags.aws:x"}),
    ],
)  # fmt: skip
def test_what_eks_or_kubernetes_would_refuse(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties
