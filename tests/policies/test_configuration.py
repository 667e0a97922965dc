"""Levels and exemptions, as a stack's owner sets them."""

import re
from typing import Any

import pytest
from jsonschema import Draft7Validator

from .cases import CLUSTER, NODE_GROUP
from .conftest import Analyzer, Violation, urn

SSH = {"remoteAccess": {"ec2SshKey": "k"}, "launchTemplate": {"id": "lt"}}


def judged(config: dict[str, Any], name: str = "bastion") -> tuple[list[Violation], str]:
    analyzer = Analyzer(config)
    found = [v for v in analyzer.resource(NODE_GROUP, SSH, name) if v.policy == "node-ssh"]
    told = [v.message for v in analyzer.stack([]) if v.policy == "summary"]
    return found, "\n".join(told)


@pytest.mark.parametrize(("level", "mandatory"), [("mandatory", True), ("advisory", False)])
def test_levels(level: str, mandatory: bool) -> None:
    (violation,), _ = judged({"node-ssh": {"enforcementLevel": level}})
    assert violation.mandatory is mandatory


def test_off() -> None:
    assert judged({"node-ssh": {"enforcementLevel": "disabled"}}) == ([], "")


@pytest.mark.parametrize("pattern", ["*::bastion", urn(NODE_GROUP, "bastion"), "urn:*:NodeGroup::b?stion", "*"])
def test_an_exempted_resource_passes_and_it_is_told_why(pattern: str) -> None:
    found, told = judged({"node-ssh": {"exemptions": [{"urn": pattern, "reason": "ticket 7"}]}})
    assert found == []
    assert re.search(r"node-ssh passes urn:.*::bastion: ticket 7", told)


@pytest.mark.parametrize("pattern", ["*::other", "bastion", "*::bastio", "*::BASTION"])
def test_others_do_not(pattern: str) -> None:
    found, told = judged({"node-ssh": {"exemptions": [{"urn": pattern, "reason": "ticket 7"}]}})
    assert found
    assert told == ""


@pytest.mark.parametrize(("expires", "passes"), [("2026-11-25", True), ("2026-11-24", False), ("2027-01-01", True)])
def test_an_exemption_ends_after_its_last_day(expires: str, passes: bool) -> None:
    found, _ = judged({"node-ssh": {"exemptions": [{"urn": "*", "reason": "ticket 7", "expires": expires}]}})
    assert (found == []) is passes
    if found:
        assert "expired on 2026-11-24" in found[0].message


def test_an_exemption_is_for_its_policy_alone() -> None:
    analyzer = Analyzer({"cluster-endpoint-world": {"exemptions": [{"urn": "*", "reason": "a lab"}]}})
    policies = {v.policy for v in analyzer.resource(CLUSTER, {"version": "1.28"})}
    assert "cluster-endpoint-world" not in policies
    assert "kubernetes-version" in policies


@pytest.mark.parametrize(
    ("config", "valid"),
    [
        ({}, True),
        ({"exemptions": [{"urn": "*", "reason": "r"}]}, True),
        ({"exemptions": [{"urn": "*", "reason": "r", "expires": "2027-01-01"}]}, True),
        ({"exemptions": [{"urn": "*"}]}, False),
        ({"exemptions": [{"urn": "*", "reason": ""}]}, False),
        ({"exemptions": [{"urn": "*", "reason": "r", "expires": "soon"}]}, False),
        ({"exemptions": [{"urn": "*", "reason": "r", "until": "2027-01-01"}]}, False),
        ({"exemptions": {"*": "r"}}, False),
    ],
)
def test_the_schema_that_the_engine_judges_configurations_by(config: dict[str, Any], valid: bool) -> None:
    for policy in Analyzer().policies:
        if policy.name != "summary":
            assert policy.config_schema is not None
            schema = {"type": "object", "properties": policy.config_schema.properties, "additionalProperties": False}
            assert Draft7Validator(schema).is_valid(config) is valid
