"""Every policy for resources on a compliant, a violating, a missing, an unknown, a secret and a wrongly typed value."""

import re

import pytest

from .cases import ASSOCIATED, ASSOCIATION, CASES, CLUSTER, POD, POLICY, ROLE, Case, allow, document, trust
from .conftest import Analyzer, Violation, renamed, rules, secret

UNKNOWN = rules.UNKNOWN
# Neither has a property to be judged by: that there is such a resource is what they are about.
WITHOUT_PROPERTY = {
    "iam-access-key": "aws:iam/accessKey:AccessKey",
    "iam-user-policy": "aws:iam/userPolicyAttachment:UserPolicyAttachment",
}

of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.policy}-{case.type.rpartition(':')[2]}")


def of(policy: str, violations: list[Violation]) -> list[Violation]:
    return [violation for violation in violations if violation.policy == policy]


def test_every_policy_for_resources_has_a_case(analyzer: Analyzer) -> None:
    names = {p.name for p in analyzer.policies if type(p).__name__ == "ResourceValidationPolicy"}
    assert names == {case.policy for case in CASES} | set(WITHOUT_PROPERTY)


@of_each
def test_compliant(analyzer: Analyzer, case: Case) -> None:
    assert of(case.policy, analyzer.resource(case.type, case.with_value(case.good))) == []


@of_each
def test_violating(analyzer: Analyzer, case: Case) -> None:
    violations = of(case.policy, analyzer.resource(case.type, case.with_value(case.bad)))
    assert violations
    for violation in violations:
        expected = case.policy == "names-and-sizes" or rules.RULES[case.policy].severity is rules.Severity.ERROR
        assert violation.mandatory is expected
        where, _, said = violation.message.partition(": ")
        assert where and said.count(". ") >= 1  # property, reason and fix
        assert "[" in said and "]" in said  # and the rule's id


@of_each
def test_missing(analyzer: Analyzer, case: Case) -> None:
    assert bool(of(case.policy, analyzer.resource(case.type, case.without()))) is case.missing


@of_each
def test_unknown(case: Case) -> None:
    analyzer = Analyzer()
    assert of(case.policy, analyzer.resource(case.type, case.with_value(UNKNOWN))) == []
    # It is not forgotten either: the summary says that there was something to be decided.
    (summary,) = of("summary", analyzer.stack([]))
    leaf = case.path.replace(".0", "[0]")
    assert leaf.rpartition(".")[2] in summary.message


@of_each
def test_unknown_beside(analyzer: Analyzer, case: Case) -> None:
    """What is not known about a resource never switches off what is known."""
    props = {**case.with_value(case.bad), "unknownBeside": UNKNOWN, "tags": UNKNOWN}
    assert of(case.policy, analyzer.resource(case.type, props))


@of_each
def test_secret(analyzer: Analyzer, case: Case) -> None:
    assert of(case.policy, analyzer.resource(case.type, case.with_value(secret(case.good)))) == []
    violations = of(case.policy, analyzer.resource(case.type, case.with_value(secret(case.bad))))
    assert violations
    if isinstance(case.bad, str) and len(case.bad) > 40:
        assert not any(case.bad in violation.message for violation in violations)


@of_each
@pytest.mark.parametrize("wrong", [7])
def test_wrongly_typed(analyzer: Analyzer, case: Case, wrong: object) -> None:
    assert bool(of(case.policy, analyzer.resource(case.type, case.with_value(wrong)))) is case.wrong


@of_each
@pytest.mark.parametrize("wrong", ["text", True, [], {}, [7], {"a": 7}, [[]], None, ""], ids=repr)
def test_no_type_whatever_ends_a_policy(analyzer: Analyzer, case: Case, wrong: object) -> None:
    for violation in analyzer.resource(case.type, case.with_value(wrong)):
        assert "can't run" not in violation.message


