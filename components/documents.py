"""Pure builders of the IAM documents that EKS Pod Identity needs.

The same arguments always give the same text, so a plan never shows a document that did not change. Partitions come from
the ARNs that are given in: nothing here says `arn:aws:`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import rules

POD_IDENTITY_PRINCIPAL = "pods.eks.amazonaws.com"
POLICY_VERSION = "2012-10-17"

Document = dict[str, Any]
Statement = dict[str, Any]


class Subject(NamedTuple):
    """A ServiceAccount of a namespace of a cluster, whose pods may have a role."""

    cluster_arn: str
    namespace: str
    service_account: str


def to_json(document: Mapping[str, Any]) -> str:
    """The document as the text that goes to AWS: compact, and in the order in which the builders wrote it."""
    return json.dumps(document, separators=(",", ":"))


def as_text(document: str | Mapping[str, Any]) -> str:
    """The document as text, where it is none already: a text stays as it stands."""
    return document if isinstance(document, str) else to_json(document)


def cluster_arn(partition: str, region: str, account: str, name: str) -> str:
    """The ARN that a cluster of this name has, or will have."""
    return f"arn:{partition}:eks:{region}:{account}:cluster/{name}"


def trust(
    cluster_arns: Sequence[str],
    *,
    namespaces: Sequence[str] = (),
    service_accounts: Sequence[str] = (),
    organization_id: str | None = None,
) -> Document:
    """The trust policy that lets EKS Pod Identity, for just these clusters, assume a role and tag its session.

    `cluster_arns` become the conditions `aws:SourceArn` and, by the accounts in them, `aws:SourceAccount`.
    `namespaces` and `service_accounts` narrow the trust by the session tags that EKS sends, `organization_id` (`o-…`)
    by `aws:SourceOrgID`. Raises `ValueError` on a cluster ARN that is none.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html and, for the session tags,
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
    """
    accounts = set()
    for arn in cluster_arns:
        match = rules.CLUSTER_ARN.fullmatch(arn)
        if match is None:
            raise ValueError(f"{arn!r} is not the ARN of an EKS cluster")
        accounts.add(match["account"])
    equals: dict[str, Any] = {"aws:SourceAccount": _one_or_many(accounts)}
    if organization_id is not None:
        equals["aws:SourceOrgID"] = organization_id
    if namespaces:
        equals["aws:RequestTag/kubernetes-namespace"] = _one_or_many(namespaces)
    if service_accounts:
        equals["aws:RequestTag/kubernetes-service-account"] = _one_or_many(service_accounts)
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": POD_IDENTITY_PRINCIPAL},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": equals,
                    "ArnEquals": {"aws:SourceArn": _one_or_many(cluster_arns)},
                },
            }
        ],
    }


def shared_trust(subjects: Iterable[Subject], *, organization_id: str | None = None) -> Document:
    """The trust policy of a role that several ServiceAccounts share, which lets just these have it, by their session
    tags.

    Clusters, namespaces and ServiceAccounts of which every combination is meant are one statement, as `trust` writes
    it. Otherwise there are several, no more than there are ServiceAccounts, so that no combination is trusted that was
    not named. Raises `ValueError` on a cluster ARN that is none.
    """
    statements = [
        statement
        for cluster_arns, namespaces, service_accounts in _products(subjects)
        for statement in trust(
            sorted(cluster_arns),
            namespaces=sorted(namespaces),
            service_accounts=sorted(service_accounts),
            organization_id=organization_id,
        )["Statement"]
    ]
    return {"Version": POLICY_VERSION, "Statement": statements}


def external_id(cluster_arn: str, namespace: str, service_account: str) -> str:
    """The `sts:ExternalId` that EKS sends when it assumes a target role for the pods of a ServiceAccount, as it does
    where the association disables session tags: `region/account/cluster/namespace/ServiceAccount`.

    It follows from what is known at preview. Raises `ValueError` on a cluster ARN that is none.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
    """
    match = rules.CLUSTER_ARN.fullmatch(cluster_arn)
    if match is None:
        raise ValueError(f"{cluster_arn!r} is not the ARN of an EKS cluster")
    return "/".join([match["region"], match["account"], match["name"], namespace, service_account])


def target_trust(
    role_arn: str,
    *,
    external_ids: Sequence[str] = (),
    namespaces: Sequence[str] = (),
    service_accounts: Sequence[str] = (),
    cluster_arns: Sequence[str] = (),
) -> Document:
    """The trust policy of a target role: that the associations' role, `role_arn`, may assume it.

    With `external_ids` it is for associations that disable session tags, and only for the ServiceAccounts that the ids
    name (see `external_id`). Without, it allows `sts:TagSession` too, and `namespaces`, `service_accounts` and
    `cluster_arns` narrow it by the session tags, which travel along. Raises `ValueError` when both are given.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
    """
    tags = {
        "eks-cluster-arn": cluster_arns,
        "kubernetes-namespace": namespaces,
        "kubernetes-service-account": service_accounts,
    }
    equals: dict[str, Any] = {f"aws:RequestTag/{tag}": _one_or_many(values) for tag, values in tags.items() if values}
    if external_ids and equals:
        raise ValueError("with an external id there are no session tags to compare: give one or the other")
    if external_ids:
        equals["sts:ExternalId"] = _one_or_many(external_ids)
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"AWS": role_arn},
        "Action": "sts:AssumeRole" if external_ids else ["sts:AssumeRole", "sts:TagSession"],
    }
    if equals:
        statement["Condition"] = {"StringEquals": equals}
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def chaining(target_role_arns: Sequence[str], *, session_tags: bool = True) -> list[Statement]:
    """Statements by which the associations' role may assume its target roles; `session_tags` says whether the
    associations send them."""
    actions = ["sts:AssumeRole", "sts:TagSession"] if session_tags else ["sts:AssumeRole"]
    resources = sorted(set(target_role_arns))
    return [{"Sid": "AssumeTargetRoles", "Effect": "Allow", "Action": actions, "Resource": resources}]


def service_trust(service: str) -> Document:
    """The trust policy of an AWS service's own role, such as the nodes' (`ec2.amazonaws.com`)."""
    return {
        "Version": POLICY_VERSION,
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }


def permissions(statements: Iterable[Mapping[str, Any]]) -> Document:
    """A permission policy from IAM statements, each with its elements in IAM's own order and spelling."""
    order = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
    return {
        "Version": POLICY_VERSION,
        "Statement": [{key: statement[key] for key in order if key in statement} for statement in statements],
    }


