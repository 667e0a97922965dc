"""The associations that a cluster has already, brought under `PodIdentities`: `python -m components.adopt`.

Writes what the program has to say of them, and what `pulumi import` has to be told, so that the preview afterwards is
empty. Nothing in AWS or in the cluster is changed. Associations that an add-on owns are left out: the add-on has them.

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

from . import documents
from ._base import token

ROLE, ATTACHMENT = "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"

_AT_ONCE = 8

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Role:
    """A role as IAM has it, with the ARNs of its managed and the names of its inline policies."""

    described: Json
    managed: Sequence[str]
    inline: Sequence[str]


@dataclass
class Adoption:
    """What the program has to say, what `pulumi import` has to be told, and what could not be adopted."""

    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
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
    used = Counter(association["roleArn"] for association in own)
    for key, association in zip(_keys(own), own, strict=True):
        workload: dict[str, Any] = {
            "namespace": association["namespace"],
            "service_account": association["serviceAccount"],
            "clusters": [cluster_key],
            "create_namespace": False,
        }
        for said, theirs in _FIELDS.items():
            if association.get(theirs):
                workload[said] = association[theirs]
        workload |= _role(adoption, name, key, association, cluster_arn, roles or {}, used)
        called = f"{name}-{key}-{cluster_key}"
        identifier = f"{association['clusterName']},{association['associationId']}"
        adoption.resources.append(_aws(ASSOCIATION, f"{called}-association", identifier, name))
        account = (service_accounts or {}).get((association["namespace"], association["serviceAccount"]))
        workload |= _service_account(adoption, name, called, association, account, kubernetes_provider)
        adoption.workloads[key] = workload
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


def _role(
    adoption: Adoption,
    name: str,
    key: str,
    association: Json,
    cluster_arn: str,
    roles: Mapping[str, Role],
    used: Mapping[str, int],
) -> dict[str, Any]:
    arn = association["roleArn"]
    role = roles.get(arn)
    if role is None:
        return {"role_arn": arn}
    objection = _objection(role, association, cluster_arn, used[arn])
    if objection is not None:
        adoption.notes.append(f"{_whose(association)}: the role {arn} is named and not adopted, because {objection}")
        return {"role_arn": arn}
    described = role.described
    attached = _attached(role.managed)
    called = f"{name}-{key}"
    adoption.resources.append(_aws(ROLE, f"{called}-role", described["RoleName"], name))
    for policy, policy_arn in attached.items():
        adoption.resources.append(_aws(ATTACHMENT, f"{called}-{policy}", f"{described['RoleName']}/{policy_arn}", name))
    said = {
        "role_name": described["RoleName"],
        "path": described["Path"],
        "description": described.get("Description"),
        "max_session_duration": described["MaxSessionDuration"],
        "managed_policy_arns": attached,
    }
    boundary = described.get("PermissionsBoundary")
    return said | ({"permissions_boundary": boundary["PermissionsBoundaryArn"]} if boundary else {})


def _objection(role: Role, association: Json, cluster_arn: str, used: int) -> str | None:
    """Why a role cannot be adopted without a change to it; None where it can."""
    if used > 1:
        return f"{used} associations have it"
    if association.get("targetRoleArn"):
        return "what lets it assume its target role is a policy of its own"
    if role.inline:
        return f"it has inline policies ({', '.join(sorted(role.inline))}), and PodIdentities attaches managed ones"
    if not role.managed:
        return "it has no managed policy"
    if _tags(role.described) != dict(association.get("tags") or {}):
        return "it has other tags than the association"
    narrowed: dict[str, Any] = {}
    if not association.get("disableSessionTags"):
        narrowed = {"namespaces": [association["namespace"]], "service_accounts": [association["serviceAccount"]]}
    if _as_sets(role.described["AssumeRolePolicyDocument"]) != _as_sets(documents.trust([cluster_arn], **narrowed)):
        return "its trust policy is not the one that PodIdentities writes, scoped to cluster and ServiceAccount"
    return None


def _tags(described: Json) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags") or ()}


def _attached(arns: Sequence[str]) -> dict[str, str]:
    """The policies by their names, with the account where two have the same."""
    names = Counter(arn.rpartition("/")[2] for arn in arns)
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
            aws("iam", "list-role-policies", *role)["PolicyNames"],
        )

    unique = sorted(set(arns))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(unique, threads.map(describe, unique), strict=True))


def service_accounts_of(kubectl: Run) -> dict[tuple[str, str], Json]:
    """All ServiceAccounts of a cluster, by namespace and name."""
    listed = kubectl("get", "serviceaccounts", "--all-namespaces")["items"]
    return {(account["metadata"]["namespace"], account["metadata"]["name"]): account for account in listed}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both files for the command line's cluster; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m components.adopt", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cluster_name", help="the cluster's name")
    parser.add_argument("--region", help="the cluster's region; default: that of the aws command")
    parser.add_argument("--profile", help="the profile of the aws command")
    parser.add_argument("--name", default="workloads", help="the name of the PodIdentities in the program")
    parser.add_argument("--cluster-key", default="cluster", help="the cluster's key in it")
    parser.add_argument(
        "--roles", action="store_true", help="adopt the roles, too, where nothing has to change in them"
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
    parser.add_argument("--to", type=Path, default=Path(), help="the folder for both files; default: this one")
    given = parser.parse_args(arguments)

    def aws(*command: str) -> Any:
        region = ("--region", given.region) if given.region else ()
        profile = ("--profile", given.profile) if given.profile else ()
        return run("aws", *command, *region, *profile, "--output", "json")

    def kubectl(*command: str) -> Any:
        return run("kubectl", *command, *(("--context", given.context) if given.context else ()), "--output", "json")

    try:
        arn = aws("eks", "describe-cluster", "--name", given.cluster_name)["cluster"]["arn"]
        associations = describe_associations(aws, given.cluster_name)
        own = [association["roleArn"] for association in associations if not association.get("ownerArn")]
        adoption = adopt(
            given.name,
            given.cluster_key,
            arn,
            associations,
            service_accounts=service_accounts_of(kubectl) if given.kubernetes_provider else None,
            kubernetes_provider=given.kubernetes_provider,
            roles=describe_roles(aws, own) if given.roles else None,
            awaited=given.awaited,
        )
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    workloads, resources = given.to / "workloads.yaml", given.to / "import.json"
    workloads.write_text(yaml.safe_dump(adoption.workloads, sort_keys=False))
    resources.write_text(json.dumps(adoption.import_file(), indent=2) + "\n")
    for note in adoption.notes:
        print(note)
    print(
        f"{len(adoption.workloads)} workloads are in {workloads}: give them to PodIdentities {given.name!r}, and then"
    )
    print(f"pulumi import --file {resources} --yes --protect=false --generate-code=false")
    print("pulumi preview --expect-no-changes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
