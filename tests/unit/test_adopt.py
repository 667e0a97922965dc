"""What there is, turned into workloads and an import file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import _workloads, adopt, documents
from tests.unit.conftest import ACCOUNT

CLUSTER = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/shop/cart"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
PROVIDER = "urn:pulumi:local::x::pulumi:providers:kubernetes::in-cluster"


def association(account: str = "cart", namespace: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "clusterName": "prod",
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": ROLE,
        "associationId": f"a-{namespace}{account}".ljust(19, "0"),
        **more,
    }


def role(**more: Any) -> adopt.Role:
    trust = documents.trust([CLUSTER], namespaces=["shop"], service_accounts=["cart"])
    described = {
        "RoleName": "cart",
        "Path": "/shop/",
        "MaxSessionDuration": 3600,
        "AssumeRolePolicyDocument": trust,
        **{key: value for key, value in more.items() if key[0].isupper()},
    }
    return adopt.Role(described, more.get("managed", [READ_ONLY]), more.get("inline", []))


def account(**more: Any) -> dict[tuple[str, str], Any]:
    found = {"metadata": {"namespace": "shop", "name": "cart"}, **more}
    return {("shop", "cart"): found}


def names(adoption: adopt.Adoption) -> list[str]:
    return [resource.get("logicalName", resource["name"]) for resource in adoption.resources]


def test_an_association_and_its_service_account() -> None:
    made = adopt.adopt(
        "all",
        "prod",
        CLUSTER,
        [association(tags={"team": "shop"})],
        service_accounts=account(automountServiceAccountToken=True),
        kubernetes_provider=PROVIDER,
        awaited=True,
    )
    assert made.workloads == {
        "cart": {
            "namespace": "shop",
            "service_account": "cart",
            "clusters": ["prod"],
            "create_namespace": False,
            "tags": {"team": "shop"},
            "role_arn": ROLE,
            "automount_service_account_token": True,
        }
    }
    assert made.notes == []
    file = made.import_file()
    assert file["nameTable"] == {"kubernetes-provider": PROVIDER}
    component, imported, in_cluster, effective = file["resources"]
    assert component == {"type": "eks-pod-identity:index:PodIdentities", "name": "all", "component": True}
    assert imported["id"] == f"prod,{association()['associationId']}"
    assert imported["logicalName"] == "all-cart-prod-association"
    assert (in_cluster["id"], in_cluster["provider"]) == ("shop/cart", "kubernetes-provider")
    assert {resource["parent"] for resource in (imported, in_cluster, effective)} == {"all"}
    assert effective["inputs"]["association_ids"] == {"shop/cart": association()["associationId"]}


def test_what_an_add_on_owns_is_left_to_it() -> None:
    owner = f"arn:aws:eks:eu-west-1:{ACCOUNT}:addon/prod/aws-ebs-csi-driver/1"
    made = adopt.adopt("all", "prod", CLUSTER, [association(ownerArn=owner)], awaited=True)
    assert made.workloads == {} and names(made) == ["all"]
    assert made.notes == [f"shop/cart: left to the add-on {owner}"]


@pytest.mark.parametrize(
    ("accounts", "provider", "adopted"),
    [
        (account(), PROVIDER, True),
        (account(), None, False),
        (None, PROVIDER, False),
        ({}, PROVIDER, False),
        (account(metadata={"namespace": "shop", "name": "cart", "labels": {"a": "b"}}), PROVIDER, False),
        (account(metadata={"namespace": "shop", "name": "cart", "annotations": {"a": "b"}}), PROVIDER, False),
        (account(imagePullSecrets=[{"name": "x"}]), PROVIDER, False),
    ],
)
def test_a_service_account_that_somebody_else_looks_after_is_left_alone(
    accounts: Any, provider: Any, adopted: bool
) -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association()], service_accounts=accounts, kubernetes_provider=provider)
    assert (adopt.SERVICE_ACCOUNT in {resource["type"] for resource in made.resources}) is adopted
    # What is not said of the token stays unsaid, and is not `false`.
    expected = {"automount_service_account_token": None} if adopted else {"create_service_account": False}
    assert expected.items() <= made.workloads["cart"].items()


def test_a_role_is_adopted_with_its_attachments() -> None:
    boundary = {"PermissionsBoundary": {"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/boundary"}}
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles={ROLE: role(**boundary)})
    assert names(made)[1:] == ["all-cart-role", "all-cart-AmazonS3ReadOnlyAccess", "all-cart-prod-association"]
    assert [resource["id"] for resource in made.resources[1:3]] == ["cart", f"cart/{READ_ONLY}"]
    workload = made.workloads["cart"]
    assert "role_arn" not in workload and workload["description"] is None
    assert workload["permissions_boundary"] == "arn:aws:iam::aws:policy/boundary"
    assert workload["managed_policy_arns"] == {"AmazonS3ReadOnlyAccess": READ_ONLY}


OTHER_TRUST = documents.trust([CLUSTER])


@pytest.mark.parametrize(
    ("found", "more", "reason"),
    [
        (role(AssumeRolePolicyDocument=OTHER_TRUST), [association()], "its trust policy is not the one"),
        (role(inline=["b", "a"]), [association()], r"inline policies \(a, b\)"),
        (role(managed=[]), [association()], "no managed policy"),
        (role(Tags=[{"Key": "a", "Value": "b"}]), [association()], "other tags"),
        (role(), [association(), association("pay")], "2 associations have it"),
        (role(), [association(targetRoleArn="arn:aws:iam::444455556666:role/data")], "target role"),
    ],
)
def test_a_role_that_would_have_to_change_is_named_and_not_adopted(found: Any, more: Any, reason: str) -> None:
    made = adopt.adopt("all", "prod", CLUSTER, more, roles={ROLE: found})
    assert all(workload["role_arn"] == ROLE for workload in made.workloads.values())
    assert adopt.ROLE not in {resource["type"] for resource in made.resources}
    assert all(re.search(reason, note) for note in made.notes) and made.notes


def test_a_trust_without_session_tags_belongs_to_an_association_without_them() -> None:
    found = {ROLE: role(AssumeRolePolicyDocument=OTHER_TRUST)}
    made = adopt.adopt("all", "prod", CLUSTER, [association(disableSessionTags=True)], roles=found)
    assert made.notes == []
    assert made.workloads["cart"]["disable_session_tags"] is True


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
SUBJECTS = st.lists(st.tuples(LABEL, st.lists(LABEL, min_size=1, max_size=4).map(".".join)), unique=True, max_size=12)


@given(SUBJECTS, st.randoms())
def test_what_is_written_is_what_pod_identities_takes(subjects: list[tuple[str, str]], random: Any) -> None:
    found = [
        association(account, namespace, associationId=f"a-{number:017}")
        for number, (namespace, account) in enumerate(subjects)
    ]
    made = adopt.adopt("all", "prod", CLUSTER, found)
    assert len(made.workloads) == len(found)
    assert len(set(names(made))) == len(names(made))
    written = yaml.safe_load(yaml.safe_dump(made.workloads))
    assert _workloads.judge(written, {}, ["prod"]).findings == []
    shuffled = list(found)
    random.shuffle(shuffled)
    assert adopt.adopt("all", "prod", CLUSTER, shuffled) == made


def test_a_command_that_fails_is_said_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert adopt.main(["prod", "--to", str(tmp_path)]) == 1
    assert "aws is not on the PATH" in capsys.readouterr().err
    script = tmp_path / "aws"
    script.write_text("#!/bin/sh\necho no such cluster >&2\nexit 254\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert adopt.main(["prod", "--to", str(tmp_path)]) == 1
    assert "no such cluster" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["aws"]


def test_the_answers_of_the_aws_command_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def answer(*command: str) -> Any:
        asked.append(command)
        return {
            "describe-cluster": {"cluster": {"arn": CLUSTER}},
            "list-pod-identity-associations": {"associations": [{"associationId": "a-1"}]},
            "describe-pod-identity-association": {"association": association()},
        }[command[2]]

    monkeypatch.setattr(adopt, "run", answer)
    assert adopt.main(["prod", "--region", "eu-west-1", "--profile", "ops", "--to", str(tmp_path)]) == 0
    for command in asked:
        assert command[0] == "aws" and command[-6:] == ("--region", "eu-west-1", "--profile", "ops", "--output", "json")
    assert set(yaml.safe_load((tmp_path / "workloads.yaml").read_text())) == {"cart"}
    assert len(json.loads((tmp_path / "import.json").read_text())["resources"]) == 2
