"""The policies for stacks, each on a compliant, a violating, a missing, an unknown, a secret and a wrongly typed value."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from .cases import ASSOCIATED, ASSOCIATION, CLUSTER, CLUSTER_ARN, NODE_GROUP, POD, ROLE, ROLE_ARN, Case, scoped, trust
from .conftest import Analyzer, Made, Violation, rules, secret

UNKNOWN = rules.UNKNOWN
ADDON, FARGATE, SUBNET = "aws:eks/addon:Addon", "aws:eks/fargateProfile:FargateProfile", "aws:ec2/subnet:Subnet"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
TARGET_ARN = "arn:aws:iam::210987654321:role/target"

CLUSTER_ = Made(CLUSTER, "cluster", {"name": "demo", "arn": CLUSTER_ARN})
ASSOCIATION_ = Made(ASSOCIATION, "association", ASSOCIATED)
ROLE_ = Made(ROLE, "role", {"name": "demo", "arn": ROLE_ARN, "assumeRolePolicy": trust()})
AGENT = Made(ADDON, "agent", {"addonName": "eks-pod-identity-agent", "clusterName": "demo"})
TAGS_OFF = Made(ASSOCIATION, "association", {**ASSOCIATED, "disableSessionTags": True}, {"roleArn": ["role"]})
CHAINED = Made(
    ASSOCIATION,
    "association",
    {**ASSOCIATED, "targetRoleArn": TARGET_ARN, "disableSessionTags": True},
    {"targetRoleArn": ["target"]},
)


def target(**changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ROLE_ARN},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "eu-west-1/123456789012/demo/demo-ns/demo-sa"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | changes]})


@dataclass(frozen=True)
class StackCase:
    """One policy on one property of the first of some resources."""

    policy: str
    resources: Sequence[Made]
    path: str
    good: Any
    bad: Any
    missing: bool = False
    wrong: bool = False

    def with_value(self, value: Any, *, left_out: bool = False) -> list[Made]:
        first = self.resources[0]
        case = Case(self.policy, first.type, first.props, self.path, None, None)
        return [replace(first, props=case.without() if left_out else case.with_value(value)), *self.resources[1:]]


CASES = (
    StackCase("association-duplicate", (replace(ASSOCIATION_, name="other"), ASSOCIATION_), "serviceAccount", "other-sa", "demo-sa"),
    StackCase("agent-missing", (AGENT, CLUSTER_, ASSOCIATION_), "addonName", "eks-pod-identity-agent", "coredns", missing=True, wrong=True),
    StackCase("association-trust", (ROLE_, TAGS_OFF), "assumeRolePolicy", trust(), trust(Principal={"Service": "ec2.amazonaws.com"}), missing=False),
    StackCase("trust-needs-session-tags", (ROLE_, TAGS_OFF), "assumeRolePolicy", trust(), scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns")),
    StackCase("role-account", (ASSOCIATION_, CLUSTER_), "roleArn", ROLE_ARN, TARGET_ARN),
    StackCase("chaining-self", (replace(CHAINED, depends=None), CLUSTER_), "targetRoleArn", TARGET_ARN, ROLE_ARN),
    StackCase("chaining-trust", (Made(ROLE, "target", {}), CHAINED, CLUSTER_), "assumeRolePolicy", target(), target(Principal={"AWS": TARGET_ARN})),
    StackCase("chaining-external-id", (Made(ROLE, "target", {}), CHAINED, CLUSTER_), "assumeRolePolicy", target(), target(Condition={"StringEquals": {"sts:ExternalId": "demo"}})),
    StackCase("chaining-unscoped", (Made(ROLE, "target", {}), CHAINED, CLUSTER_), "assumeRolePolicy", target(), target(Condition={})),
    StackCase("pod-identity-fargate", (Made(FARGATE, "fargate", {"clusterName": "demo"}), CLUSTER_, ASSOCIATION_), "selectors", [{"namespace": "other"}], [{"namespace": "demo-ns"}]),
    StackCase("pod-identity-fargate-labels", (Made(FARGATE, "fargate", {"clusterName": "demo"}), CLUSTER_, ASSOCIATION_), "selectors", [{"namespace": "other", "labels": {"a": "b"}}], [{"namespace": "demo-ns", "labels": {"a": "b"}}]),
    StackCase("irsa-left-over", (Made(SERVICE_ACCOUNT, "sa", {"metadata": {"name": "demo-sa", "namespace": "demo-ns"}}), ASSOCIATION_), "metadata.annotations", {}, {"eks.amazonaws.com/role-arn": ROLE_ARN}),
    StackCase("irsa-left-over", (Made(POD, "pod", {"metadata": {"namespace": "demo-ns"}, "spec": {"serviceAccountName": "demo-sa", "containers": [{}]}}), ASSOCIATION_), "spec.containers.0.env", [], [{"name": "AWS_ROLE_ARN"}]),
    StackCase("pod-identity-windows", (Made(POD, "pod", {"metadata": {"namespace": "demo-ns"}, "spec": {"serviceAccountName": "demo-sa"}}), ASSOCIATION_), "spec.nodeSelector", {"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "windows"}),
    StackCase("node-public-subnet", (Made(SUBNET, "subnet", {"id": "subnet-1"}), Made(NODE_GROUP, "nodes", {"subnetIds": ["subnet-1"]})), "mapPublicIpOnLaunch", False, True),
)  # fmt: skip

of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.policy)


def of(policy: str, violations: list[Violation]) -> list[Violation]:
    return [violation for violation in violations if violation.policy == policy]


def test_every_policy_for_stacks_has_a_case(analyzer: Analyzer) -> None:
    names = {p.name for p in analyzer.policies if type(p).__name__ == "StackValidationPolicy"}
    assert names == {case.policy for case in CASES} | {"summary"}


def test_no_two_policies_have_one_name(analyzer: Analyzer) -> None:
    names = [policy.name for policy in analyzer.policies]
    assert len(names) == len(set(names))
    assert names[-1] == "summary"


def test_every_rule_of_good_practice_is_a_policy(analyzer: Analyzer) -> None:
    # This one is about a component, and there is no resource that it could be seen in.
    assert set(rules.RULES) - {"delivery-boundary"} <= {policy.name for policy in analyzer.policies}


@of_each
def test_compliant(analyzer: Analyzer, case: StackCase) -> None:
    assert of(case.policy, analyzer.stack(case.with_value(case.good))) == []


@of_each
def test_violating(analyzer: Analyzer, case: StackCase) -> None:
    violations = of(case.policy, analyzer.stack(case.with_value(case.bad)))
    assert violations
    assert {violation.mandatory for violation in violations} == {
        rules.RULES[case.policy].severity is rules.Severity.ERROR
    }
    assert all(violation.urn.startswith("urn:") for violation in violations)


@of_each
def test_missing(analyzer: Analyzer, case: StackCase) -> None:
    assert bool(of(case.policy, analyzer.stack(case.with_value(None, left_out=True)))) is case.missing


@of_each
def test_unknown(analyzer: Analyzer, case: StackCase) -> None:
    violations = analyzer.stack(case.with_value(UNKNOWN))
    assert of(case.policy, violations) == []
    (summary,) = of("summary", violations)
    assert case.path.replace(".0", "[0]").rpartition(".")[2] in summary.message


@of_each
def test_unknown_beside(analyzer: Analyzer, case: StackCase) -> None:
    first, *others = case.with_value(case.bad)
    beside = Made(CLUSTER, "beside", {"name": UNKNOWN, "arn": UNKNOWN, "version": UNKNOWN})
    assert of(case.policy, analyzer.stack([replace(first, props={**first.props, "tags": UNKNOWN}), *others, beside]))


@of_each
def test_secret(analyzer: Analyzer, case: StackCase) -> None:
    assert of(case.policy, analyzer.stack(case.with_value(secret(case.good)))) == []
    assert of(case.policy, analyzer.stack(case.with_value(secret(case.bad))))


@of_each
def test_wrongly_typed(analyzer: Analyzer, case: StackCase) -> None:
    assert bool(of(case.policy, analyzer.stack(case.with_value(7)))) is case.wrong
    for wrong in ("text", True, [], {}, [7], {"a": 7}, None):
        assert not any("can't run" in violation.message for violation in analyzer.stack(case.with_value(wrong)))


def _preview(resources: Sequence[Made], unknown: Mapping[str, Sequence[str]]) -> list[Made]:
    """The same resources at a preview: these properties are not known yet."""
    return [replace(m, props={**m.props, **dict.fromkeys(unknown.get(m.name, ()), UNKNOWN)}) for m in resources]


def test_clusters_are_told_by_what_depends_on_them_where_names_are_not_known(analyzer: Analyzer) -> None:
    nodes = Made(NODE_GROUP, "nodes", {"clusterName": UNKNOWN}, {"clusterName": ["cluster"]})
    association = replace(ASSOCIATION_, depends={"clusterName": ["nodes"]})
    stack = _preview([CLUSTER_, nodes, association], {"cluster": ["name", "arn"], "association": ["clusterName"]})
    assert of("agent-missing", analyzer.stack(stack))
    agent = Made(
        ADDON, "agent", {"addonName": "eks-pod-identity-agent", "clusterName": UNKNOWN}, {"clusterName": ["nodes"]}
    )
    assert not of("agent-missing", analyzer.stack([*stack, agent]))
    twice = replace(association, name="again", props=stack[2].props)
    assert [v.urn.rpartition("::")[2] for v in of("association-duplicate", analyzer.stack([*stack, twice]))] == [
        "again"
    ]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (Made("aws:ec2/vpc:Vpc", "vpc", {}), True),
        (AGENT, False),
        (replace(AGENT, props={**AGENT.props, "clusterName": "another"}), True),
        (replace(AGENT, props={**AGENT.props, "addonName": UNKNOWN}), False),
        (Made("kubernetes:helm.sh/v3:Release", "chart", {"chart": "eks-pod-identity-agent"}), False),
    ],
)
def test_the_agent_comes_as_an_add_on_or_a_chart(analyzer: Analyzer, more: Made, found: bool) -> None:
    assert bool(of("agent-missing", analyzer.stack([CLUSTER_, ASSOCIATION_, more]))) is found


def test_auto_mode_has_the_agent(analyzer: Analyzer) -> None:
    cluster = replace(CLUSTER_, props={**CLUSTER_.props, "computeConfig": {"enabled": True}})
    assert not of("agent-missing", analyzer.stack([cluster, ASSOCIATION_]))


def test_a_cluster_without_associations_needs_no_agent(analyzer: Analyzer) -> None:
    assert analyzer.stack([CLUSTER_]) == []


def test_node_groups_are_told_their_subnets_by_dependency_at_preview(analyzer: Analyzer) -> None:
    subnet = Made(SUBNET, "subnet", {"mapPublicIpOnLaunch": True})
    group = Made(NODE_GROUP, "nodes", {"subnetIds": UNKNOWN}, {"subnetIds": ["subnet"]})
    assert of("node-public-subnet", analyzer.stack([subnet, group]))


def test_inputs_stand_in_for_what_a_provider_that_is_not_configured_yet_does_not_answer() -> None:
    analyzer = Analyzer()
    account = Made(
        SERVICE_ACCOUNT,
        "sa",
        {
            "metadata": {
                "name": "demo-sa",
                "namespace": "demo-ns",
                "annotations": {"eks.amazonaws.com/role-arn": ROLE_ARN},
            }
        },
    )
    analyzer.resource(account.type, account.props, account.name)
    found = of("irsa-left-over", analyzer.stack([ASSOCIATION_, replace(account, props={})]))
    assert [violation.urn.rpartition("::")[2] for violation in found] == ["sa"]
    # What came of it, once it is there, is what holds.
    analyzer.resource(account.type, account.props, account.name)
    gone = replace(account, props={"metadata": {"name": "demo-sa", "namespace": "demo-ns"}})
    assert of("irsa-left-over", analyzer.stack([ASSOCIATION_, gone])) == []
