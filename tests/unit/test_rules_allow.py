"""What a component's `allow` lets pass, and what it does not."""

import logging
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import EksCluster, InvalidArgs, Network, PodIdentityAgent, PodIdentityRole, rules
from tests.unit.conftest import ACCOUNT, Deploy

CLUSTER = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"
EVERY_BUCKET = [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}]
WHY = {"iam-resource-wildcard": "it is an archive of all buckets"}


def role(**args: Any) -> Callable[[], dict[str, Any]]:
    def run() -> dict[str, Any]:
        given = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {"cluster_arns": [CLUSTER], "statements": EVERY_BUCKET, **given}
        made = PodIdentityRole("r", merged)
        return {"allowed": made.allowed, "arn": made.resolved_role_arn}

    return run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lambda message, level=level: said.append((level, message)))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return said


def test_a_finding_stops_the_preview(deploy: Deploy, preview: bool) -> None:
    with pytest.raises(InvalidArgs, match="iam-resource-wildcard"):
        deploy(role(), preview=preview)


@pytest.mark.parametrize("statements", [EVERY_BUCKET, lambda: pulumi.Output.from_input(EVERY_BUCKET)])
def test_what_is_allowed_passes_and_is_told_once(
    deploy: Deploy, preview: bool, told: list[tuple[str, str]], statements: Any
) -> None:
    made = deploy(role(allow=WHY, statements=statements), preview=preview)
    assert made.outputs["allowed"] == WHY
    assert len(made.of_type("aws:iam/policy:Policy")) == 1
    (line,) = told
    assert line[0] == "info"
    assert "PodIdentityRole 'r': allowed, because it is an archive of all buckets: statements[0].Resource[0]" in line[1]


def test_nothing_else_passes_with_it(deploy: Deploy, preview: bool) -> None:
    statements = [*EVERY_BUCKET, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    with pytest.raises(InvalidArgs) as refused:
        deploy(role(allow=WHY, statements=statements), preview=preview)
    assert [finding.rule for finding in refused.value.findings] == ["iam-service-wildcard"]


@pytest.mark.parametrize(
    ("allow", "fix"),
    [
        ({"iam-resource-wildcards": "a reason"}, "Perhaps you mean iam-resource-wildcard"),
        ({"cluster-name": "a reason"}, "Perhaps you mean cluster-"),
        ({"role-arn": "a reason"}, ""),
        ({"iam-resource-wildcard": ""}, "Say why"),
        ({"iam-resource-wildcard": " "}, "Say why"),
        ({"iam-resource-wildcard": None}, "Say why"),
        (["iam-resource-wildcard"], "Write {rule"),
        # No reason makes EKS take it.
        ({"trust-needs-session-tags": "a reason"}, ""),
    ],
)
def test_what_is_wrong_with_it_is_a_finding(deploy: Deploy, preview: bool, allow: Any, fix: str) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(role(allow=allow), preview=preview)
    assert {finding.rule for finding in refused.value.findings} == {"allow"}
    assert fix in refused.value.findings[0].fix


@pytest.mark.parametrize("statements", [None, lambda: pulumi.Output.from_input([])])
def test_what_nothing_needed_is_told(deploy: Deploy, told: list[tuple[str, str]], statements: Any) -> None:
    listing = [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]
    given = listing if statements is None else (lambda: pulumi.Output.from_input(listing))
    deploy(role(allow=WHY, statements=given))
    (line,) = told
    assert line[0] == "warn"
    assert "allow.iam-resource-wildcard" in line[1]
    assert "[allow-unneeded]" in line[1]


def test_what_is_not_known_yet_may_need_it(deploy: Deploy, told: list[tuple[str, str]]) -> None:
    made = deploy(role(allow=WHY, statements=lambda: pulumi.Output.from_input(Unknown())), preview=True)
    assert made.outputs["allowed"] == WHY
    assert told == []


def test_every_component_says_what_it_allows(deploy: Deploy, told: list[tuple[str, str]]) -> None:
    network: Any = {"vpc_id": "vpc-1", "private_subnet_ids": ["subnet-1", "subnet-2"]}

    def run() -> dict[str, Any]:
        old = {"kubernetes-version": "it is to be migrated", "kubernetes-version-extended": "it is to be migrated"}
        args: Any = {**network, "cluster_name": "demo", "kubernetes_version": "1.20", "allow": old}
        cluster = EksCluster("c", args)
        return {
            "cluster": cluster.allowed,
            "agent": PodIdentityAgent("a", {"cluster_name": "demo"}).allowed,
            "network": Network("n", {"availability_zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"]}).allowed,
        }

    made = deploy(run)
    assert set(made.outputs["cluster"]) == {"kubernetes-version", "kubernetes-version-extended"}
    assert made.outputs["agent"] == made.outputs["network"] == {}
    # One of the two was not needed.
    assert sorted(level for level, _ in told) == ["info", "warn"]


def test_only_rules_of_good_practice_can_be_let_pass() -> None:
    finding = rules.Finding("cluster-name", "cluster_name", "-", "a reason", "a fix")
    assert rules.let_pass([finding], {"cluster-name": "x"}) == ([finding], [])
    finding = rules.Finding("iam-action", "statements", "-", "a reason", "a fix")
    assert rules.let_pass([finding], {"iam-action": "x"}) == ([], [finding])


def test_the_catalogue_reads_well() -> None:
    for rule, described in rules.RULES.items():
        assert described.title.endswith("."), rule
        assert len(described.title) < 100, rule
        for ids, form in ((described.checkov, "CKV_"), (described.cis, ""), (described.security_hub, "")):
            assert isinstance(ids, tuple), rule
            assert all(one.startswith(form) for one in ids), rule