def s3_read_only(partition: str, buckets: Sequence[str]) -> list[Statement]:
    """Statements that list all buckets and read the objects, with their tags, of the named ones.

    `buckets` are names, in which `*` may stand for any text. `s3:ListAllMyBuckets` has no resource to be scoped to.
    """
    listing: Statement = {
        "Sid": "ListBuckets",
        "Effect": "Allow",
        "Action": ["s3:ListAllMyBuckets"],
        "Resource": "*",
    }
    if not buckets:
        return [listing]
    reading: Statement = {
        "Sid": "ReadObjects",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:GetObjectTagging"],
        "Resource": [f"arn:{partition}:s3:::{bucket}/*" for bucket in sorted(set(buckets))],
    }
    return [listing, reading]


def _one_or_many(values: Iterable[str]) -> str | list[str]:
    # IAM gives a list of one back as a plain string: written that way, the two compare equal.
    unique = sorted(set(values))
    return unique[0] if len(unique) == 1 else unique


_Product = tuple[frozenset[str], ...]


def _products(subjects: Iterable[Subject]) -> list[_Product]:
    """Sets of clusters, namespaces and ServiceAccounts, of which all combinations together are exactly the subjects.

    No two of them could be one. What is alike is merged whole, so the order of the subjects is not part of the result.
    """
    found: set[_Product] = {tuple(frozenset([part]) for part in subject) for subject in subjects}
    before = 0
    while len(found) != before:
        before = len(found)
        # Clusters first: then there is at most one for each ServiceAccount, wherever it is.
        for axis in (0, 2, 1):
            merged: dict[_Product, frozenset[str]] = {}
            for product in found:
                others = product[:axis] + product[axis + 1 :]
                merged[others] = merged.get(others, frozenset()) | product[axis]
            found = {(*others[:axis], values, *others[axis:]) for others, values in merged.items()}
    return sorted(found, key=lambda product: [sorted(part) for part in product])
