"""What may be said of workloads: tables of what is found, defaults and their precedence, and properties that hold."""

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import _workloads, presets
from components.rules import UNKNOWN, Severity
from tests.unit.presets.scopes import ACCOUNT, scopes

CLUSTERS = ["prod", "test"]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pods"
TARGET = "arn:aws:iam::444455556666:role/data"
READ = [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::data/*"}]
SESSION_POLICY = json.dumps({"Version": "2012-10-17", "Statement": READ})
SHOP = {"namespace": "shop", "service_account": "cart"}
ZONES = {"hosted_zone_arns": ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]}


class Later:
    """Looks like an Output, as far as anything without Pulumi can tell."""

    def apply(self) -> None: ...


def found(workloads: Any, defaults: Any = None, clusters: Any = CLUSTERS) -> set[tuple[str, str]]:
    judgement = _workloads.judge(workloads, {} if defaults is None else defaults, clusters)
    return {(finding.rule, finding.property) for finding in judgement.findings}


def of_one(**workload: Any) -> set[tuple[str, str]]:
    return {(rule, prop.removeprefix("workloads.w.")) for rule, prop in found({"w": {**SHOP, **workload}})}


@pytest.mark.parametrize(
    "workload",
    [
        {"statements": READ},
        {"managed_policy_arns": {"read": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}},
        {"role_arn": ROLE},
        {"target_role_arn": TARGET},
        {"role_arn": ROLE, "target_role_arn": TARGET},
        {"preset": "external-dns", "scope": ZONES},
        {"preset": "external-dns", "scope": ZONES, "addon": "external-dns"},
        {"statements": READ, "addon": "some-addon"},
        {"statements": READ, "clusters": ["test"]},
        {"statements": READ, "create_service_account": False},
        {"statements": READ, "namespace": "kube-system"},
        {"statements": READ, "former_name": "old"},
        {"statements": READ, "disable_session_tags": True, "session_policy": SESSION_POLICY},
        {"statements": Later()},
        {"role_arn": Later()},
        {"statements": READ, "tags": {"a": Later()}},
    ],
)
def test_what_is_right(workload: dict[str, Any]) -> None:
    assert of_one(**workload) == set()


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ({}, {("workload-role", "preset")}),
        ({"statments": READ}, {("workload-field", "statments")}),
        ({"statements": READ, 5: 1}, {("workload-field", "5")}),
        ({"preset": "external-dns", "scope": ZONES, "statements": READ}, {("workload-role", "statements")}),
        ({"role_arn": ROLE, "statements": READ}, {("workload-role", "statements")}),
        ({"role_arn": ROLE, "preset": "keda"}, {("workload-role", "preset")}),
        ({"role_arn": ROLE, "target_role_arn": ROLE}, {("chaining-self", "target_role_arn")}),
        ({"role_arn": "pods"}, {("role-arn", "role_arn")}),
        ({"statements": READ, "scope": {}}, {("workload-role", "scope")}),
        ({"preset": "external-dsn"}, {("preset-name", "preset")}),
        ({"preset": ["external-dns"]}, {("preset-name", "preset")}),
        ({"preset": "external-dns"}, {("preset-scope-missing", "scope.hosted_zone_arns")}),
        ({"statements": READ, "clusters": []}, {("workload-cluster", "clusters")}),
        ({"statements": READ, "clusters": "prod"}, {("workload-cluster", "clusters")}),
        ({"statements": READ, "clusters": ["prod", "dev", 3]}, {("workload-cluster", "clusters[1]"), ("workload-cluster", "clusters[2]")}),
        ({"statements": READ, "namespace": "kube-system", "create_namespace": True}, {("workload-namespace", "create_namespace")}),
        ({"statements": READ, "create_namespace": True, "create_service_account": False}, {("service-account-missing", "create_service_account")}),
        ({"statements": READ, "namespace": "Shop"}, {("namespace-name", "namespace")}),
        ({"statements": READ, "service_account": None}, {("workload", "service_account")}),
        ({"statements": READ, "service_account": Later()}, {("workload-plain", "service_account")}),
        ({"preset": Later()}, {("workload-plain", "preset"), ("preset-name", "preset")}),
        ({"statements": READ, "session_policy": SESSION_POLICY}, {("session-policy-tags", "session_policy")}),
        ({"statements": READ, "tags": "team"}, {("tags", "tags")}),
        ({"statements": READ, "tags": {1: "a"}}, {("tags", "tags.1")}),
        ({"managed_policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}, {("managed_policy_arns", "managed_policy_arns")}),
        ({"managed_policy_arns": {"policy": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}}, {("workload-name", "managed_policy_arns.policy")}),
        ({"statements": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{n:060}/*" for n in range(99)]}]}, {("document-size", "statements")}),
        ({"statements": READ, "former_name": "w"}, {("workload-name", "former_name")}),
        ({"statements": READ, "former_name": "W!"}, {("workload-name", "former_name")}),
        ({"preset": "external-dns", "scope": ZONES, "addon": "vpc-cni"}, {("workload-addon", "addon")}),
        ({"preset": "keda", "scope": scopes()["keda"], "addon": "keda"}, {("workload-addon", "addon")}),
        ({"statements": READ, "addon": "no such"}, {("addon-name", "addon")}),
        ({"statements": READ, "addon": "some-addon", "target_role_arn": TARGET}, {("workload-addon", "target_role_arn")}),
        ({"statements": READ, "allow": {"iam-boundaries": "x"}}, {("allow", "allow.iam-boundaries")}),
        ({"statements": READ, "allow": {"iam-service-wildcard": "it is ours"}}, {("allow-unneeded", "allow.iam-service-wildcard")}),
    ],
)  # fmt: skip
def test_what_is_wrong(workload: dict[Any, Any], expected: set[tuple[str, str]]) -> None:
    given = {**SHOP, **workload}
    assert {(rule, prop.removeprefix("workloads.w.")) for rule, prop in found({"w": given})} == expected


@pytest.mark.parametrize(
    ("workloads", "defaults", "expected"),
    [
        ([], {}, {("workload", "workloads")}),
        ({}, [], {("workload", "defaults")}),
        ({}, {"statments": READ}, {("workload-field", "defaults.statments")}),
        ({"w": "x"}, {}, {("workload", "workloads.w")}),
        ({"My W": {}, 5: {}}, {}, {("workload-name", "workloads.My W"), ("workload-name", "workloads.5")}),
    ],
)
def test_what_cannot_be_understood(workloads: Any, defaults: Any, expected: set[tuple[str, str]]) -> None:
    assert found(workloads, defaults) == expected


def test_everything_wrong_is_said_at_once() -> None:
    workloads = {
        "a": {**SHOP, "statements": READ, "namespace": "Shop"},
        "b": {**SHOP, "preset": "external-dsn"},
        "c": {**SHOP, "statements": READ, "clusters": ["dev"]},
    }
    assert found(workloads) == {
        ("namespace-name", "workloads.a.namespace"),
        ("preset-name", "workloads.b.preset"),
        ("workload-cluster", "workloads.c.clusters[0]"),
    }


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (SHOP, SHOP, {("association-duplicate", "workloads.b.service_account")}),
        ({**SHOP, "clusters": ["prod"]}, {**SHOP, "clusters": ["test"]}, set()),
        ({**SHOP, "clusters": ["prod", "test"]}, {**SHOP, "clusters": ["test"]}, {("association-duplicate", "workloads.b.service_account")}),
        (SHOP, {**SHOP, "namespace": "other"}, set()),
        (SHOP, {**SHOP, "service_account": "b", "pod_security_standard": "baseline"}, {("workload-namespace", "workloads.b.pod_security_standard")}),
        ({**SHOP, "former_name": "b"}, {**SHOP, "service_account": "b"}, {("workload-name", "workloads.a.former_name")}),
        ({**SHOP, "former_name": "x"}, {**SHOP, "service_account": "b", "former_name": "x"}, {("workload-name", "workloads.b.former_name")}),
    ],
)  # fmt: skip
def test_two_together(a: Any, b: Any, expected: set[tuple[str, str]]) -> None:
    assert found({"a": a, "b": b}, {"statements": READ}) == expected


def test_names_of_two_parts_that_come_to_the_same() -> None:
    workloads = {
        "a": {**SHOP, "statements": READ, "clusters": ["b-c"]},
        "a-b": {**SHOP, "service_account": "other", "statements": READ, "clusters": ["c"]},
    }
    assert found(workloads, clusters=["b-c", "c"]) == {("workload-name", "workloads.a-b.clusters.c")}


def test_five_thousand_is_the_most_of_a_cluster() -> None:
    def many(number: int) -> dict[str, Any]:
        return {f"w{n}": {"service_account": f"w{n}", "clusters": ["prod"]} for n in range(number)}

    defaults = {"namespace": "many", "role_arn": ROLE}
    assert found(many(5_000), defaults) == set()
    assert found(many(5_001), defaults) == {("associations-per-cluster", "workloads")}
    spread = {key: {**workload, "clusters": [CLUSTERS[int(key[1:]) % 2]]} for key, workload in many(5_001).items()}
    assert found(spread, defaults) == set()


def test_allow_lets_pass_what_it_names_and_keeps_the_reason() -> None:
    wide = [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::data/*"}]
    assert of_one(statements=wide) == {("iam-service-wildcard", "statements[0].Action[0]")}
    allow = {"iam-service-wildcard": "the bucket is its own"}
    judgement = _workloads.judge({"w": {**SHOP, "statements": wide, "allow": allow}}, {}, CLUSTERS)
    assert judgement.findings == []
    assert [(f.rule, reason) for f, reason in judgement.allowed] == [("iam-service-wildcard", "the bucket is its own")]


def test_an_allowance_by_default_need_not_be_needed_by_each() -> None:
    assert found({"w": {**SHOP, "statements": READ}}, {"allow": {"iam-service-wildcard": "ours"}}) == set()


@pytest.mark.parametrize(
    ("given_", "defaults", "expected"),
    [
        ({"tags": {"a": "own"}}, {"tags": {"a": "default", "b": "default"}}, {"tags": {"a": "own", "b": "default"}}),
        ({}, {"namespace": "apps"}, {"namespace": "apps"}),
        ({"namespace": "own"}, {"namespace": "apps"}, {"namespace": "own"}),
        ({"path": None}, {"path": "/apps/"}, {"path": ...}),
        ({"tags": None}, {"tags": {"a": "b"}}, {"tags": {"a": "b"}}),
        ({"role_arn": ROLE}, {"path": "/apps/", "statements": READ, "tags": {"a": "b"}}, {"path": ..., "statements": ..., "tags": {"a": "b"}}),
        ({"statements": READ}, {"preset": "keda", "scope": {}}, {"preset": ..., "scope": ..., "statements": READ}),
        ({"preset": "keda"}, {"role_arn": ROLE}, {"role_arn": ..., "preset": "keda"}),
        ({"addon": "x"}, {"create_namespace": True, "disable_session_tags": True}, {"create_namespace": False, "disable_session_tags": ...}),
        ({"preset": "external-dns"}, {}, {"namespace": "external-dns", "service_account": "external-dns"}),
        ({"preset": "external-dns"}, {"namespace": "dns"}, {"namespace": "dns", "service_account": "external-dns"}),
        ({}, {}, {"clusters": CLUSTERS, "create_namespace": ..., "create_service_account": True}),
        ({"namespace": "kube-system"}, {}, {"create_namespace": False, "create_service_account": True}),
        ({"namespace": "a", "create_service_account": False}, {}, {"create_namespace": False}),
    ],
)  # fmt: skip
def test_defaults(given_: dict[str, Any], defaults: dict[str, Any], expected: dict[str, Any]) -> None:
    """`...` stands for a field that is not there."""
    if expected.get("create_namespace") is ...:
        expected = {**expected, "create_namespace": True}
    done = _workloads.complete({"w": given_}, defaults, CLUSTERS)["w"]
    assert {field: done.get(field, ...) for field in expected} == expected


def test_every_preset_can_be_had_in_one_line() -> None:
    workloads = {
        name: {"preset": name, "scope": scope, **({} if presets.PRESETS[name].service_account else SHOP)}
        for name, scope in scopes().items()
    }
    problems = {prop for rule, prop in found(workloads, clusters=["prod"]) if rule != "association-duplicate"}
    assert problems == set()


def test_pulumi_outputs_are_told_from_values() -> None:
    assert _workloads.is_later(pulumi.Output) is True  # the class has `apply` as its instances have
    assert not any(map(_workloads.is_later, ("x", 5, None, True, [], {})))
    assert _workloads.plain({"a": (1, Later())}) == {"a": [1, UNKNOWN]}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORKLOADS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True),
    st.dictionaries(st.sampled_from(sorted(_workloads.FIELDS)), VALUES, max_size=6),
    max_size=4,
)


@given(WORKLOADS, st.dictionaries(st.sampled_from(sorted(_workloads.FIELDS)), VALUES, max_size=4))
def test_nothing_that_can_be_written_makes_it_crash(workloads: Any, defaults: Any) -> None:
    for finding in _workloads.judge(workloads, defaults, CLUSTERS).findings:
        assert str(finding)


@given(WORKLOADS, st.randoms())
def test_the_order_of_a_mapping_says_nothing(workloads: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    other = shuffled(workloads)
    one, two = (_workloads.judge(w, {}, CLUSTERS) for w in (workloads, other))
    assert sorted((f.rule, f.property) for f in one.findings) == sorted((f.rule, f.property) for f in two.findings)
    if not any(finding.severity is Severity.ERROR for finding in one.findings):
        completed = _workloads.complete(workloads, {}, CLUSTERS)
        assert list(completed.items()) == list(_workloads.complete(other, {}, CLUSTERS).items())


@given(st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.sampled_from(["x", "y", "z"]), max_size=6))
def test_no_two_share_a_service_account_where_nothing_is_found(accounts: dict[str, str]) -> None:
    workloads = {key: {**SHOP, "service_account": account, "role_arn": ROLE} for key, account in accounts.items()}
    duplicated = len(set(accounts.values())) < len(accounts)
    assert any(rule == "association-duplicate" for rule, _ in found(workloads)) is duplicated
