"""Component packages and policy packs in Python source, started by the language host for the real engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from tests.twin.toolchain.conftest import Project

MakeProject = Callable[..., Project]

RUNTIME = json.dumps({"name": "python", "options": {"virtualenv": sys.prefix}})

COMPONENT = {
    "shouting/PulumiPlugin.yaml": f"name: shouting\nruntime: {RUNTIME}\n",
    "shouting/__main__.py": """\
        from pulumi.provider.experimental import component_provider_host

        from voice import Voice

        if __name__ == "__main__":
            component_provider_host(name="shouting", components=[Voice])
    """,
    # A module beside the plugin's __main__.py, as plugins have.
    "shouting/voice.py": """\
        from typing import TypedDict
        import pulumi

        class VoiceArgs(TypedDict):
            text: pulumi.Input[str]

        class Voice(pulumi.ComponentResource):
            loud: pulumi.Output[str]

            def __init__(self, name: str, args: VoiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
                super().__init__("shouting:index:Voice", name, {}, opts)
                self.loud = pulumi.Output.from_input(args["text"]).apply(str.upper)
                self.register_outputs({"loud": self.loud})
    """,
}

USES_COMPONENT = """\
    import pulumi

    class Voice(pulumi.ComponentResource):
        loud: pulumi.Output[str]
        def __init__(self, name, text):
            super().__init__("shouting:index:Voice", name, {"text": text, "loud": None}, None, True)

    pulumi.export("loud", Voice("voice", "hello").loud)
"""

PACK = {
    "policies/PulumiPolicy.yaml": f"runtime: {RUNTIME}\nversion: 0.1.0\n",
    "policies/__main__.py": """\
        from pulumi_policy import PolicyPack
        from judging import policies

        PolicyPack(name="pack", policies=policies)
    """,
    "policies/judging.py": """\
        import pulumi
        from pulumi_policy import EnforcementLevel, ResourceValidationPolicy, StackValidationPolicy

        def names(args, report_violation):
            if args.name == "forbidden":
                report_violation(f"may not be called {args.name}")

        def count(args, report_violation):
            limit = pulumi.Config("project").require_int("limit")
            components = [resource for resource in args.resources if resource.resource_type == "project:index:Thing"]
            if len(components) > limit:
                report_violation(f"{len(components)} things in {pulumi.get_stack()}, allowed are {limit}")

        policies = [
            ResourceValidationPolicy(
                name="names", description="Names.", validate=names, enforcement_level=EnforcementLevel.MANDATORY
            ),
            StackValidationPolicy(
                name="count", description="Number.", validate=count, enforcement_level=EnforcementLevel.MANDATORY
            ),
        ]
    """,
}

THINGS = """\
    import pulumi

    class Thing(pulumi.ComponentResource):
        def __init__(self, name):
            super().__init__("project:index:Thing", name)

    for name in pulumi.Config().require("names").split(","):
        Thing(name)
"""


def test_the_schema_of_a_component_package(project: MakeProject) -> None:
    stack = project(None, **COMPONENT)
    schema, _ = json.JSONDecoder().raw_decode(stack.run("package", "get-schema", "./shouting"))
    assert list(schema["resources"]) == ["shouting:index:Voice"]
    assert schema["resources"]["shouting:index:Voice"]["requiredInputs"] == ["text"]


def test_a_program_uses_a_component_package(project: MakeProject) -> None:
    stack = project(USES_COMPONENT, **COMPONENT)
    manifest = json.loads((stack.folder / "Pulumi.yaml").read_text())
    manifest["plugins"] = {"providers": [{"name": "shouting", "path": "./shouting"}]}
    stack.write({"Pulumi.yaml": json.dumps(manifest)})
    stack.run("preview")
    stack.run("up", "--yes", "--skip-preview")
    assert stack.outputs() == {"loud": "HELLO"}


def test_a_package_without_a_program_is_explained(project: MakeProject) -> None:
    stack = project(None, **{"empty/PulumiPlugin.yaml": COMPONENT["shouting/PulumiPlugin.yaml"]})
    assert "has no __main__.py" in stack.run("package", "get-schema", "./empty", code=1)


@pytest.mark.parametrize(
    ("command", "names", "violation"),
    [
        (["preview"], "first,second", None),
        (["preview"], "first,forbidden", "may not be called forbidden"),
        (["preview"], "first,second,third", "3 things in test, allowed are 2"),
        (["up", "--yes", "--skip-preview"], "first,forbidden", "may not be called forbidden"),
    ],
)
def test_a_policy_pack_sees_the_configuration_and_blocks(
    project: MakeProject, command: list[str], names: str, violation: str | None
) -> None:
    stack = project(THINGS, **PACK)
    stack.run("config", "set-all", "--plaintext", f"names={names}", "--plaintext", "limit=2")
    said = stack.run(*command, "--policy-pack", "policies", code=1 if violation else 0)
    assert "pack@v0.1.0" in said
    if violation:
        assert violation in said
        assert "[mandatory]" in said


def test_a_policy_pack_that_does_not_start_fails_the_command(project: MakeProject) -> None:
    stack = project(THINGS, **{**PACK, "policies/judging.py": "raise RuntimeError('no judgement today')\n"})
    stack.run("config", "set", "names", "first")
    said = stack.run("preview", "--policy-pack", "policies", code=None)
    assert "no judgement today" in said
    assert "1 to create" not in said


def test_code_generation_is_refused_with_the_way_out(project: MakeProject) -> None:
    stack = project("", **COMPONENT)
    said = stack.run("package", "gen-sdk", "./shouting", "--language", "python", "--out", "sdk", code=1)
    assert "https://www.pulumi.com/docs/install/" in said
