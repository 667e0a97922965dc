from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi.output import Unknown

from components import DemoApp, InvalidArgs
from tests.unit.conftest import ACCOUNT, Deploy

POD = "kubernetes:core/v1:Pod"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eks-pod-s3-readonly-access"


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        resolved = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {
            "namespace": "demo-ns",
            "service_account": "demo-sa",
            "association_id": "a-0123456789abcdefg",
            "role_arn": ROLE,
            **resolved,
        }
        provider = kubernetes.Provider("cluster", kubeconfig="{}")
        return {"pod_name": DemoApp("d", merged, pulumi.ResourceOptions(providers=[provider])).pod_name}

    return run


def test_the_pod_of_the_blog(deploy: Deploy, preview: bool) -> None:
    pod = deploy(program(), preview=preview).only(POD)
    assert (pod.inputs["metadata"]["name"], pod.inputs["metadata"]["namespace"]) == ("demo-app", "demo-ns")
    spec = pod.inputs["spec"]
    assert spec["serviceAccountName"] == "demo-sa"
    (container,) = spec["containers"]
    assert container["name"] == "demo-app"
    assert container["image"].startswith("amazon/aws-cli:")
    assert container["command"] == ["sleep", "infinity"]


def test_it_meets_the_restricted_standard(deploy: Deploy) -> None:
    spec = deploy(program(), preview=False).only(POD).inputs["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_it_does_not_ask_the_node_for_credentials(deploy: Deploy) -> None:
    (container,) = deploy(program(), preview=False).only(POD).inputs["spec"]["containers"]
    assert {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"} in container["env"]
    # Variables that EKS would find taken, and leave, are left to it.
    assert not [variable for variable in container["env"] if variable["name"].startswith("AWS_CONTAINER")]


def test_another_association_or_role_is_another_pod(deploy: Deploy) -> None:
    triggers = {
        str(deploy(program(**args), preview=False).only(POD).replacement_trigger)
        for args in ({}, {"association_id": "a-other"}, {"role_arn": ROLE + "-other"})
    }
    assert len(triggers) == 3
    assert deploy(program(), preview=False).only(POD).delete_before_replace


def test_what_it_waits_for_may_be_unknown(deploy: Deploy) -> None:
    made = deploy(program(service_account=lambda: pulumi.Output.from_input(Unknown())), preview=True)
    assert isinstance(made.only(POD).inputs["spec"]["serviceAccountName"], Unknown)


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"image": "amazon/aws-cli"}, {"image"}),
        ({"image": "amazon/aws-cli:latest"}, {"image"}),
        ({"image": "registry.example:5000/aws-cli"}, {"image"}),
        ({"command": []}, {"command"}),
        ({"command": "sleep 1"}, {"command"}),
        ({"command": ["sleep", 1]}, {"command[1]"}),
        ({"pod_name": "Demo_App", "namespace": "-"}, {"pod_name", "namespace"}),
    ],
)
def test_what_kubernetes_would_refuse(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties


@pytest.mark.parametrize(
    "image",
    [
        "amazon/aws-cli:2.31.13",
        "registry.example:5000/tools/aws-cli:2.31.13",
        f"amazon/aws-cli@sha256:{'0' * 64}",
        f"amazon/aws-cli:2.31.13@sha256:{'0' * 64}",
    ],
)
def test_images_by_a_fixed_version(deploy: Deploy, image: str) -> None:
    (container,) = deploy(program(image=image), preview=False).only(POD).inputs["spec"]["containers"]
    assert container["image"] == image
