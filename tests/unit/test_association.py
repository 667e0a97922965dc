import json
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi.output import Unknown

from components import InvalidArgs, PodIdentityAssociation
from tests.unit.conftest import ACCOUNT, Deploy

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
NAMESPACE, SERVICE_ACCOUNT = "kubernetes:core/v1:Namespace", "kubernetes:core/v1:ServiceAccount"
EFFECTIVE = "eks-pod-identity:index:EffectiveAssociation"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eks-pod-s3-readonly-access"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::demo/*"}],
    }
)


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        resolved = {key: value() if callable(value) else value for key, value in args.items()}
        merged: Any = {
            "cluster_name": "demo",
            "namespace": "demo-ns",
            "service_account": "demo-sa",
            "role_arn": ROLE,
            **resolved,
        }
        in_cluster = kubernetes.Provider("cluster", kubeconfig="{}")
        association = PodIdentityAssociation("a", merged, pulumi.ResourceOptions(providers=[in_cluster]))
        return {
            "id": association.association_id,
            "arn": association.association_arn,
            "external_id": association.external_id,
            "namespace": association.namespace,
            "ready": association.ready,
        }

    return run


def test_the_association_of_the_blog(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    association = made.only(ASSOCIATION)
    assert association.inputs["clusterName"] == "demo"
    assert association.inputs["namespace"] == "demo-ns"
    assert association.inputs["serviceAccount"] == "demo-sa"
    assert association.inputs["roleArn"] == ROLE
    assert association.delete_before_replace
    if preview:
        assert isinstance(made.outputs["id"], Unknown)
    else:
        assert made.outputs["id"] == "a-0123456789abcdefg"
        assert made.outputs["external_id"] == ""


def test_namespace_and_service_account_are_made(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    namespace, account = made.only(NAMESPACE), made.only(SERVICE_ACCOUNT)
    assert namespace.inputs["metadata"]["name"] == "demo-ns"
    assert namespace.inputs["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert account.inputs["metadata"]["name"] == "demo-sa"
    assert account.inputs["automountServiceAccountToken"] is False
    # The annotation of IRSA would win wherever the association is not effective yet.
    assert "annotations" not in account.inputs["metadata"]
    assert made.waits_for(account, namespace)


@pytest.mark.parametrize(
    ("args", "namespaces", "accounts"),
    [
        ({"create_namespace": False}, 0, 1),
        ({"create_namespace": False, "create_service_account": False}, 0, 0),
    ],
)
def test_what_exists_already_is_not_made(
    deploy: Deploy, preview: bool, args: Any, namespaces: int, accounts: int
) -> None:
    made = deploy(program(**args), preview=preview)
    assert (len(made.of_type(NAMESPACE)), len(made.of_type(SERVICE_ACCOUNT))) == (namespaces, accounts)
    assert made.outputs["namespace"] == "demo-ns"


def test_objects_are_never_made_in_whatever_cluster_the_operator_last_used(deploy: Deploy, preview: bool) -> None:
    def run() -> dict[str, pulumi.Output[Any]]:
        PodIdentityAssociation(
            "a", {"cluster_name": "demo", "namespace": "demo-ns", "service_account": "demo-sa", "role_arn": ROLE}
        )
        return {}

    with pytest.raises(InvalidArgs, match=r"kubernetes\.Provider") as refused:
        deploy(run, preview=preview)
    assert [finding.rule for finding in refused.value.findings] == ["kubernetes-provider"]


def test_nothing_in_the_cluster_needs_no_way_to_it(deploy: Deploy, preview: bool) -> None:
    def run() -> dict[str, pulumi.Output[Any]]:
        args: Any = {
            "cluster_name": "demo",
            "namespace": "demo-ns",
            "service_account": "demo-sa",
            "role_arn": ROLE,
            "create_namespace": False,
            "create_service_account": False,
        }
        return {"ready": PodIdentityAssociation("a", args).ready}

    made = deploy(run, preview=preview)
    assert isinstance(made.outputs["ready"], Unknown) if preview else made.outputs["ready"] == "demo-sa"


def test_ready_waits_for_association_and_service_account_and_until_it_is_effective(
    deploy: Deploy, preview: bool
) -> None:
    made = deploy(program(kubeconfig=lambda: pulumi.Output.secret("{}")), preview=preview)
    effective = made.only(EFFECTIVE)
    assert made.waits_for(effective, made.only(ASSOCIATION))
    assert made.waits_for(effective, made.only(SERVICE_ACCOUNT))
    # Another association is another state of it, so that it is awaited again.
    assert set(effective.inputs) == {"association_id", "namespace", "service_account"}
    assert isinstance(made.outputs["ready"], Unknown) if preview else made.outputs["ready"] == "demo-sa"


def test_without_a_kubeconfig_ready_is_the_association_s_existence(deploy: Deploy) -> None:
    made = deploy(program(), preview=False)
    assert made.of_type(EFFECTIVE) == []
    assert made.outputs["ready"] == "demo-sa"


def test_target_role_and_session_policy(deploy: Deploy, preview: bool) -> None:
    target = "arn:aws:iam::210987654321:role/other/reader"
    args = {"target_role_arn": target, "disable_session_tags": True, "session_policy": POLICY}
    inputs = deploy(program(**args), preview=preview).only(ASSOCIATION).inputs
    assert inputs["targetRoleArn"] == target
    assert inputs["disableSessionTags"] is True
    assert inputs["policy"] == POLICY


def test_an_unknown_role_is_no_error(deploy: Deploy) -> None:
    made = deploy(program(role_arn=lambda: pulumi.Output.from_input(Unknown())), preview=True)
    assert isinstance(made.only(ASSOCIATION).inputs["roleArn"], Unknown)


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"namespace": "Demo", "service_account": "demo_sa"}, {"namespace", "service_account"}),
        ({"role_arn": "eks-pod-s3-readonly-access"}, {"role_arn"}),
        ({"session_policy": POLICY}, {"session_policy"}),
        ({"session_policy": "{", "disable_session_tags": True}, {"session_policy"}),
        ({"session_policy": POLICY.replace("GetObject", "GetObjct"), "disable_session_tags": True}, {"session_policy.Statement[0].Action"}),
        ({"session_policy": POLICY[:-2] + " " * 2048 + "]}", "disable_session_tags": True}, {"session_policy"}),
        ({"namespace": lambda: pulumi.Output.from_input("-"), "role_arn": lambda: pulumi.Output.from_input(Unknown())}, {"namespace"}),
        ({"tags": {"aws:x": "1", "ok": "2"}}, {"tags.aws:x"}),
        ({"create_service_account": False}, {"create_service_account"}),
        ({"service_account": "default"}, {"service_account"}),
        ({"role_arn": "arn:aws:iam::210987654321:role/theirs"}, {"role_arn"}),
        ({"role_arn": f"arn:aws-cn:iam::{ACCOUNT}:role/theirs"}, {"role_arn"}),
        ({"allow": {"default-service-acount": "none"}}, {"allow.default-service-acount"}),
        ({"create_namespace": "yes", "ready_timeout": 0}, {"create_namespace", "ready_timeout"}),
        ({"pod_security_standard": lambda: pulumi.Output.from_input("strict")}, {"pod_security_standard"}),
    ],
)  # fmt: skip
def test_what_eks_or_kubernetes_would_refuse(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties
