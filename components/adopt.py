"""The associations that a cluster has already, brought under `PodIdentities`: `python -m components.adopt`.

Writes what the program has to say of them, and what `pulumi import` has to be told, so that the preview afterwards is
empty. Nothing in AWS or in the cluster is changed. Associations that an add-on owns are left out: the add-on has them.

Roles are adopted as they stand: with their own trust policy where `PodIdentities` would write another one, and with
their inline policies. What the rules find there passes by `allow`, for which the reason is that it stood so.

Asks by the `aws` command, and by `kubectl` for ServiceAccounts: whoever deploys with these components has the first
anyway, because the clusters' kubeconfigs name it, with the credentials that are right for the cluster; boto3 would be a
second way in, to be installed and configured beside it.

See https://www.pulumi.com/docs/iac/guides/migration/import/#bulk-import-operations and
https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from . import _workloads, documents, rules
from ._base import token
from .addon import configuration_values
from .agent import ADDON_NAME
from .rules import Severity

ROLE, ATTACHMENT = "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INLINE, ADDON = "aws:iam/rolePolicy:RolePolicy", "aws:eks/addon:Addon"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"

_AT_ONCE = 8

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Role:
    """A role as IAM has it, with the ARNs of its managed policies, and its inline ones by their names."""

    described: Json
    managed: Sequence[str]
    inline: Mapping[str, Json]


@dataclass
class Adoption:
    """What the program has to say, what `pulumi import` has to be told, and what could not be adopted."""

    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    agent: dict[str, Any] = field(default_factory=dict)
    """The arguments of the `PodIdentityAgent`, but for the cluster's name. Empty where none is adopted."""
    resources: list[dict[str, Any]] = field(default_factory=list)
    name_table: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def import_file(self) -> dict[str, Any]:
        """The file for `pulumi import --file`."""
        return {"nameTable": self.name_table, "resources": self.resources}


def adopt(
    name: str,
    cluster_key: str,
    cluster_arn: str,
    associations: Sequence[Json],
    *,
    service_accounts: Mapping[tuple[str, str], Json] | None = None,
    kubernetes_provider: str | None = None,
    roles: Mapping[str, Role] | None = None,
    awaited: bool = False,
) -> Adoption:
    """Work out how to adopt associations.

    Args:
        name: The name of the `PodIdentities`.
        cluster_key: The cluster's key in it.
        cluster_arn: The cluster's ARN.
        associations: The associations, as EKS describes them.
        service_accounts: The cluster's ServiceAccounts, by namespace and name. Default: none is adopted.
        kubernetes_provider: The URN of the program's provider for the cluster. Without it no ServiceAccount is adopted.
        roles: The roles to adopt, by ARN. Default: none, and the roles that there are are named.
        awaited: Whether the program gives the cluster's kubeconfig.
    """
    adoption = Adoption(resources=[{"type": token("PodIdentities"), "name": name, "component": True}])
    if kubernetes_provider is not None:
        adoption.name_table["kubernetes-provider"] = kubernetes_provider
    own = sorted(
        (association for association in associations if not association.get("ownerArn")),
        key=lambda association: (association["namespace"], association["serviceAccount"]),
    )
    for association in associations:
        if association.get("ownerArn"):
            adoption.notes.append(f"{_whose(association)}: left to the add-on {association['ownerArn']}")
    by_key = dict(zip(_keys(own), own, strict=True))
    having: dict[str, list[str]] = {}
    for key, association in by_key.items():
        workload = adoption.workloads[key] = {
            "namespace": association["namespace"],
            "service_account": association["serviceAccount"],
            "clusters": [cluster_key],
            "create_namespace": False,
        }
        for said, theirs in _FIELDS.items():
            if association.get(theirs):
                workload[said] = association[theirs]
        having.setdefault(association["roleArn"], []).append(key)
    for arn, keys in having.items():
        _role(adoption, name, arn, keys, cluster_arn, (roles or {}).get(arn))
    for key, association in by_key.items():
        called = f"{name}-{key}-{cluster_key}"
        identifier = f"{association['clusterName']},{association['associationId']}"
        adoption.resources.append(_aws(ASSOCIATION, f"{called}-association", _in_region(identifier, cluster_arn), name))
        account = (service_accounts or {}).get((association["namespace"], association["serviceAccount"]))
        adoption.workloads[key] |= _service_account(adoption, name, called, association, account, kubernetes_provider)
    if awaited and own:
        adoption.resources.append(
            {
                "type": token("EffectiveAssociations"),
                "name": f"{name}-{cluster_key}-effective",
                "component": True,
                "parent": name,
                "inputs": {
                    "cluster_name": own[0]["clusterName"],
                    "association_ids": {_whose(one): one["associationId"] for one in own},
                },
            }
        )
    return adoption


def adopt_agent(adoption: Adoption, name: str, cluster: Json, addon: Json | None) -> None:
    """Work out how to adopt a cluster's agent, beside what is adopted already.

    Args:
        adoption: What is adopted. This is added to it.
        name: The name of the `PodIdentityAgent`.
        cluster: The cluster, as EKS describes it.
        addon: The add-on, as EKS describes it. None where there is none.
    """
    whose = f"{cluster['name']}: the agent is not adopted, because"
    found_out = "give PodIdentityAgent install: false, and it is looked up"
    if (cluster.get("computeConfig") or {}).get("enabled"):
        adoption.notes.append(f"{whose} EKS Auto Mode has it built in: {found_out}")
        return
    if addon is None:
        adoption.notes.append(f"{whose} there is no add-on {ADDON_NAME}, by which PodIdentityAgent installs it")
        return
    if addon.get("serviceAccountRoleArn"):
        adoption.notes.append(f"{whose} it has an IRSA role, which it does not need: {found_out}")
        return
    text = addon.get("configurationValues") or ""
    configuration = yaml.safe_load(text) or {}
    adoption.agent = {"region": cluster["arn"].split(":")[3], "addon_version": addon["addonVersion"]}
    adoption.agent |= {"configuration": configuration} if configuration else {}
    adoption.agent |= {"tags": addon["tags"]} if addon.get("tags") else {}
    if text and text != configuration_values(configuration):
        reason = "its configuration is written in another way, so that an update may be shown that changes nothing"
        adoption.notes.append(f"{cluster['name']}, the agent: {reason}")
    inputs = {"cluster_name": cluster["name"], **adoption.agent}
    adoption.resources.append({"type": token("PodIdentityAgent"), "name": name, "component": True, "inputs": inputs})
    identifier = _in_region(f"{cluster['name']}:{ADDON_NAME}", cluster["arn"])
    adoption.resources.append(_aws(ADDON, f"{name}-addon", identifier, name))


_FIELDS = {
    "target_role_arn": "targetRoleArn",
    "disable_session_tags": "disableSessionTags",
    "session_policy": "policy",
    "tags": "tags",
}


def _whose(association: Json) -> str:
    return f"{association['namespace']}/{association['serviceAccount']}"


def _keys(associations: Sequence[Json]) -> list[str]:
    """A name for each: that of its ServiceAccount, with the namespace where two would have the same."""
    short = [_label(association["serviceAccount"]) for association in associations]
    several = Counter(short)
    long = [_label(f"{association['namespace']}-{association['serviceAccount']}") for association in associations]
    keys = [one if several[one] == 1 else other for one, other in zip(short, long, strict=True)]
    again = Counter(keys)
    return [
        key if again[key] == 1 else _label(f"{key[:44]}-{association['associationId'][2:]}")
        for key, association in zip(keys, associations, strict=True)
    ]


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", text.lower())[:63].strip("-")


def _in_region(identifier: str, cluster_arn: str) -> str:
    """The id by which something of the cluster's region is imported, whatever the provider's is."""
    return f"{identifier}@{cluster_arn.split(':')[3]}"


def _aws(kind: str, called: str, identifier: str, parent: str) -> dict[str, Any]:
    # Names by themselves are no keys there: a policy and its attachment may have the same.
    return {
        "type": kind,
        "name": f"{kind.rpartition(':')[2]} {called}",
        "logicalName": called,
        "id": identifier,
        "parent": parent,
        "version": metadata.version("pulumi-aws"),
    }


def _service_account(
    adoption: Adoption, name: str, called: str, association: Json, account: Json | None, provider: str | None
) -> dict[str, Any]:
    if account is None or provider is None:
        return {"create_service_account": False}
    about = account["metadata"]
    more = [said for said in ("secrets", "imagePullSecrets") if account.get(said)]
    more += [said for said in ("labels", "annotations") if about.get(said)]
    if more:
        reason = f"{' and '.join(more)}, which somebody else looks after"
        adoption.notes.append(f"{_whose(association)}: the ServiceAccount is left alone, because it has {reason}")
        return {"create_service_account": False}
    adoption.resources.append(
        {
            "type": SERVICE_ACCOUNT,
            "name": f"ServiceAccount {called}",
            "logicalName": f"{called}-service-account",
            "id": f"{about['namespace']}/{about['name']}",
            "parent": name,
            "provider": "kubernetes-provider",
            "version": metadata.version("pulumi-kubernetes"),
        }
    )
    return {"automount_service_account_token": account.get("automountServiceAccountToken")}


def _role(adoption: Adoption, name: str, arn: str, keys: Sequence[str], cluster_arn: str, role: Role | None) -> None:
    """Say of the workloads that have a role what it is, and import it where it can be adopted."""
    having = {key: adoption.workloads[key] for key in keys}
    objections: list[str] = []
    if role is not None:
        owner = next((key for key in keys if _tags(role.described) == having[key].get("tags", {})), None)
        if owner is None:
            objections = ["it has other tags than the association"]
        else:
            tried = {key: {**workload, "role_of": owner} for key, workload in having.items()}
            tried[owner] = {**having[owner], **_as_it_stands(role, list(having.values()), cluster_arn)}
            objections = _let_pass(tried)
            if not objections:
                adoption.workloads |= tried
                adoption.resources += _imported(role, f"{name}-{owner}", name)
                return
        whose = ", ".join(f"{workload['namespace']}/{workload['service_account']}" for workload in having.values())
        adoption.notes.append(f"{whose}: the role {arn} is named and not adopted, because {objections[0]}")
    named = {key: {**workload, "role_arn": arn} for key, workload in having.items()}
    adoption.notes += [f"to be mended in the file: {objection}" for objection in _let_pass(named)]
    adoption.workloads |= named


def _as_it_stands(role: Role, having: Sequence[Json], cluster_arn: str) -> dict[str, Any]:
    """What the owner of a role has to say of it so that nothing is changed."""
    described = role.described
    said: dict[str, Any] = {
        "role_name": described["RoleName"],
        "path": described["Path"],
        "description": described.get("Description"),
        "max_session_duration": described["MaxSessionDuration"],
        "managed_policy_arns": _attached(role.managed),
    }
    boundary = described.get("PermissionsBoundary")
    if boundary:
        said["permissions_boundary"] = boundary["PermissionsBoundaryArn"]
    if role.inline:
        said["inline_policies"] = dict(sorted(role.inline.items()))
    if any("target_role_arn" in workload for workload in having):
        # What lets it is among its policies.
        said["create_target_policy"] = False
    trust = described["AssumeRolePolicyDocument"]
    if _as_sets(trust) != _as_sets(_written(having, cluster_arn)):
        said["trust_policy"] = trust
    return said


def _written(having: Sequence[Json], cluster_arn: str) -> Json | None:
    """The trust policy that `PodIdentities` writes; None where it would write none for all of these."""
    untagged = {bool(workload.get("disable_session_tags")) for workload in having}
    if untagged == {True}:
        return documents.trust([cluster_arn])
    if untagged == {False}:
        return documents.shared_trust(
            documents.Subject(cluster_arn, workload["namespace"], workload["service_account"]) for workload in having
        )
    return None


def _let_pass(workloads: dict[str, dict[str, Any]]) -> list[str]:
    """Let pass, in workloads, what the rules find of them as they stand, and return what cannot pass."""
    clusters = sorted({cluster for workload in workloads.values() for cluster in workload["clusters"]})
    left = []
    for finding in _workloads.judge(workloads, {}, clusters).findings:
        if rules.is_allowable(finding.rule):
            key = finding.property.split(".")[1]
            allow = workloads[key].setdefault("allow", {})
            allow.setdefault(finding.rule, f"Adopted as it stood: {finding.reason}")
        elif finding.severity is Severity.ERROR:
            left.append(f"PodIdentities would refuse it: {finding}")
    return left


def _imported(role: Role, called: str, parent: str) -> list[dict[str, Any]]:
    own = role.described["RoleName"]
    attached = [
        _aws(ATTACHMENT, f"{called}-{policy}", f"{own}/{arn}", parent)
        for policy, arn in _attached(role.managed).items()
    ]
    inside = [_aws(INLINE, f"{called}-{policy}", f"{own}:{policy}", parent) for policy in sorted(role.inline)]
    return [_aws(ROLE, f"{called}-role", own, parent), *attached, *inside]


def _tags(described: Json) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags") or ()}


def _attached(arns: Sequence[str]) -> dict[str, str]:
    """The policies by their names, with the account where two have the same, or `PodIdentities` has one of its own."""
    names = Counter([arn.rpartition("/")[2] for arn in arns] + list(_workloads.OWN_POLICIES))
    return {
        (base if names[base] == 1 else f"{base}-{arn.split(':')[4]}"): arn
        for arn in sorted(arns)
        for base in [arn.rpartition("/")[2]]
    }


def _as_sets(value: Any) -> Any:
    # IAM writes a list of one as a text, and lists in whatever order.
    if isinstance(value, Mapping):
        return frozenset((key, _as_sets(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return frozenset(map(_as_sets, value))
    return frozenset([value]) if isinstance(value, str) else value


# What there is

Run = Callable[..., Any]


class CommandFailed(Exception):
    """`aws` or `kubectl` failed; the message is theirs."""


def run(*command: str) -> Any:
    """Run a command that answers in JSON, and return the answer. Raises `CommandFailed`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CommandFailed(f"{command[0]} is not on the PATH: install it, and see that it reaches AWS") from error
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def describe_associations(aws: Run, cluster_name: str) -> list[Json]:
    """All associations of a cluster, as EKS describes them."""
    listed = aws("eks", "list-pod-identity-associations", "--cluster-name", cluster_name)["associations"]

    def describe(association: Json) -> Json:
        identifier = ("--association-id", association["associationId"])
        return aws("eks", "describe-pod-identity-association", "--cluster-name", cluster_name, *identifier)[
            "association"
        ]

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(describe, listed))


def describe_roles(aws: Run, arns: Sequence[str]) -> dict[str, Role]:
    """Roles with their policies, by ARN."""

    def describe(arn: str) -> Role:
        role = ("--role-name", arn.rpartition("/")[2])
        return Role(
            aws("iam", "get-role", *role)["Role"],
            [p["PolicyArn"] for p in aws("iam", "list-attached-role-policies", *role)["AttachedPolicies"]],
            {
                name: aws("iam", "get-role-policy", *role, "--policy-name", name)["PolicyDocument"]
                for name in aws("iam", "list-role-policies", *role)["PolicyNames"]
            },
        )

    unique = sorted(set(arns))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(unique, threads.map(describe, unique), strict=True))


def describe_agent(aws: Run, cluster_name: str) -> Json | None:
    """The agent's add-on, as EKS describes it; None where the cluster has none."""
    try:
        return aws("eks", "describe-addon", "--cluster-name", cluster_name, "--addon-name", ADDON_NAME)["addon"]
    except CommandFailed as error:
        if "ResourceNotFoundException" not in str(error):
            raise
        return None


def service_accounts_of(kubectl: Run) -> dict[tuple[str, str], Json]:
    """All ServiceAccounts of a cluster, by namespace and name."""
    listed = kubectl("get", "serviceaccounts", "--all-namespaces")["items"]
    return {(account["metadata"]["namespace"], account["metadata"]["name"]): account for account in listed}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files for the command line's cluster; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m components.adopt", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cluster_name", help="the cluster's name")
    parser.add_argument("--region", help="the cluster's region; default: that of the aws command")
    parser.add_argument("--profile", help="the profile of the aws command")
    parser.add_argument("--name", default="workloads", help="the name of the PodIdentities in the program")
    parser.add_argument("--cluster-key", default="cluster", help="the cluster's key in it")
    parser.add_argument("--roles", action="store_true", help="adopt the roles, too, as they stand")
    parser.add_argument(
        "--agent",
        nargs="?",
        const="agent",
        metavar="NAME",
        help="adopt the agent's add-on, too, as the PodIdentityAgent of this name; default: agent",
    )
    parser.add_argument(
        "--kubernetes-provider",
        metavar="URN",
        help="the URN of the program's provider for the cluster (pulumi stack --show-urns): adopt ServiceAccounts, too",
    )
    parser.add_argument("--context", help="the context of kubectl; default: its current one")
    parser.add_argument(
        "--awaited", action="store_true", help="the program gives PodIdentities the cluster's kubeconfig"
    )
    parser.add_argument("--to", type=Path, default=Path(), help="the folder for the files; default: this one")
    given = parser.parse_args(arguments)

    def aws(*command: str) -> Any:
        region = ("--region", given.region) if given.region else ()
        profile = ("--profile", given.profile) if given.profile else ()
        return run("aws", *command, *region, *profile, "--output", "json")

    def kubectl(*command: str) -> Any:
        return run("kubectl", *command, *(("--context", given.context) if given.context else ()), "--output", "json")

    try:
        cluster = aws("eks", "describe-cluster", "--name", given.cluster_name)["cluster"]
        associations = describe_associations(aws, given.cluster_name)
        own = [association["roleArn"] for association in associations if not association.get("ownerArn")]
        adoption = adopt(
            given.name,
            given.cluster_key,
            cluster["arn"],
            associations,
            service_accounts=service_accounts_of(kubectl) if given.kubernetes_provider else None,
            kubernetes_provider=given.kubernetes_provider,
            roles=describe_roles(aws, own) if given.roles else None,
            awaited=given.awaited,
        )
        if given.agent:
            adopt_agent(adoption, given.agent, cluster, describe_agent(aws, given.cluster_name))
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    workloads, resources = given.to / "workloads.yaml", given.to / "import.json"
    workloads.write_text(yaml.safe_dump(adoption.workloads, sort_keys=False))
    resources.write_text(json.dumps(adoption.import_file(), indent=2) + "\n")
    for note in adoption.notes:
        print(note)
    if adoption.agent:
        agent = given.to / "agent.yaml"
        agent.write_text(yaml.safe_dump(adoption.agent, sort_keys=False))
        print(f"the agent's arguments are in {agent}: give them, with the cluster's name, to", end=" ")
        print(f"PodIdentityAgent {given.agent!r}")
    print(
        f"{len(adoption.workloads)} workloads are in {workloads}: give them to PodIdentities {given.name!r}, and then"
    )
    print(f"pulumi import --file {resources} --yes --protect=false --generate-code=false")
    print("pulumi preview --expect-no-changes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
