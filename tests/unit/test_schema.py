"""The public interface of the Pulumi package: its schema, and how arguments come in from programs in other languages."""

import asyncio
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.errors import InputPropertiesError

import components
from components import __main__ as plugin
from components._version import VERSION

GOLDEN = Path(components.__file__).with_name("schema.json")

REQUIRED = {
    "DemoApp": {"associationId", "namespace", "roleArn", "serviceAccount"},
    "EksAddon": {"addonName", "clusterName"},
    "EksCluster": {"clusterName", "privateSubnetIds", "vpcId"},
    "ExistingCluster": {"clusterName"},
    "GitHubDelivery": {"clusterNames", "namePrefixes", "repository"},
    "Network": set(),
    "PodIdentities": {"clusterArns", "clusterNames", "workloads"},
    "PodIdentity": {"clusterArn", "clusterName"},
    "PodIdentityAgent": {"clusterName"},
    "PodIdentityAssociation": {"clusterName", "namespace", "roleArn", "serviceAccount"},
    "PodIdentityRole": {"clusterArns"},
}
"""The components, and what programs have to give them: one more, or one component less, breaks those that exist."""


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """An event loop of the test's own: other tests of the same process leave none behind."""
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    yield
    own.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def provider() -> plugin.Components:
    return plugin.provider()


@pytest.fixture(scope="module")
def schema(provider: plugin.Components) -> dict[str, Any]:
    return json.loads(provider.schema or "")


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every argument and output of every component, with where it stands."""
    for token, resource in schema["resources"].items():
        for kind in ("inputProperties", "properties"):
            for name, prop in resource[kind].items():
                yield f"{token}.{kind}.{name}", prop


def test_the_golden_schema_is_current(schema: dict[str, Any]) -> None:
    assert json.loads(GOLDEN.read_text()) == schema, "look at the difference, then run: python -m docs.generate"


def test_names_and_required_arguments_are_stable(schema: dict[str, Any]) -> None:
    assert (schema["name"], schema["version"]) == ("eks-pod-identity", VERSION)
    required = {token: set(resource.get("requiredInputs", ())) for token, resource in schema["resources"].items()}
    assert required == {f"eks-pod-identity:index:{name}": inputs for name, inputs in REQUIRED.items()}


def test_every_component_that_can_be_imported_is_in_the_plugin(schema: dict[str, Any]) -> None:
    public = [getattr(components, name) for name in components.__all__]
    named = {one.__name__ for one in public if inspect.isclass(one) and issubclass(one, pulumi.ComponentResource)}
    assert {token.rpartition(":")[2] for token in schema["resources"]} == named


def test_every_argument_and_output_is_described(schema: dict[str, Any]) -> None:
    assert [where for where, prop in properties(schema) if not prop.get("description")] == []
    assert [token for token, resource in schema["resources"].items() if not resource.get("description")] == []
    # Markdown would take a docstring's indentation for code.
    assert "\\n    " not in json.dumps(schema)


def test_outputs_can_always_be_relied_on(schema: dict[str, Any]) -> None:
    for token, resource in schema["resources"].items():
        assert set(resource["required"]) == set(resource["properties"]), token


def test_whole_numbers_come_in_whole(provider: plugin.Components) -> None:
    definition = provider._component_defs["PodIdentityAssociation"]
    given = {"clusterName": "c", "namespace": "n", "roleArn": "r", "serviceAccount": "s", "readyTimeout": 60.0}
    mapped = provider.map_inputs(given, definition)
    assert mapped["ready_timeout"] == 60
    assert type(mapped["ready_timeout"]) is int


@pytest.mark.parametrize(
    ("value", "whole"),
    [(1.0, "1"), (1.5, "1.5"), (True, "true"), ("1.0", '"1.0"'), ([{"a": 2.0}], '[{"a": 2}]'), (None, "null")],
)
def test_whole_numbers_deep_inside_are_whole_too(value: Any, whole: str) -> None:
    assert json.dumps(plugin._whole(value)) == whole


def test_a_whole_number_that_comes_later_is_taken(provider: plugin.Components) -> None:
    definition = provider._component_defs["PodIdentityRole"]
    later: pulumi.Output[Any] = pulumi.Output.from_input(7200.0)
    mapped = provider.map_inputs({"clusterArns": [], "maxSessionDuration": later}, definition)
    assert isinstance(mapped["max_session_duration"], pulumi.Output)


def test_what_is_wrong_with_arguments_is_said_by_argument(provider: plugin.Components) -> None:
    inputs = {"clusterName": "no such name", "addonVersion": "newest"}
    with pytest.raises(InputPropertiesError) as caught:
        provider.construct("agent", "eks-pod-identity:index:PodIdentityAgent", inputs)
    assert caught.value.message == "PodIdentityAgent 'agent': 2 problems"
    found = {error["property_path"]: error["reason"] for error in caught.value.errors or []}
    assert set(found) == {"clusterName", "addonVersion"}
    assert "[cluster-name]" in found["clusterName"]
