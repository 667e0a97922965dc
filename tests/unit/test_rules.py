"""The rules by table and by hypothesis: what is right passes, what is wrong is found, unknown values are neither."""

import ipaddress
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components import rules
from components.rules import UNKNOWN

RULES = [rules.network, rules.cluster, rules.agent, rules.role, rules.association]


TODAY = date(2026, 11, 25)


def parameters(rule: Any) -> list[str]:
    """What a rule judges; the day on which it does is no part of that."""
    return [name for name in rule.__kwdefaults__ if name != "today"]


def properties(findings: list[rules.Finding]) -> set[str]:
    return {finding.property for finding in findings}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@given(data=st.data())
def test_no_value_whatever_crashes_a_rule(rule: Any, data: st.DataObject) -> None:
    arguments = {name: data.draw(anything, label=name) for name in parameters(rule)}
    for finding in rule(**arguments):
        assert finding.property.split("[")[0].split(".")[0] in arguments
        assert finding.reason
        assert finding.fix
        assert str(finding)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_unknown_and_missing_values_are_no_findings(rule: Any) -> None:
    assert rule() == []
    assert rule(**dict.fromkeys(parameters(rule), UNKNOWN)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@given(data=st.data())
def test_an_unknown_value_never_hides_what_is_wrong_with_another(rule: Any, data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from(["tags", "cluster_name", "cidr", "role_name"]))
    assume(bad in parameters(rule))
    arguments = {name: UNKNOWN for name in parameters(rule)} | {bad: {"aws:x": "y"} if bad == "tags" else "/"}
    assert rule(**arguments)


def test_unknown_is_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(UNKNOWN)


# Network -------------------------------------------------------------------------------------------------------------


@given(st.integers(16, 22), st.integers(2, 6), st.integers(0, 2**16 - 1))
def test_a_vpc_cut_into_equal_parts_passes(prefix: int, zones: int, seed: int) -> None:
    vpc = ipaddress.ip_network(
        (int(ipaddress.IPv4Address("10.0.0.0")) + (seed << 16) % (1 << 24), prefix), strict=False
    )
    parts = [str(part) for part, _ in zip(vpc.subnets(new_prefix=prefix + 4), range(2 * zones), strict=False)]
    assert rules.network(cidr=str(vpc), private_subnet_cidrs=parts[:zones], public_subnet_cidrs=parts[zones:]) == []


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"cidr": "10.0.0.0/8"}, {"cidr"}),
        ({"cidr": "10.0.0.1/16"}, {"cidr"}),
        ({"cidr": 10}, {"cidr"}),
        ({"cidr": "fd00::/56"}, {"cidr"}),
        ({"cidr": "10.0.0.0/16", "private_subnet_cidrs": ["10.0.1.0/24", "10.1.1.0/24"]}, {"private_subnet_cidrs[1]"}),
        ({"private_subnet_cidrs": ["10.0.1.0/24"]}, {"private_subnet_cidrs"}),
        ({"private_subnet_cidrs": "10.0.1.0/24"}, {"private_subnet_cidrs"}),
        (
            {"private_subnet_cidrs": ["10.0.1.0/24", "10.0.2.0/24"], "public_subnet_cidrs": ["10.0.2.0/25", "10.0.3.0/24"]},
            {"public_subnet_cidrs[0]"},
        ),
        ({"availability_zones": ["eu-west-1a", "eu-west-1a"]}, {"availability_zones[1]"}),
        ({"availability_zones": ["eu-west-1a", "eu-west-1-lhr-1a"]}, {"availability_zones[1]"}),
        ({"nat_gateways": "none"}, {"nat_gateways"}),
        ({"cidr": UNKNOWN, "private_subnet_cidrs": [UNKNOWN, "10.0.0.0/40"]}, {"private_subnet_cidrs[1]"}),
    ],
)  # fmt: skip
def test_networks_that_cannot_be(arguments: dict[str, Any], found: set[str]) -> None:
    assert properties(rules.network(**arguments)) == found


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (rules.judge_cluster_name, ["demo", "D_1-x", "a" * 100], ["", "-a", "a b", "a" * 101, "é", "a\n", 7]),
        (rules.judge_namespace, ["demo-ns", "a", "0", "a" * 63], ["Demo", "-a", "a-", "a.b", "a" * 64, "", "a\n"]),
        (rules.judge_service_account, ["demo-sa", "a.b-c", "a" * 253], ["A", "a..b", ".a", "a_", "a" * 254, "", "a\n"]),
        (
            rules.judge_role_arn,
            ["arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/p/q/a+b"],
            ["a", "arn:aws:iam::123456789012:user/a", "arn:aws:iam::12345678901:role/a", "arn:aws:iam::123456789012:role/"],
        ),
        (
            lambda value: rules.judge_cluster_arn(value, "arn"),
            ["arn:aws:eks:eu-west-1:123456789012:cluster/demo", "arn:aws-us-gov:eks:us-gov-west-1:123456789012:cluster/d"],
            ["arn:aws:eks:eu-west-1:123456789012:cluster/*", "arn:aws:eks:*:123456789012:cluster/d", "demo"],
        ),
        (
            lambda value: rules.judge_kubernetes_version(value, today=TODAY),
            ["1.37", "1.36", "1.35", "1.34"],
            ["1.33", "1.31", "1.28", "1.36.1", "", "latest", 1.36, "1.38", ["1.36"]],
        ),
    ],
)  # fmt: skip
def test_names(judge: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if judge(value)] == []
    assert [value for value in bad if not judge(value)] == []


@given(st.from_regex(r"/([a-z0-9-]{1,10}/){0,5}", fullmatch=True))
def test_paths(path: str) -> None:
    assert rules.role(path=path) == []
    assert properties(rules.role(path=path + "x")) == {"path"}


def test_a_path_has_its_length_counted() -> None:
    assert properties(rules.role(path="/" + "a" * 511 + "/")) == {"path"}


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_.:/=+@-]{1,128}", fullmatch=True), st.text("ab -_", max_size=256), max_size=50
    )
)
def test_tags_that_aws_takes(tags: dict[str, str]) -> None:
    assume(not any(key.lower().startswith("aws:") for key in tags))
    assert rules.judge_tags(tags) == []


@pytest.mark.parametrize(
    "tags", [{"aws:x": "1"}, {"AWS:x": "1"}, {"": "1"}, {"a" * 129: "1"}, {"a": "b" * 257}, {"a": 1}, ["a"], {str(i): "" for i in range(51)}]
)  # fmt: skip
def test_tags_that_aws_refuses(tags: Any) -> None:
    assert rules.judge_tags(tags)


@pytest.mark.parametrize(
    ("name", "right"), [("my-bucket", True), ("my-*", True), ("*", False), ("B", False), ("a b", False)]
)
def test_bucket_patterns(name: str, right: bool) -> None:
    assert (rules.judge_bucket_patterns([name], "buckets") == []) is right


# Nodes ---------------------------------------------------------------------------------------------------------------


@given(st.integers(-2, 460), st.integers(-2, 460), st.integers(-2, 460))
def test_sizes_pass_when_they_are_in_order(low: int, desired: int, high: int) -> None:
    right = 0 <= low <= desired <= high <= 450 and high >= 1
    assert (rules.cluster(node_min_size=low, node_desired_size=desired, node_max_size=high) == []) is right


@pytest.mark.parametrize("size", [True, "3", 2.5, None])
def test_a_size_is_a_number(size: Any) -> None:
    assert bool(rules.cluster(node_max_size=size)) is (size is not None)


def test_a_number_that_came_through_the_engine_is_one() -> None:
    assert rules.cluster(node_max_size=3.0) == []


def test_amazon_linux_2_is_gone() -> None:
    (finding,) = rules.cluster(node_ami_type="AL2_x86_64")
    assert "2025-11-26" in finding.reason
    assert "AL2023" in finding.fix


# How a finding reads ---------------------------------------------------------------------------------------------------


def test_a_finding_says_key_value_reason_fix_rule_and_page() -> None:
    (finding,) = rules.cluster(kubernetes_version="1.28", today=TODAY)
    assert str(finding) == (
        'kubernetes_version = "1.28": EKS does not support this version any more, if it ever did. '
        "Use one of 1.37, 1.36, 1.35, 1.34. [kubernetes-version] "
        "See https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html"
    )