@pytest.mark.parametrize(("policy", "kind"), WITHOUT_PROPERTY.items())
def test_resources_that_should_not_be(analyzer: Analyzer, policy: str, kind: str) -> None:
    for props in ({"user": "u"}, {}, {"user": UNKNOWN}, {"user": secret("u")}, {"user": 7}):
        assert of(policy, analyzer.resource(kind, props))
    assert of(policy, analyzer.resource(ROLE, {"assumeRolePolicy": trust()})) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.type == POLICY], ids=lambda case: case.policy)
def test_the_inline_policies_of_a_role_are_judged_by_the_rules_of_all_policies(analyzer: Analyzer, case: Case) -> None:
    inline = [{"name": "a", "policy": case.bad}]
    found = of(case.policy, analyzer.resource(ROLE, {"assumeRolePolicy": trust(), "inlinePolicies": inline}))
    assert [violation.finding.startswith("inlinePolicies[0].policy") for violation in found] == [True]


@pytest.mark.parametrize(
    "props",
    [
        {"targetRoleArn": "demo"},
        {"roleArn": "demo"},
        {"disableSessionTags": "yes"},
        {"clusterName": "-"},
        {"serviceAccount": "-"},
        {"policy": document(allow("s3:GetObject"))},
    ],
    ids=lambda props: next(iter(props)),
)
def test_arguments_are_called_as_the_provider_calls_them(analyzer: Analyzer, props: dict[str, object]) -> None:
    (violation,) = [v for v in analyzer.resource(ASSOCIATION, {**ASSOCIATED, **props}) if v.mandatory]
    assert violation.finding.startswith(f"{next(iter(props))}: ")
    assert not re.search("[a-z]_[a-z]", violation.finding.partition(" See ")[0])


def test_only_whole_names_of_arguments_are_renamed() -> None:
    names = {"role": "Role", "role_arn": "roleArn", "target_role_arn": "targetRoleArn"}
    text = "role, role_arn and target_role_arn; not roles, my_role_arn or role_arns"
    told = renamed(rules.Finding("x", "role_arn[0].role", None, text, text), names)
    assert told.property == "roleArn[0].role"
    assert told.fix == told.reason == "Role, roleArn and targetRoleArn; not roles, my_role_arn or role_arns"


def test_what_is_secret_is_not_shown(analyzer: Analyzer) -> None:
    policy = document(allow("s3:GetObjct", "arn:aws:s3:::hunter2/*"))
    (violation,) = of("iam-action", analyzer.resource(POLICY, {"policy": secret(policy)}))
    assert "hunter2" not in violation.message


def test_types_that_no_policy_is_about_pass(analyzer: Analyzer) -> None:
    assert analyzer.resource("random:index/randomPet:RandomPet", {"a": UNKNOWN, "b": {"c": [1]}}) == []


def test_the_policies_say_what_they_are_called_elsewhere(analyzer: Analyzer) -> None:
    about = {policy.name: policy for policy in analyzer.policies}
    assert about["cluster-endpoint-world"].tags == ["CIS-EKS-5.4.1", "CKV_AWS_38", "EKS.1"]
    framework = about["cluster-endpoint-world"].framework
    assert framework is not None
    assert (framework.name, framework.version, framework.reference) == ("CIS Amazon EKS Benchmark", "1.8.0", "5.4.1")
    known_elsewhere = [policy for policy in analyzer.policies if policy.tags]
    assert len(known_elsewhere) >= 25


def test_unknown_parts_of_a_cluster_are_told_once(analyzer: Analyzer) -> None:
    analyzer.resource(CLUSTER, {"version": UNKNOWN, "vpcConfig": UNKNOWN}, "one")
    analyzer.resource(POD, {"spec": UNKNOWN}, "two")
    analyzer.resource(ASSOCIATION, {**ASSOCIATED, "roleArn": UNKNOWN}, "three")
    (summary,) = of("summary", analyzer.stack([]))
    assert "one (aws:eks/cluster:Cluster): version, vpcConfig" in summary.message
    assert "two (kubernetes:core/v1:Pod): spec" in summary.message
    assert "three (" in summary.message
    assert not summary.mandatory
    assert analyzer.stack([]) == []
