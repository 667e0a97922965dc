from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import InvalidArgs, PodIdentityAgent
from tests.unit.conftest import Deploy

ADDON = "aws:eks/addon:Addon"


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        merged: Any = {"cluster_name": "demo", **args}
        agent = PodIdentityAgent("agent", merged)
        return {"ready": agent.ready, "version": agent.addon_version, "arn": agent.addon_arn}

    return run


def test_the_add_on_of_the_blog(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    addon = made.only(ADDON).inputs
    assert (addon["clusterName"], addon["addonName"]) == ("demo", "eks-pod-identity-agent")
    assert "addonVersion" not in addon  # EKS chooses the default of its Kubernetes version
    # Nor is anything else said that was not asked for: EKS does not tell it of an add-on that is adopted.
    assert not {"resolveConflictsOnCreate", "resolveConflictsOnUpdate", "preserve", "region"} & addon.keys()
    assert isinstance(made.outputs["ready"], Unknown) if preview else made.outputs["ready"] == "demo"


def test_auto_mode_has_the_agent_built_in(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(auto_mode=True), preview=preview)
    assert not made.of_type(ADDON)
    assert made.outputs == {"ready": "demo", "version": "", "arn": ""}


@pytest.mark.parametrize(("asked", "given"), [("v1.3.10-eksbuild.2",) * 2, ("latest", "v9.9.9-eksbuild.9")])
def test_versions(deploy: Deploy, preview: bool, asked: str, given: str) -> None:
    assert deploy(program(addon_version=asked), preview=preview).only(ADDON).inputs["addonVersion"] == given


def test_configuration_is_merged_and_sorted(deploy: Deploy, preview: bool) -> None:
    args: Any = {"ipv4_only": True, "configuration": {"resources": {}, "agent": {"additionalArgs": {"-v": "2"}}}}
    addon = deploy(program(**args), preview=preview).only(ADDON).inputs
    assert addon["configurationValues"] == (
        '{"agent":{"additionalArgs":{"-b":"169.254.170.23","-v":"2"}},"resources":{}}'
    )


def test_taking_over_is_asked_for(deploy: Deploy) -> None:
    addon = deploy(program(overwrite=True, preserve=True)).only(ADDON).inputs
    assert addon["resolveConflictsOnCreate"] == addon["resolveConflictsOnUpdate"] == "OVERWRITE"
    assert addon["preserve"] is True


def test_an_agent_that_is_there_is_looked_up_and_not_made(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(install=False), preview=preview)
    assert not made.of_type(ADDON)
    assert made.outputs == {"ready": "demo", "version": "v1.3.10-eksbuild.2", "arn": "arn:aws:eks:test:addon"}


def test_auto_mode_is_found_out_where_nothing_is_installed(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(install=False, cluster_name="auto"), preview=preview)
    assert made.outputs == {"ready": "auto", "version": "", "arn": ""}


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"install": "no"}, {"install"}),
        (
            {"install": False, "overwrite": True, "preserve": True, "tags": {"a": "b"}},
            {"overwrite", "preserve", "tags"},
        ),
        ({"install": False, "addon_version": "latest", "configuration": {"a": 1}}, {"addon_version", "configuration"}),
        ({"addon_version": "1.3"}, {"addon_version"}),
        ({"auto_mode": True, "ipv4_only": True}, {"ipv4_only"}),
        ({"addon_version": pulumi.Output.from_input}, {"addon_version"}),
    ],
)
def test_what_cannot_work_is_refused(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    def run() -> Any:
        made = {key: value("newest") if callable(value) else value for key, value in args.items()}
        return program(**made)()

    with pytest.raises(InvalidArgs) as refused:
        deploy(run, preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties
