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
    return adopt.Role(described, more.get("managed", [READ_ONLY]), more.get("inline", {}))


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
    assert imported["id"] == f"prod,{association()['associationId']}@eu-west-1"
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


def test_the_built_trust_is_not_said() -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles={ROLE: role()})
    assert not {"trust_policy", "inline_policies", "create_target_policy", "allow"} & made.workloads["cart"].keys()
    assert made.notes == []


def trusted(**condition: Any) -> dict[str, Any]:
    (statement,) = documents.trust([CLUSTER])["Statement"]
    del statement["Condition"]
    return {"Version": "2012-10-17", "Statement": [{**statement, **condition}]}


OPEN = trusted()
READ = documents.permissions([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}])


def test_a_trust_of_its_own_is_taken_as_it_stands() -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles={ROLE: role(AssumeRolePolicyDocument=OPEN)})
    workload = made.workloads["cart"]
    assert workload["trust_policy"] == OPEN
    assert set(workload["allow"]) == {"trust-unscoped"}
    assert workload["allow"]["trust-unscoped"].startswith("Adopted as it stood: pods of any cluster")
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


def test_inline_policies_are_adopted() -> None:
    found = {ROLE: role(inline={"read": READ, "all": READ}, managed=[])}
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles=found)
    assert names(made)[1:] == ["all-cart-role", "all-cart-all", "all-cart-read", "all-cart-prod-association"]
    assert [resource["id"] for resource in made.resources[2:4]] == ["cart:all", "cart:read"]
    workload = made.workloads["cart"]
    assert workload["inline_policies"] == {"read": READ, "all": READ}
    assert set(workload["allow"]) == {"iam-resource-wildcard"}
    assert workload["managed_policy_arns"] == {}


def test_a_role_without_permissions_is_adopted() -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles={ROLE: role(managed=[])})
    assert names(made)[1:] == ["all-cart-role", "all-cart-prod-association"]
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


SHARED = [association(tags={"team": "a"}), association("pay"), association("stock", tags={"team": "a"})]


def test_a_role_of_several_is_adopted_once() -> None:
    subjects = [documents.Subject(CLUSTER, "shop", account) for account in ("cart", "pay", "stock")]
    found = {ROLE: role(AssumeRolePolicyDocument=documents.shared_trust(subjects))}
    made = adopt.adopt("all", "prod", CLUSTER, SHARED, roles=found)
    assert [resource["logicalName"] for resource in made.resources if resource["type"] == adopt.ROLE] == [
        "all-pay-role"
    ]
    assert {key: workload.get("role_of") for key, workload in made.workloads.items()} == {
        "cart": "pay",
        "pay": None,
        "stock": "pay",
    }
    assert "trust_policy" not in made.workloads["pay"]
    assert made.notes == []


def test_the_owner_of_a_shared_role_has_its_tags() -> None:
    found = {ROLE: role(AssumeRolePolicyDocument=OPEN, Tags=[{"Key": "team", "Value": "a"}])}
    made = adopt.adopt("all", "prod", CLUSTER, SHARED, roles=found)
    assert {key for key, workload in made.workloads.items() if "role_of" not in workload} == {"cart"}
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


def test_those_with_session_tags_and_those_without_share_a_trust_that_asks_for_none() -> None:
    several = [association(), association("pay", disableSessionTags=True)]
    made = adopt.adopt("all", "prod", CLUSTER, several, roles={ROLE: role(AssumeRolePolicyDocument=OPEN)})
    assert made.workloads["pay"]["role_of"] == "cart"
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


def test_what_lets_a_role_go_on_is_among_its_policies() -> None:
    target = "arn:aws:iam::444455556666:role/data"
    chain = documents.permissions(documents.chaining([target]))
    found = {ROLE: role(inline={"chain": chain})}
    made = adopt.adopt("all", "prod", CLUSTER, [association(targetRoleArn=target)], roles=found)
    assert made.workloads["cart"]["create_target_policy"] is False
    assert made.notes == []
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


WRONG = trusted(Action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])


@pytest.mark.parametrize(
    ("found", "more", "reason"),
    [
        (role(Tags=[{"Key": "a", "Value": "b"}]), [association()], "other tags"),
        (role(AssumeRolePolicyDocument=WRONG), [association()], r"would refuse it: .*\[trust-actions\]"),
        (role(), [association(), association("pay", disableSessionTags=True)], r"\[trust-needs-session-tags\]"),
    ],
)
def test_a_role_that_would_be_refused_is_named_and_not_adopted(found: Any, more: Any, reason: str) -> None:
    made = adopt.adopt("all", "prod", CLUSTER, more, roles={ROLE: found})
    assert all(workload["role_arn"] == ROLE for workload in made.workloads.values())
    assert adopt.ROLE not in {resource["type"] for resource in made.resources}
    (note,) = made.notes
    assert re.search(reason, note)
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


def test_a_trust_without_session_tags_belongs_to_an_association_without_them() -> None:
    found = {ROLE: role(AssumeRolePolicyDocument=documents.trust([CLUSTER]))}
    made = adopt.adopt("all", "prod", CLUSTER, [association(disableSessionTags=True)], roles=found)
    assert made.notes == []
    assert made.workloads["cart"]["disable_session_tags"] is True
    assert "trust_policy" not in made.workloads["cart"]


