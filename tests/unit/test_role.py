import json
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import InvalidArgs, PodIdentityRole, documents
from tests.unit.conftest import ACCOUNT, Deploy

CLUSTER = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
LIST = [{"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": "*"}]


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        resolved = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {"cluster_arns": [CLUSTER], **resolved}
        role = PodIdentityRole("r", merged)
        return {
            "arn": role.role_arn,
            "resolved": role.resolved_role_arn,
            "trust": role.trust_policy,
            "policy": role.policy_arn,
            "role_name": role.resolved_role.name,
        }

    return run


def test_trust_and_permissions(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(statements=LIST, role_name="eks-pod", policy_name="eks-pod-policy"), preview=preview)
    role, policy = made.only(ROLE).inputs, made.only(POLICY).inputs
    assert json.loads(role["assumeRolePolicy"]) == documents.trust([CLUSTER])
    assert role["name"] == "eks-pod"
    assert json.loads(policy["policy"]) == documents.permissions(LIST)
    assert policy["name"] == "eks-pod-policy"
    assert [attachment.name for attachment in made.of_type(ATTACHMENT)] == ["r-policy"]


def test_outputs_of_an_update(deploy: Deploy) -> None:
    made = deploy(program(statements=LIST, role_name="eks-pod", path="/demo/"))
    assert made.outputs["arn"] == made.outputs["resolved"] == f"arn:aws:iam::{ACCOUNT}:role/demo/eks-pod"
    assert made.outputs["role_name"] == "eks-pod"


def test_the_trust_can_be_read_in_a_preview(deploy: Deploy) -> None:
    made = deploy(program(statements=LIST), preview=True)
    assert json.loads(made.outputs["trust"]) == documents.trust([CLUSTER])
    assert isinstance(made.outputs["arn"], Unknown)


def test_the_trust_of_an_unknown_cluster_is_unknown(deploy: Deploy) -> None:
    made = deploy(program(cluster_arns=lambda: [pulumi.Output.from_input(Unknown())]), preview=True)
    assert isinstance(made.only(ROLE).inputs["assumeRolePolicy"], Unknown)


def test_further_policies_are_keyed_by_name(deploy: Deploy, preview: bool) -> None:
    arns = {
        "logs": "arn:aws:iam::aws:policy/CloudWatchLogsReadOnlyAccess",
        "a": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    }
    made = deploy(program(managed_policy_arns=arns), preview=preview)
    assert {a.name: a.inputs["policyArn"] for a in made.of_type(ATTACHMENT)} == {
        "r-logs": arns["logs"],
        "r-a": arns["a"],
    }
    assert not made.of_type(POLICY)


def test_who_takes_the_resolved_role_waits_for_its_policies(deploy: Deploy) -> None:
    def run() -> Any:
        role = PodIdentityRole("r", {"cluster_arns": [CLUSTER], "statements": LIST})
        pulumi.ComponentResource("test:index:Pod", "pod", {"role": role.resolved_role_arn})
        pulumi.ComponentResource("test:index:Pod", "early", {"role": role.role_arn})
        return {}

    made = deploy(run)
    attachment = made.only(ATTACHMENT)
    assert made.waits_for(made.resources["test:index:Pod", "pod"], attachment)
    assert not made.waits_for(made.resources["test:index:Pod", "early"], attachment)


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"role_name": "a b", "path": "demo"}, {"role_name", "path"}),
        ({"cluster_arns": []}, {"cluster_arns"}),
        ({"cluster_arns": [CLUSTER.replace("cluster/", "podidentityassociation/")]}, {"cluster_arns[0]"}),
        ({"max_session_duration": 60, "permissions_boundary": "boundary"}, {"max_session_duration", "permissions_boundary"}),
        ({"namespaces": ["demo"], "disable_session_tags": True}, {"namespaces"}),
        ({"statements": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": []}]}, {"statements[0].Resource"}),
        ({"statements": [{"effect": "Allow", "Action": "s3:*", "Resource": "*"}]}, {"statements[0].effect", "statements[0].Effect"}),
        ({"statements": [{**LIST[0], "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{'b' * 60}{i}/*" for i in range(90)]}]}, {"statements"}),
        ({"cluster_arns": [f"{CLUSTER}{'x' * 60}{i}" for i in range(20)]}, {"cluster_arns"}),
        ({"role_name": lambda: pulumi.Output.from_input("a b")}, {"role_name"}),
    ],
)  # fmt: skip
def test_what_iam_would_refuse(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties
