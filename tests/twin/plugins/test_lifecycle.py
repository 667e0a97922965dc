"""Every resource type through its whole life, against the endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from local.plugins.aws.package import AwsPackage
from local.plugins.base.properties import inputs_of
from local.plugins.base.wire import UNKNOWN, Values

from .cases import CASES, Case
from .conftest import Surroundings
from .driver import Driver, Made, without_notes

PACKAGE = AwsPackage()
SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE


def assert_no_diff(plugin: Driver, made: Made, inputs: Values, when: str) -> None:
    diff = plugin.diff(made, inputs)
    assert diff.changes == NONE, f"{when}: {[*diff.detailedDiff]}"


def changed(inputs: Values, change: Values) -> Values:
    return {key: value for key, value in {**inputs, **change}.items() if value is not None}


def test_every_type_has_a_case() -> None:
    assert {case.token for case in CASES} == PACKAGE.resources.keys()


def test_every_property_that_replaces_has_a_case_or_none_of_its_kind() -> None:
    for case in CASES:
        replacing = {name for name, declared in PACKAGE.resources[case.token].properties.items() if declared.replace}
        assert case.replacements.keys() & {*replacing, "version", "instanceTenancy"}, case.token


@pytest.mark.parametrize("case", CASES, ids=str)
def test_life(case: Case, plugin: Driver, around: Surroundings) -> None:
    inputs = case.inputs(around)
    name = around.unique("life")

    shown = plugin.preview(case.token, name, inputs)
    made = plugin.create(case.token, name, inputs)
    assert made.id
    known = {key: value for key, value in shown.items() if not _has_unknown(value)}
    assert {key: made.state.get(key) for key in known} == known, "what a preview shows is what comes"
    outputs = {key for key, declared in PACKAGE.resources[case.token].properties.items() if declared.output}
    assert outputs <= made.state.keys() | {"ipv6AssociationId"}
    assert_no_diff(plugin, made, made.inputs, "after creation")

    refreshed = plugin.read(made)
    assert refreshed is not None
    assert refreshed.state == made.state
    assert refreshed.inputs == made.inputs

    for step in case.updates:
        change = step(around) if callable(step) else step
        inputs = changed(inputs, change)
        checked, _ = plugin.check(case.token, name, inputs, olds=made.inputs)
        diff = plugin.diff(made, checked)
        assert diff.changes == SOME, change
        assert not diff.replaces, change
        assert set(diff.diffs) <= {*change, "tagsAll"}, change
        expected = plugin.update(made, inputs, preview=True)
        made = plugin.update(made, inputs)
        for key, value in expected.state.items():
            if not _has_unknown(value):
                assert made.state.get(key) == value, f"{key} of {change}"
        assert_no_diff(plugin, made, made.inputs, f"after {change}")
        refreshed = plugin.read(made)
        assert refreshed is not None
        assert refreshed.state == made.state, change
        assert refreshed.inputs == made.inputs, change

    for key, value in case.replacements.items():
        checked, _ = plugin.check(case.token, name, changed(made.inputs, {key: value}), olds=made.inputs)
        replaced = plugin.diff(made, checked)
        assert any(path.startswith(key) for path in replaced.replaces), key

    imported = plugin.import_(case.token, name, case.import_id(made))
    assert imported is not None
    assert imported.id == made.id or case.changes_id
    checked, _ = plugin.check(case.token, name, imported.inputs)
    assert_no_diff(plugin, imported, checked, "after import")
    # What was imported is the resource: the program that made it has nothing to change but what no API returns.
    diff = plugin.diff(imported, made.inputs)
    assert set(diff.diffs) <= case.not_imported
    assert not diff.replaces
    readable = inputs_of(PACKAGE.resources[case.token].properties).keys() - case.not_imported
    given = without_notes(made.inputs).keys() - set(made.inputs["__defaults"])
    assert given & readable - imported.inputs.keys() <= _default(case, made.inputs)

    plugin.delete(made)
    gone = plugin.read(made)
    assert (gone is not None) is case.survives
    plugin.delete(made)


def _has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return value is UNKNOWN


def _default(case: Case, inputs: Values) -> set[str]:
    """The inputs that say what would hold without them."""
    properties = PACKAGE.resources[case.token].properties
    return {key for key, value in without_notes(inputs).items() if not value or value == properties[key].default} | {
        "region"
    }