def test_a_policy_that_is_called_as_the_roles_own_are_has_the_account_in_its_name() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/policy"
    made = adopt.adopt("all", "prod", CLUSTER, [association()], roles={ROLE: role(managed=[arn])})
    assert made.workloads["cart"]["managed_policy_arns"] == {f"policy-{ACCOUNT}": arn}


def test_a_default_service_account_passes_as_it_stood() -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association("default")])
    assert set(made.workloads["default"]["allow"]) == {"default-service-account"}
    assert _workloads.judge(made.workloads, {}, ["prod"]).findings == []


def test_what_cannot_be_written_is_said() -> None:
    made = adopt.adopt("all", "prod", CLUSTER, [association(tags={"a": "*"})])
    (note,) = made.notes
    assert note.startswith("to be mended in the file: PodIdentities would refuse it: workloads.cart.tags.a")


# The agent

THE_CLUSTER: dict[str, Any] = {"name": "prod", "arn": CLUSTER}
ADDON = {"addonName": "eks-pod-identity-agent", "addonVersion": "v1.3.10-eksbuild.2"}


def with_agent(cluster: Any, addon: Any) -> adopt.Adoption:
    made = adopt.Adoption()
    adopt.adopt_agent(made, "agent", cluster, addon)
    return made


def test_the_agent_is_adopted() -> None:
    configuration = '{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}'
    made = with_agent(THE_CLUSTER, {**ADDON, "configurationValues": configuration, "tags": {"a": "b"}})
    assert made.agent == {
        "region": "eu-west-1",
        "addon_version": "v1.3.10-eksbuild.2",
        "configuration": json.loads(configuration),
        "tags": {"a": "b"},
    }
    component, addon = made.resources
    assert component["inputs"] == {"cluster_name": "prod", **made.agent}
    assert (addon["id"], addon["logicalName"]) == ("prod:eks-pod-identity-agent@eu-west-1", "agent-addon")
    assert (addon["parent"], made.notes) == ("agent", [])


@pytest.mark.parametrize(
    ("cluster", "addon", "reason"),
    [
        ({"computeConfig": {"enabled": True}}, None, "Auto Mode has it built in"),
        ({}, None, "there is no add-on"),
        ({}, {**ADDON, "serviceAccountRoleArn": ROLE}, "IRSA"),
    ],
)
def test_an_agent_that_cannot_be_adopted(cluster: Any, addon: Any, reason: str) -> None:
    made = with_agent({**THE_CLUSTER, **cluster}, addon)
    (note,) = made.notes
    assert reason in note
    assert made.agent == {} and made.resources == []


def test_a_configuration_that_is_written_in_another_way_is_said() -> None:
    made = with_agent(THE_CLUSTER, {**ADDON, "configurationValues": "resources: {}\n"})
    assert made.agent["configuration"] == {"resources": {}}
    assert "an update may be shown that changes nothing" in made.notes[0]


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
            "describe-cluster": {"cluster": THE_CLUSTER},
            "list-pod-identity-associations": {"associations": [{"associationId": "a-1"}]},
            "describe-pod-identity-association": {"association": association()},
            "get-role": {"Role": role().described},
            "list-attached-role-policies": {"AttachedPolicies": [{"PolicyArn": READ_ONLY}]},
            "list-role-policies": {"PolicyNames": ["read"]},
            "get-role-policy": {"PolicyDocument": READ},
            "describe-addon": {"addon": ADDON},
        }[command[2]]

    monkeypatch.setattr(adopt, "run", answer)
    options = ["--region", "eu-west-1", "--profile", "ops", "--roles", "--agent", "--to", str(tmp_path)]
    assert adopt.main(["prod", *options]) == 0
    for command in asked:
        assert command[0] == "aws" and command[-6:] == ("--region", "eu-west-1", "--profile", "ops", "--output", "json")
    workloads = yaml.safe_load((tmp_path / "workloads.yaml").read_text())
    assert workloads["cart"]["inline_policies"] == {"read": READ}
    assert yaml.safe_load((tmp_path / "agent.yaml").read_text())["addon_version"] == "v1.3.10-eksbuild.2"
    # Two components, the role, its two policies, the association and the add-on.
    assert len(json.loads((tmp_path / "import.json").read_text())["resources"]) == 7


@pytest.mark.parametrize(("error", "code"), [("ResourceNotFoundException", 0), ("AccessDeniedException", 1)])
def test_an_agent_that_is_not_there_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: str, code: int
) -> None:
    def answer(*command: str) -> Any:
        if command[2] == "describe-addon":
            raise adopt.CommandFailed(f"aws: {error}")
        return {"cluster": THE_CLUSTER} if command[2] == "describe-cluster" else {"associations": []}

    monkeypatch.setattr(adopt, "run", answer)
    assert adopt.main(["prod", "--agent", "the-agent", "--to", str(tmp_path)]) == code
    said = capsys.readouterr()
    assert ("there is no add-on" in said.out) if code == 0 else (error in said.err)
    assert not (tmp_path / "agent.yaml").exists()
