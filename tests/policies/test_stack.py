"""The policies for stacks, each on a compliant, a violating, a missing, an unknown, a secret and a wrongly typed value."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from .cases import (
    ASSOCIATED,
    ASSOCIATION,
    ATTACHMENT,
    CLUSTER,
    CLUSTER_ARN,
    DEPLOYMENT,
    NODE_GROUP,
    POD,
    POLICY,
    ROLE,
    ROLE_ARN,
    Case,
    allow,
    document,
    scoped,
    trust,
)
from .conftest import Analyzer, Made, Violation, rules, secret

UNKNOWN = rules.UNKNOWN
ADDON, FARGATE, SUBNET = "aws:eks/addon:Addon", "aws:eks/fargateProfile:FargateProfile", "aws:ec2/subnet:Subnet"
SERVICE_ACCOUNT, KUBERNETES = "kubernetes:core/v1:ServiceAccount", "pulumi:providers:kubernetes"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
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
# Who has both of these may give any pod any role.
PASS = document(
    allow("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}})
)
ASSOCIATE = document(allow("eks:CreatePodIdentityAssociation", CLUSTER_ARN))
IN_CLUSTER = Made(KUBERNETES, "in-cluster", {"kubeconfig": UNKNOWN}, {"kubeconfig": ["cluster"]})
ELSEWHERE = Made(KUBERNETES, "elsewhere", {"kubeconfig": UNKNOWN})
ACCOUNT_ = Made(
    SERVICE_ACCOUNT,
    "sa",
    {"metadata": {"name": "demo-sa", "namespace": "demo-ns", "annotations": {"eks.amazonaws.com/role-arn": ROLE_ARN}}},
    provider="in-cluster",
)
POD_ = Made(
    POD,
    "pod",
    {"metadata": {"namespace": "demo-ns"}, "spec": {"serviceAccountName": "demo-sa", "containers": [{}]}},
    provider="in-cluster",
)
PROFILE = Made(FARGATE, "fargate", {"clusterName": "demo"})
DRIVER = Made(
    ADDON,
    "driver",
    {
        "addonName": "aws-ebs-csi-driver",
        "clusterName": "demo",
        "podIdentityAssociations": [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE_ARN}],
    },
)


def large(characters: int) -> str:
    """A policy document of so many characters, and of white space that does not count."""
    empty = document(allow("s3:GetObject", ""))
    text = document(allow("s3:GetObject", "x" * (characters - len(re.sub(r"\s", "", empty)))))
    assert len(re.sub(r"\s", "", text)) == characters
    return json.dumps(json.loads(text), indent=8)


def windows(*values: str, operator: str = "In") -> dict[str, Any]:
    """A term of a node affinity on the nodes' system."""
    return {"matchExpressions": [{"key": "kubernetes.io/os", "operator": operator, "values": list(values)}]}


def affinity(*terms: Any) -> dict[str, Any]:
    """That a pod runs only where one of the terms matches."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


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
    StackCase("pod-identity-fargate", (PROFILE, CLUSTER_, ASSOCIATION_), "selectors", [{"namespace": "other"}], [{"namespace": "demo-ns"}]),
    StackCase("pod-identity-fargate-labels", (PROFILE, CLUSTER_, ASSOCIATION_), "selectors", [{"namespace": "other", "labels": {"a": "b"}}], [{"namespace": "demo-ns", "labels": {"a": "b"}}]),
    StackCase("irsa-left-over", (ACCOUNT_, IN_CLUSTER, CLUSTER_, ASSOCIATION_), "metadata.annotations", {}, {"eks.amazonaws.com/role-arn": ROLE_ARN}),
    StackCase("irsa-left-over", (POD_, IN_CLUSTER, CLUSTER_, ASSOCIATION_), "spec.containers.0.env", [], [{"name": "AWS_ROLE_ARN"}]),
    StackCase("pod-identity-windows", (POD_, IN_CLUSTER, CLUSTER_, ASSOCIATION_), "spec.nodeSelector", {"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "windows"}),
    StackCase("pod-identity-windows", (POD_, IN_CLUSTER, CLUSTER_, ASSOCIATION_), "spec.affinity", affinity(windows("linux")), affinity(windows("windows"))),
    StackCase("workload-elsewhere", (replace(POD_, provider="elsewhere"), ELSEWHERE, ASSOCIATION_), "spec.nodeSelector", {"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "windows"}),
    StackCase("iam-inline-size", (Made(ROLE_POLICY, "policy", {"role": "demo"}), Made(ROLE_POLICY, "other", {"role": "demo", "policy": large(6000)})), "policy", large(4240), large(4241)),
    StackCase("iam-role-escalation", (Made(ROLE_POLICY, "policy", {"role": "demo"}), Made(ROLE_POLICY, "other", {"role": "demo", "policy": PASS})), "policy", document(allow("s3:GetObject")), ASSOCIATE),
    StackCase("node-public-subnet", (Made(SUBNET, "subnet", {"id": "subnet-1"}), Made(NODE_GROUP, "nodes", {"subnetIds": ["subnet-1"]})), "mapPublicIpOnLaunch", False, True),
)  # fmt: skip

of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.policy)


def names(policy: str, violations: list[Violation]) -> list[str]:
    """The resources that break a policy."""
    return [violation.urn.rpartition("::")[2] for violation in violations if violation.policy == policy]


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
    # These are about what components are given, and there is no resource that they could be seen in.
    assert set(rules.RULES) - {"delivery-boundary", "iam-attachments"} <= {policy.name for policy in analyzer.policies}


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


@pytest.mark.parametrize("wrong", [7, [7], {"a": [7]}, [[], {}]], ids=repr)
@of_each
def test_no_type_whatever_of_any_property_ends_a_policy(analyzer: Analyzer, case: StackCase, wrong: object) -> None:
    resources = case.with_value(case.bad)
    for i, made in enumerate(resources):
        for prop in made.props:
            resources[i] = replace(made, props={**made.props, prop: wrong})
            assert not any("can't run" in violation.message for violation in analyzer.stack(resources))
        resources[i] = made


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
    twice = replace(association, name="twice", props=stack[2].props)
    # Whichever the engine has first.
    for order in ([*stack, twice], [twice, *stack]):
        assert names("association-duplicate", analyzer.stack(order)) == ["twice"]


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
    beside = [ASSOCIATION_, CLUSTER_, IN_CLUSTER]
    analyzer.resource(ACCOUNT_.type, ACCOUNT_.props, ACCOUNT_.name)
    assert names("irsa-left-over", analyzer.stack([*beside, replace(ACCOUNT_, props={})])) == ["sa"]
    # What came of it, once it is there, is what holds.
    analyzer.resource(ACCOUNT_.type, ACCOUNT_.props, ACCOUNT_.name)
    gone = replace(ACCOUNT_, props={"metadata": {"name": "demo-sa", "namespace": "demo-ns"}})
    assert names("irsa-left-over", analyzer.stack([*beside, gone])) == []


# What add-ons have.


def test_an_add_on_of_a_service_account_that_has_an_association(analyzer: Analyzer) -> None:
    props = {**ASSOCIATED, "namespace": "kube-system", "serviceAccount": "ebs-csi-controller-sa"}
    (violation,) = of("association-duplicate", analyzer.stack([CLUSTER_, replace(ASSOCIATION_, props=props), DRIVER]))
    assert violation.urn.endswith("::driver")
    assert violation.finding.startswith("podIdentityAssociations[0].serviceAccount: ")
    for change in (
        {"namespaceConfig": {"namespace": "storage"}},
        {"namespaceConfig": {"namespace": UNKNOWN}},
        {"addonName": "of-somebody", "namespaceConfig": UNKNOWN},
        {"clusterName": "another"},
        {"podIdentityAssociations": UNKNOWN},
        {"podIdentityAssociations": [{"serviceAccount": UNKNOWN, "roleArn": ROLE_ARN}]},
    ):
        changed = replace(DRIVER, props={**DRIVER.props, **change})
        assert not of("association-duplicate", analyzer.stack([replace(ASSOCIATION_, props=props), changed])), change
    # The provider answers the namespace once the add-on is there.
    there = replace(DRIVER, props={**DRIVER.props, "namespaceConfig": UNKNOWN})
    assert of("association-duplicate", analyzer.stack([replace(ASSOCIATION_, props=props), there]))


def test_an_add_on_with_associations_needs_the_agent(analyzer: Analyzer) -> None:
    assert names("agent-missing", analyzer.stack([CLUSTER_, DRIVER])) == ["cluster"]
    assert names("agent-missing", analyzer.stack([CLUSTER_, DRIVER, AGENT])) == []
    for associations in ([], None, UNKNOWN, "text", {}, [UNKNOWN]):
        without = replace(DRIVER, props={**DRIVER.props, "podIdentityAssociations": associations})
        assert names("agent-missing", analyzer.stack([CLUSTER_, without])) == [], associations


def test_the_role_of_an_add_on_trusts_pod_identity(analyzer: Analyzer) -> None:
    closed = replace(
        ROLE_, props={**ROLE_.props, "assumeRolePolicy": trust(Principal={"Service": "ec2.amazonaws.com"})}
    )
    assert names("association-trust", analyzer.stack([closed, DRIVER])) == ["role"]
    assert names("association-trust", analyzer.stack([ROLE_, DRIVER])) == []
    # At preview it is told by what the property depends on.
    unknown = [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": UNKNOWN}]
    preview = Made(
        ADDON, "driver", {**DRIVER.props, "podIdentityAssociations": unknown}, {"podIdentityAssociations": ["role"]}
    )
    closed = replace(closed, props={**closed.props, "arn": UNKNOWN})
    assert names("association-trust", analyzer.stack([closed, preview])) == ["role"]
    # Of two that one association depends on, it cannot be told.
    either = replace(preview, depends={"podIdentityAssociations": ["role", "other"]})
    assert names("association-trust", analyzer.stack([closed, replace(closed, name="other"), either])) == []


def test_the_role_of_an_add_on_is_in_the_account_of_the_cluster(analyzer: Analyzer) -> None:
    foreign = [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": TARGET_ARN}]
    addon = replace(DRIVER, props={**DRIVER.props, "podIdentityAssociations": foreign})
    (violation,) = of("role-account", analyzer.stack([CLUSTER_, addon]))
    assert violation.finding.startswith("podIdentityAssociations[0].roleArn: ")


def test_the_workloads_of_an_add_on(analyzer: Analyzer) -> None:
    account = replace(ACCOUNT_, props={"metadata": {**ACCOUNT_.props["metadata"], "namespace": "kube-system", "name": "ebs-csi-controller-sa"}})  # fmt: skip
    assert names("irsa-left-over", analyzer.stack([CLUSTER_, IN_CLUSTER, DRIVER, account])) == ["sa"]
    profile = replace(PROFILE, props={"clusterName": "demo", "selectors": [{"namespace": "kube-*"}]})
    assert names("pod-identity-fargate", analyzer.stack([CLUSTER_, DRIVER, profile])) == ["fargate"]


def test_the_namespaces_of_add_ons_are_those_of_the_twin() -> None:
    catalogue = Path(__file__).parents[2] / "local" / "aws" / "eks" / "addon_catalogue.json"
    addons = json.loads(catalogue.read_text())["addons"]
    taking = {
        name: addon["defaultNamespace"] for name, addon in addons.items() if addon.get("podIdentityConfiguration")
    }
    assert taking.items() <= rules.ADDON_NAMESPACES.items()


# Fargate and Windows.


@pytest.mark.parametrize(
    ("selector", "policy"),
    [
        ({"namespace": "*"}, "pod-identity-fargate"),
        ({"namespace": "demo-n?"}, "pod-identity-fargate"),
        ({"namespace": "demo-ns?"}, None),
        ({"namespace": "[d]emo-ns"}, None),
        ({"namespace": "DEMO-*"}, None),
        ({"namespace": "demo-*", "labels": {"app": "other"}}, "pod-identity-fargate-labels"),
        ({"namespace": "demo-*", "labels": {"app": "web", "tier": "front"}}, "pod-identity-fargate"),
        ({"namespace": "demo-*", "labels": {"a??": "w*"}}, "pod-identity-fargate"),
        ({"namespace": "demo-*", "labels": {"app": "w?"}}, "pod-identity-fargate-labels"),
        ({"namespace": "demo-*", "labels": {"app": "web", "other": "*"}}, "pod-identity-fargate-labels"),
        ({"namespace": "other-*", "labels": {"app": "web"}}, None),
        ({"namespace": UNKNOWN, "labels": {"app": "web"}}, None),
        ({"namespace": "*", "labels": UNKNOWN}, None),
        ({"namespace": "*", "labels": {"app": UNKNOWN}}, "pod-identity-fargate-labels"),
    ],
)
@pytest.mark.parametrize("kind", [POD, DEPLOYMENT])
def test_fargate_selectors_have_wildcards(
    analyzer: Analyzer, kind: str, selector: Mapping[str, Any], policy: str | None
) -> None:
    pod = {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": {"serviceAccountName": "demo-sa"}}
    props = (
        {**pod, "metadata": {**pod["metadata"], "namespace": "demo-ns"}}
        if kind == POD
        else {"metadata": {"namespace": "demo-ns"}, "spec": {"template": pod}}
    )
    profile = replace(PROFILE, props={**PROFILE.props, "selectors": [selector]})
    stack = [CLUSTER_, ASSOCIATION_, IN_CLUSTER, Made(kind, "web", props, provider="in-cluster"), profile]
    found = [v for v in analyzer.stack(stack) if v.policy.startswith("pod-identity-fargate")]
    assert [violation.policy for violation in found] == ([policy] if policy else [])
    assert not any("demo" in violation.message for violation in found)


def test_pods_elsewhere_are_not_those_of_a_fargate_profile(analyzer: Analyzer) -> None:
    labelled = {**POD_.props, "metadata": {"namespace": "demo-ns", "labels": {"app": "web"}}}
    pod = replace(POD_, props=labelled, provider="elsewhere")
    profile = replace(PROFILE, props={**PROFILE.props, "selectors": [{"namespace": "*", "labels": {"app": "web"}}]})
    violations = analyzer.stack([CLUSTER_, ASSOCIATION_, ELSEWHERE, pod, profile])
    assert names("pod-identity-fargate", violations) == []
    assert names("pod-identity-fargate-labels", violations) == ["fargate"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (affinity(windows("windows")), True),
        (affinity(windows("windows"), windows("windows")), True),
        (affinity({"matchExpressions": [UNKNOWN, *windows("windows")["matchExpressions"]]}), True),
        # Any term will do, and any value of it.
        (affinity(windows("windows"), windows("linux")), False),
        (affinity(windows("windows"), UNKNOWN), False),
        (affinity(windows("windows", "linux")), False),
        (affinity(windows("windows", operator="NotIn")), False),
        (affinity({"matchExpressions": UNKNOWN}), False),
        (affinity(), False),
        ({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"preference": windows("windows")}]}}, False),
        ({"nodeAffinity": UNKNOWN}, False),
    ],
)  # fmt: skip
def test_pods_that_require_windows_by_affinity(analyzer: Analyzer, given: Mapping[str, Any], found: bool) -> None:
    pod = replace(POD_, props={**POD_.props, "spec": {**POD_.props["spec"], "affinity": given}})
    violations = of("pod-identity-windows", analyzer.stack([CLUSTER_, ASSOCIATION_, IN_CLUSTER, pod]))
    assert bool(violations) is found
    assert all(v.finding.startswith("spec.affinity.nodeAffinity.required") for v in violations)


# Which cluster a workload is in.

TOKEN = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "demo", "--output", "json"]
JSON = json.dumps({"users": [{"name": "u", "user": {"exec": {"command": "aws", "args": TOKEN}}}]})
YAML = "args:\n" + "".join(f"      - {argument}\n" for argument in TOKEN)


@pytest.mark.parametrize(
    ("provider", "policy"),
    [
        (IN_CLUSTER, "irsa-left-over"),
        (replace(IN_CLUSTER, depends={"kubeconfig": ["another"]}), None),
        (replace(IN_CLUSTER, depends={"kubeconfig": ["another", "cluster"]}), "workload-elsewhere"),
        (replace(IN_CLUSTER, depends={"clusterIdentifier": ["cluster"]}), "workload-elsewhere"),
        (replace(IN_CLUSTER, depends=None), "workload-elsewhere"),
        (replace(IN_CLUSTER, props={}, depends=None), "workload-elsewhere"),
        # By a plain kubeconfig, as `aws eks update-kubeconfig` writes it.
        *(
            (replace(IN_CLUSTER, props={"kubeconfig": text}, depends=None), policy)
            for text, policy in (
                (JSON, "irsa-left-over"),
                (secret(JSON), "irsa-left-over"),
                (YAML, "irsa-left-over"),
                (JSON.replace('"demo"', '"other"'), None),
                (JSON.replace("eu-west-1", "us-east-1"), None),
                (JSON + JSON.replace("demo", "other"), "workload-elsewhere"),
                ("{}", "workload-elsewhere"),
                (7, "workload-elsewhere"),
            )
        ),
    ],
)  # fmt: skip
def test_what_is_in_another_cluster_is_none_of_an_association_s_business(
    analyzer: Analyzer, provider: Made, policy: str | None
) -> None:
    regional = [
        replace(made, props={**made.props, "region": "eu-west-1"})
        for made in (CLUSTER_, ASSOCIATION_, Made(CLUSTER, "another", {"name": "another"}))
    ]
    violations = [
        violation
        for violation in analyzer.stack([*regional, provider, ACCOUNT_])
        if violation.policy in ("irsa-left-over", "workload-elsewhere")
    ]
    assert [(violation.policy, violation.mandatory) for violation in violations] == (
        [(policy, policy == "irsa-left-over")] if policy else []
    )
    assert all("get-token" not in violation.message for violation in violations)


def test_a_workload_without_a_provider_may_be_anywhere(analyzer: Analyzer) -> None:
    stack = [CLUSTER_, ASSOCIATION_, replace(ACCOUNT_, provider="")]
    assert names("irsa-left-over", analyzer.stack(stack)) == []
    assert names("workload-elsewhere", analyzer.stack(stack)) == ["sa"]


def test_an_association_whose_cluster_is_not_known_may_be_of_any(analyzer: Analyzer) -> None:
    association = replace(ASSOCIATION_, props={**ASSOCIATED, "clusterName": UNKNOWN})
    stack = [CLUSTER_, IN_CLUSTER, ACCOUNT_, association]
    assert names("irsa-left-over", analyzer.stack(stack)) == []
    assert names("workload-elsewhere", analyzer.stack(stack)) == ["sa"]
    # Another one for the same ServiceAccount is known.
    assert names("irsa-left-over", analyzer.stack([*stack, replace(ASSOCIATION_, name="known")])) == ["sa"]


def test_clusters_of_one_name_are_told_apart_by_their_region(analyzer: Analyzer) -> None:
    def there(region: str) -> list[Made]:
        props = {"clusterName": "demo", "region": region}
        return [
            Made(CLUSTER, f"cluster-{region}", {"name": "demo", "region": region}),
            Made(ASSOCIATION, f"association-{region}", {**ASSOCIATED, **props}),
            Made(ADDON, f"agent-{region}", {"addonName": "eks-pod-identity-agent", **props}),
        ]

    here, elsewhere = there("eu-west-1"), there("us-east-1")
    assert not of("association-duplicate", analyzer.stack([*here, *elsewhere]))
    assert names("agent-missing", analyzer.stack([*here, *elsewhere[:2]])) == ["cluster-us-east-1"]
    # Neither is in the stack.
    assert not of("association-duplicate", analyzer.stack([here[1], elsewhere[1]]))
    assert of("association-duplicate", analyzer.stack([here[1], replace(here[1], name="again")]))


# What a role has by several policies.


def of_role(name: str, policy: Any, **changes: Any) -> Made:
    return Made(ROLE_POLICY, name, {"role": "demo", "name": name, "policy": policy, **changes})


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ([of_role("a", large(5120)), of_role("b", large(5120))], []),
        ([of_role("a", large(5120)), of_role("b", large(5121))], ["a"]),
        # The role, where it is in the stack.
        ([of_role("a", large(6000)), of_role("b", large(6000)), ROLE_], ["role"]),
        ([replace(ROLE_, props={**ROLE_.props, "inlinePolicies": [{"name": "a", "policy": large(6000)}]}), of_role("b", large(6000))], ["role"]),
        ([replace(ROLE_, props={**ROLE_.props, "inlinePolicies": [{"policy": large(4000)}] * 3})], ["role"]),
        # Told by what it depends on.
        ([ROLE_, *(replace(of_role(name, large(6000), role=UNKNOWN), depends={"role": ["role"]}) for name in "ab")], ["role"]),
        # After a refresh the role has what is beside it.
        ([replace(ROLE_, props={**ROLE_.props, "inlinePolicies": [{"name": "a", "policy": large(6000)}]}), of_role("a", large(6000))], []),
        ([of_role("a", large(6000)), of_role("b", large(6000), role="other")], []),
        ([of_role("a", large(6000)), of_role("b", UNKNOWN)], []),
        ([of_role("a", large(6000), role=UNKNOWN), of_role("b", large(6000), role=UNKNOWN)], []),
        # One alone is judged where it stands.
        ([of_role("a", large(10241))], []),
    ],
)  # fmt: skip
def test_the_inline_policies_of_a_role_together(analyzer: Analyzer, resources: list[Made], found: list[str]) -> None:
    assert names("iam-inline-size", analyzer.stack(resources)) == found


def managed(name: str, policy: Any, arn: Any = UNKNOWN) -> list[Made]:
    """A policy, and its attachment."""
    return [
        Made(POLICY, name, {"policy": policy, "arn": arn}),
        Made(ATTACHMENT, f"{name}-attached", {"role": "demo", "policyArn": arn}, {"policyArn": [name]}),
    ]


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ([*managed("pass", PASS), *managed("associate", ASSOCIATE)], ["associate-attached"]),
        ([*managed("pass", PASS), *managed("associate", ASSOCIATE), ROLE_], ["role"]),
        ([*managed("pass", PASS, "arn:pass"), *managed("associate", ASSOCIATE, "arn:associate")], ["associate-attached"]),
        ([*managed("pass", PASS), of_role("associate", ASSOCIATE), ROLE_], ["role"]),
        ([*managed("same", PASS, "arn:same"), of_role("same", ASSOCIATE), ROLE_], ["role"]),
        ([*managed("pass", PASS), replace(ROLE_, props={**ROLE_.props, "inlinePolicies": [{"policy": ASSOCIATE}]})], ["role"]),
        ([managed("pass", PASS)[0], replace(ROLE_, props={**ROLE_.props, "inlinePolicies": [{"policy": ASSOCIATE}], "managedPolicyArns": UNKNOWN}, depends={"managedPolicyArns": ["pass"]})], ["role"]),
        # One that is not attached, of another role, or not known yet.
        ([*managed("pass", PASS), managed("associate", ASSOCIATE)[0], ROLE_], []),
        ([*managed("pass", PASS), of_role("associate", ASSOCIATE, role="other"), ROLE_], []),
        ([*managed("pass", PASS), of_role("associate", UNKNOWN), ROLE_], []),
        ([*managed("pass", PASS), of_role("associate", "{"), ROLE_], []),
        # One that does it alone has its own finding.
        ([*managed("both", document(*json.loads(PASS)["Statement"], *json.loads(ASSOCIATE)["Statement"])), of_role("associate", ASSOCIATE), ROLE_], []),
        # For another service.
        ([*managed("pass", document(allow("iam:PassRole", ROLE_ARN))), of_role("associate", ASSOCIATE), ROLE_], []),
    ],
)  # fmt: skip
def test_the_policies_of_a_role_together(analyzer: Analyzer, resources: list[Made], found: list[str]) -> None:
    violations = of("iam-role-escalation", analyzer.stack(resources))
    assert [violation.urn.rpartition("::")[2] for violation in violations] == found
    assert all("policies allow that together: " in violation.finding for violation in violations)
