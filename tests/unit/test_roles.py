"""The roles of workloads: shared by several, adopted as they stand, and within what IAM takes."""

import json
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import _workloads, documents, presets
from tests.unit.conftest import ACCOUNT, Deploy, Deployment
from tests.unit.presets.scopes import scopes
from tests.unit.test_pod_identities import (
    ASSOCIATION,
    ATTACHMENT,
    IAM_ROLE,
    POLICY,
    SERVICE_ACCOUNT,
    arn,
    names,
    program,
    refused,
    unknown,
)
from tests.unit.test_pod_identities import single as single_program
from tests.unit.test_workloads import Later, found, of_one

INLINE = "aws:iam/rolePolicy:RolePolicy"
TARGET, OTHER = (f"arn:aws:iam::{account}:role/data" for account in ("444455556666", "777788889999"))
READ = [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::data/*"}]
MANAGED = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

IMAGES = {"namespace": "flux-system", "service_account": "image-reflector-controller", "statements": READ}
SOURCES = {"namespace": "flux-system", "service_account": "source-controller", "role_of": "images"}
OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ],
}
"""The trust policy of AWS's documentation, without a condition."""
AS_IT_STOOD = {"trust-unscoped": "adopted as it stood"}


def trust_of(made: Deployment) -> Any:
    return json.loads(made.only(IAM_ROLE).inputs["assumeRolePolicy"])


def test_a_role_is_shared(deploy: Deploy, preview: bool) -> None:
    made = deploy(program({"images": IMAGES, "sources": SOURCES}), preview=preview)
    assert made.only(IAM_ROLE).name == "many-images-role"
    assert trust_of(made) == documents.trust(
        [arn("prod-cluster")],
        namespaces=["flux-system"],
        service_accounts=["image-reflector-controller", "source-controller"],
    )
    assert names(made, ASSOCIATION) == {"many-images-prod-association", "many-sources-prod-association"}
    for association in made.of_type(ASSOCIATION):
        assert made.waits_for(association, made.only(ATTACHMENT))
        if not preview:
            assert association.inputs["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/many-images-role"
    if not preview:
        assert made.outputs["roles"]["images"] == made.outputs["roles"]["sources"]
        assert made.outputs["ready"] == {
            "images/prod": "image-reflector-controller",
            "sources/prod": "source-controller",
        }


def test_just_those_who_share_it_are_trusted(deploy: Deploy, preview: bool) -> None:
    workloads = {
        "z": {**IMAGES, "clusters": ["prod"]},
        "a": {"namespace": "other", "service_account": "app", "role_of": "z", "clusters": ["test", "prod"]},
    }
    made = deploy(program(workloads, ("prod", "test")), preview=preview)
    prod, test = (arn(f"{cluster}-cluster") for cluster in ("prod", "test"))
    assert trust_of(made) == documents.shared_trust(
        [
            documents.Subject(prod, "flux-system", "image-reflector-controller"),
            documents.Subject(prod, "other", "app"),
            documents.Subject(test, "other", "app"),
        ]
    )
    assert len(trust_of(made)["Statement"]) == 2


def test_without_session_tags_it_is_trusted_for_the_clusters(deploy: Deploy, preview: bool) -> None:
    workloads = {
        "images": {**IMAGES, "clusters": ["prod"]},
        "sources": {**SOURCES, "clusters": ["test"]},
    }
    run = program(workloads, ("prod", "test"), defaults={"disable_session_tags": True})
    assert trust_of(deploy(run, preview=preview)) == documents.trust([arn("prod-cluster"), arn("test-cluster")])


def test_a_preset_is_built_for_all_clusters_of_those_who_share_the_role(deploy: Deploy, preview: bool) -> None:
    workloads = {
        "scaler": {"preset": "cluster-autoscaler", "clusters": ["prod"]},
        "second": {"namespace": "a", "service_account": "b", "role_of": "scaler", "clusters": ["test"]},
    }
    made = deploy(program(workloads, ("prod", "test")), preview=preview)
    text = "".join(policy.inputs["policy"] for policy in made.of_type(POLICY))
    assert "prod-cluster" in text
    assert "test-cluster" in text


def test_the_target_roles_of_all_who_share_it(deploy: Deploy, preview: bool) -> None:
    workloads = {
        "images": IMAGES,
        "sources": {**SOURCES, "target_role_arn": TARGET},
        "third": {**SOURCES, "service_account": "third", "target_role_arn": OTHER},
    }
    made = deploy(program(workloads), preview=preview)
    policies = {policy.name: json.loads(policy.inputs["policy"])["Statement"] for policy in made.of_type(POLICY)}
    assert policies["many-images-target-role"] == documents.chaining([TARGET, OTHER])
    if not preview:
        assert set(made.outputs["targets"]) == {"sources", "third"}
        for trust in made.outputs["targets"].values():
            assert json.loads(trust)["Statement"][0]["Principal"] == {"AWS": made.outputs["roles"]["images"]}


def test_an_add_on_has_a_share(deploy: Deploy, preview: bool) -> None:
    workloads = {
        "controller": {"preset": "efs-csi", "scope": scopes()["efs-csi"], "addon": "aws-efs-csi-driver"},
        "node": {
            "namespace": "kube-system",
            "service_account": "efs-csi-node-sa",
            "addon": "aws-efs-csi-driver",
            "role_of": "controller",
        },
    }
    made = deploy(program(workloads), preview=preview)
    assert not made.of_type(ASSOCIATION)
    assert trust_of(made)["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == [
        "efs-csi-controller-sa",
        "efs-csi-node-sa",
    ]
    if not preview:
        assert set(made.outputs["roles"]) == {"controller", "node"}


def test_the_order_of_those_who_share_it_changes_nothing(deploy: Deploy) -> None:
    workloads = {
        "images": IMAGES,
        **{f"w{n}": {"namespace": f"n{n % 2}", "service_account": f"s{n % 3}", "role_of": "images"} for n in range(5)},
    }
    one = deploy(program(workloads))
    other = deploy(program(dict(reversed(workloads.items()))))
    assert one.resources == other.resources


def test_a_trust_policy_that_is_too_long_is_said_at_preview(deploy: Deploy, preview: bool) -> None:
    others = {f"w{n}": {"namespace": f"n{n}", "service_account": f"s{n}", "role_of": "images"} for n in range(6)}
    with pytest.raises(Exception, match="Make another role for some of the 7 workloads") as raised:
        deploy(program({"images": IMAGES, **others}), preview=preview)
    assert "workloads.images.clusters" in str(raised.value)


OWNER = {"namespace": "a", "service_account": "a", "statements": READ}
SHARE = {"namespace": "b", "service_account": "b", "role_of": "a"}


@pytest.mark.parametrize(
    ("owner", "share", "expected"),
    [
        ({}, {}, set()),
        ({"addon": "some-addon"}, {}, set()),
        ({}, {"addon": "some-addon"}, set()),
        ({}, {"target_role_arn": TARGET, "tags": {"x": "y"}, "former_name": "c"}, set()),
        ({"disable_session_tags": True}, {"disable_session_tags": True}, set()),
        ({}, {"role_of": "c"}, {("workload-role", "role_of")}),
        ({}, {"role_of": "b"}, {("workload-role", "role_of")}),
        ({}, {"role_of": ["a"]}, {("workload-role", "role_of")}),
        ({}, {"role_of": Later()}, {("workload-plain", "role_of")}),
        ({"statements": None, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/x"}, {}, {("workload-role", "role_of")}),
        ({}, {"disable_session_tags": True}, {("workload-role", "disable_session_tags")}),
        ({"disable_session_tags": True}, {}, {("workload-role", "disable_session_tags")}),
        ({"trust_policy": OPEN, "allow": AS_IT_STOOD}, {"disable_session_tags": True}, set()),
        ({"trust_policy": documents.trust([arn("prod")], namespaces=["a"])}, {"disable_session_tags": True}, {("trust-needs-session-tags", "trust_policy.Statement[0].Condition.aws:RequestTag/kubernetes-namespace")}),
        ({}, {"statements": READ}, {("workload-role", "statements")}),
        ({}, {"preset": "keda", "scope": {}}, {("workload-role", "preset"), ("workload-role", "scope")}),
        ({}, {"path": "/a/"}, {("workload-role", "path")}),
        ({}, {"description": "a"}, {("workload-role", "description")}),
        ({}, {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/x"}, {("workload-role", "role_of")}),
        ({}, {"trust_policy": OPEN, "inline_policies": {}, "create_target_policy": False}, {("workload-role", "trust_policy"), ("workload-role", "inline_policies"), ("workload-role", "create_target_policy")}),
    ],
)  # fmt: skip
def test_who_may_share_a_role(owner: Any, share: Any, expected: Any) -> None:
    workloads = {"a": {**OWNER, **owner}, "b": {**SHARE, **share}}
    assert {(rule, prop.split(".", 2)[2]) for rule, prop in found(workloads)} == expected


def test_a_share_of_a_share_is_none() -> None:
    workloads = {"a": OWNER, "b": SHARE, "c": {"namespace": "c", "service_account": "c", "role_of": "b"}}
    assert found(workloads) == {("workload-role", "workloads.c.role_of")}


def test_the_defaults_of_roles_are_not_for_those_that_share_one() -> None:
    defaults = {"statements": READ, "path": "/apps/", "trust_policy": OPEN, "role_name": "r", "allow": AS_IT_STOOD}
    assert found({"a": {"namespace": "a", "service_account": "a"}, "b": SHARE}, defaults) == set()
    # Nor is a share, by default, for who says where its permissions come from.
    assert found({"a": OWNER, "b": {"namespace": "b", "service_account": "b"}}, {"role_of": "a"}) == set()


def test_a_single_one_shares_with_nobody(deploy: Deploy, preview: bool) -> None:
    assert refused(deploy, single_program(role_of="a"), preview) == {("workload-field", "role_of")}


# Roles as they stand


@pytest.mark.parametrize("text", [False, True])
def test_a_trust_policy_is_taken_as_it_stands(deploy: Deploy, preview: bool, text: bool) -> None:
    given = json.dumps(OPEN, indent=2) if text else OPEN
    workload = {**OWNER, "trust_policy": given, "allow": AS_IT_STOOD}
    made = deploy(program({"a": workload, "b": SHARE}), preview=preview)
    sent = made.only(IAM_ROLE).inputs["assumeRolePolicy"]
    assert sent == given if text else json.loads(sent) == OPEN


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ({"trust_policy": OPEN}, {("trust-unscoped", "trust_policy.Statement[0].Condition")}),
        ({"trust_policy": OPEN, "allow": AS_IT_STOOD}, set()),
        ({"trust_policy": documents.trust([arn("prod")])}, set()),
        ({"trust_policy": Later()}, set()),
        ({"trust_policy": "{"}, {("document-json", "trust_policy")}),
        ({"trust_policy": documents.service_trust("ec2.amazonaws.com")}, {("association-trust", "trust_policy")}),
        ({"trust_policy": documents.trust([arn("prod")]), "organization_id": "o-a1b2c3d4e5"}, {("workload-role", "organization_id")}),
        ({"inline_policies": {"read": documents.permissions(READ)}}, set()),
        ({"inline_policies": {"read": json.dumps(documents.permissions(READ))}}, set()),
        ({"inline_policies": {"read": Later()}}, set()),
        ({"inline_policies": Later()}, {("workload-plain", "inline_policies")}),
        ({"inline_policies": [READ]}, {("inline_policies", "inline_policies")}),
        ({"inline_policies": {5: documents.permissions(READ)}}, {("inline_policies", "inline_policies.5")}),
        ({"inline_policies": {"a b": documents.permissions(READ)}}, {("iam-name", "inline_policies.a b")}),
        ({"inline_policies": {"w": documents.permissions([{**READ[0], "Action": ["s3:*"]}])}}, {("iam-service-wildcard", "inline_policies.w.Statement[0].Action[0]")}),
        ({"inline_policies": {n: documents.permissions([{**READ[0], "Resource": [f"arn:aws:s3:::{i:050}/*" for i in range(90)]}]) for n in "ab"}}, {("iam-inline-size", "inline_policies")}),
        ({"create_target_policy": "no"}, {("boolean", "create_target_policy")}),
    ],
)  # fmt: skip
def test_what_is_taken_as_it_stands_is_judged(workload: Any, expected: Any) -> None:
    assert of_one(statements=READ, **workload) == expected


def test_inline_policies_are_permissions_enough() -> None:
    assert of_one(inline_policies={"read": documents.permissions(READ)}) == set()


def test_inline_policies_are_made_and_awaited(deploy: Deploy, preview: bool) -> None:
    def workloads() -> Any:
        later = pulumi.Output.secret(documents.permissions(READ))
        policies = {"read": documents.permissions(READ), "later": later}
        return {"cart": {"namespace": "a", "service_account": "b", "inline_policies": policies}}

    made = deploy(program(workloads), preview=preview)
    assert names(made, INLINE) == {"many-cart-read", "many-cart-later"}
    for policy in made.of_type(INLINE):
        assert documents.to_json(documents.permissions(READ)) in str(policy.inputs["policy"])
        assert policy.inputs["name"] == policy.name.removeprefix("many-cart-")
        assert made.waits_for(made.only(ASSOCIATION), policy)
    assert made.is_secret(INLINE, "many-cart-later", "policy")


def test_policies_that_come_later_are_attached_by_their_keys(deploy: Deploy) -> None:
    def workloads() -> Any:
        policies = {"own": pulumi.Output.from_input(MANAGED), "later": unknown()}
        return {"cart": {"namespace": "a", "service_account": "b", "managed_policy_arns": policies}}

    made = deploy(program(workloads), preview=True)
    arns = {attachment.name: attachment.inputs["policyArn"] for attachment in made.of_type(ATTACHMENT)}
    assert arns["many-cart-own"] == MANAGED
    assert isinstance(arns["many-cart-later"], Unknown)


def test_inline_policies_are_renamed_with_their_workload(deploy: Deploy) -> None:
    policies = {"read": documents.permissions(READ)}
    workload = {"namespace": "a", "service_account": "b", "inline_policies": policies, "former_name": "old"}
    assert deploy(program({"new": workload})).only(INLINE).aliases == ("many-old-read",)


def test_what_lets_a_role_go_on_may_be_there_already(deploy: Deploy, preview: bool) -> None:
    own = {"chain": documents.permissions(documents.chaining([TARGET]))}
    workload = {**OWNER, "target_role_arn": TARGET, "inline_policies": own, "create_target_policy": False}
    made = deploy(program({"a": workload}), preview=preview)
    assert names(made, POLICY) == names(made, ATTACHMENT) == {"many-a-policy"}
    assert names(made, INLINE) == {"many-a-chain"}
    assert made.only(ASSOCIATION).inputs["targetRoleArn"] == TARGET


def test_what_turns_out_to_be_wrong_later_is_refused(deploy: Deploy) -> None:
    def workloads(**later: Any) -> Any:
        return lambda: {"a": {**OWNER, **{said: pulumi.Output.from_input(value) for said, value in later.items()}}}

    expected = ("trust-unscoped", "workloads.a.trust_policy.Statement[0].Condition")
    assert expected in refused(deploy, program(workloads(trust_policy=OPEN)), False)
    assert ("plain", "target_role_arn") in refused(deploy, program(workloads(target_role_arn=None)), False)


# What IAM takes


def many_policies(number: int) -> dict[str, str]:
    return {f"p{n}": f"arn:aws:iam::{ACCOUNT}:policy/p{n}" for n in range(number)}


@pytest.mark.parametrize(
    ("workload", "over"),
    [
        ({"managed_policy_arns": many_policies(10)}, False),
        ({"managed_policy_arns": many_policies(11)}, True),
        ({"managed_policy_arns": many_policies(9), "statements": READ}, False),
        ({"managed_policy_arns": many_policies(10), "statements": READ}, True),
        ({"managed_policy_arns": many_policies(10), "target_role_arn": TARGET}, True),
        ({"managed_policy_arns": many_policies(10), "target_role_arn": TARGET, "create_target_policy": False}, False),
        ({"managed_policy_arns": many_policies(9), "preset": "cert-manager", "scope": scopes()["cert-manager"]}, False),
        ({"managed_policy_arns": many_policies(10), "preset": "cert-manager", "scope": scopes()["cert-manager"]}, True),
        ({"managed_policy_arns": many_policies(11), "allow": {"iam-attachments": "the quota is 20"}}, False),
    ],
)
def test_iam_attaches_ten_policies(workload: Any, over: bool) -> None:
    assert of_one(**workload) == ({("iam-attachments", "managed_policy_arns")} if over else set())


def test_what_those_who_share_a_role_need_is_attached_too() -> None:
    owner = {**OWNER, "managed_policy_arns": many_policies(9)}
    assert found({"a": owner, "b": SHARE}) == set()
    chained = {"a": owner, "b": {**SHARE, "target_role_arn": TARGET}}
    assert found(chained) == {("iam-attachments", "workloads.a.managed_policy_arns")}


def test_a_single_one_is_counted_too(deploy: Deploy, preview: bool) -> None:
    run = single_program(managed_policy_arns=many_policies(11))
    assert refused(deploy, run, preview) == {("iam-attachments", "managed_policy_arns")}


def test_what_a_preset_attaches_is_not_attached_twice() -> None:
    definition = next(one for one in presets.PRESETS.values() if one.managed_policies)
    policy = definition.managed_policies[0].rpartition("/")[2]
    workload = {"preset": definition.name, "scope": scopes()[definition.name]}
    given = {policy: MANAGED}
    assert of_one(**workload, managed_policy_arns=given) == {("workload-name", f"managed_policy_arns.{policy}")}


@pytest.mark.parametrize(
    ("a", "b", "defaults", "expected"),
    [
        ({"role_name": "x"}, {"role_name": "y"}, {}, set()),
        ({"role_name": "x"}, {"role_name": "X"}, {}, {"role_name"}),
        ({}, {}, {"role_name": "x"}, {"role_name"}),
        ({}, {"role_name": "y"}, {"role_name": "x"}, set()),
        ({}, {}, {"policy_name": "x"}, {"policy_name"}),
        ({"policy_name": "x"}, {"policy_name": "x", "statements": None, "managed_policy_arns": {"a": MANAGED}}, {}, set()),
        ({"role_name": "x"}, {"role_name": "x", "path": "/other/"}, {}, {"role_name"}),
        ({"role_name": Later()}, {"role_name": Later()}, {}, set()),
    ],
)  # fmt: skip
def test_names_in_iam_are_given_once(a: Any, b: Any, defaults: Any, expected: set[str]) -> None:
    workloads = {"a": {**OWNER, **a}, "b": {**OWNER, "service_account": "b", **b}}
    assert found(workloads, defaults) == {("workload-name", f"workloads.b.{said}") for said in expected}


def test_policies_of_two_roles_that_would_be_called_the_same() -> None:
    workloads = {
        "a": {**OWNER, "managed_policy_arns": {"b-policy": MANAGED}},
        "a-b": {**OWNER, "service_account": "b"},
        "c": {**OWNER, "service_account": "c", "inline_policies": {"d-read": documents.permissions(READ)}},
        "c-d": {**OWNER, "service_account": "d", "inline_policies": {"read": documents.permissions(READ)}},
    }
    assert found(workloads) == {
        ("workload-name", "workloads.a-b, policy policy"),
        ("workload-name", "workloads.c-d.inline_policies.read"),
    }


def test_a_cluster_stands_there_once() -> None:
    assert of_one(statements=READ, clusters=["prod", "test", "prod"]) == {("workload-cluster", "clusters[2]")}


# camelCase


CAMEL = {
    "namespace": "a",
    "serviceAccount": "b",
    "createNamespace": False,
    "managedPolicyArns": {"my_key": MANAGED},
    "inlinePolicies": {"myPolicy": documents.permissions(READ)},
    "tags": {"myTag": "x"},
}


def test_fields_may_be_in_camel_case(deploy: Deploy) -> None:
    snake = {
        "namespace": "a",
        "service_account": "b",
        "create_namespace": False,
        "managed_policy_arns": CAMEL["managedPolicyArns"],
        "inline_policies": CAMEL["inlinePolicies"],
        "tags": CAMEL["tags"],
    }
    camel = deploy(program({"w": CAMEL}, defaults={"maxSessionDuration": 7200}))
    assert camel.resources == deploy(program({"w": snake}, defaults={"max_session_duration": 7200})).resources


def test_a_single_one_may_be_in_camel_case(deploy: Deploy, preview: bool) -> None:
    made = deploy(single_program(statements=READ, createServiceAccount=False), preview=preview)
    assert not made.of_type(SERVICE_ACCOUNT)
    assert refused(deploy, single_program(statements=READ, roleOf="a"), preview) == {("workload-field", "role_of")}


def test_findings_name_fields_as_they_are_written() -> None:
    judgement = _workloads.judge(
        {
            "camel": {"serviceAccount": "B!", "statements": READ},
            "snake": {"service_account": "B!", "statements": READ},
            "lost": {"serviceAccount": "x", "roleOf": "nobody"},
        },
        {"namespace": "a"},
        ["prod"],
    )
    assert [finding.property for finding in judgement.findings] == [
        "workloads.camel.serviceAccount",
        "workloads.lost.roleOf",
        "workloads.snake.service_account",
        "workloads.snake.service_account",
    ]


@pytest.mark.parametrize(
    ("workload", "defaults", "expected"),
    [
        ({"serviceAccount": "b", "service_account": "b"}, {}, "workloads.w.service_account"),
        ({}, {"createNamespace": True, "create_namespace": True}, "defaults.create_namespace"),
        ({"serviceAcount": "b"}, {}, "workloads.w.serviceAcount"),
        ({"managedPolicyArns": "x"}, {}, "workloads.w.managedPolicyArns"),
    ],
)
def test_one_spelling_at_a_time(workload: Any, defaults: Any, expected: str) -> None:
    judgement = _workloads.judge({"w": {"namespace": "a", **workload}}, defaults, ["prod"])
    assert [finding.property for finding in judgement.findings] == [expected]


def test_what_is_meant_is_said_in_the_same_spelling() -> None:
    (finding,) = _workloads.judge({"w": {"serviceAcount": "b"}}, {}, ["prod"]).findings
    assert "serviceAccount" in finding.fix
