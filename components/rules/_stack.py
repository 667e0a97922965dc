"""What can be seen only by looking at several resources at once: associations, their clusters, roles and pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ._conditions import members
from ._documents import judge_document_size, parse_document, statements_of
from ._findings import EKS_API, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding
from ._iam import INLINE_POLICY_SIZE, judge_permissions

ADDON_NAMESPACES: Mapping[str, str] = {
    "amazon-cloudwatch-observability": "amazon-cloudwatch",
    "aws-ebs-csi-driver": "kube-system",
    "aws-efs-csi-driver": "kube-system",
    "aws-fsx-csi-driver": "kube-system",
    "aws-mountpoint-s3-csi-driver": "kube-system",
    "external-dns": "external-dns",
    "vpc-cni": "kube-system",
}
"""Where EKS puts those of its add-ons that take a role, unless it is told another namespace."""

_UNIQUE_PAGE = EKS_API + "API_CreatePodIdentityAssociation.html"
_AGENT_PAGE = USER_GUIDE + "pod-id-agent-setup.html"
_QUOTAS_PAGE = IAM_GUIDE + "reference_iam-quotas.html"


@dataclass(frozen=True)
class Association:
    """A pod identity association: where it stands (`name`), and whom it gives a role to. `cluster` is whatever tells
    the clusters apart, such as their names; `prop` is the property that names the ServiceAccount."""

    name: str
    cluster: Any
    namespace: Any
    service_account: Any
    prop: str = "serviceAccount"

    def subject(self) -> tuple[Any, Any, Any] | None:
        """Cluster, namespace and ServiceAccount; None where one of them is not known."""
        parts = (self.cluster, self.namespace, self.service_account)
        return parts if all(isinstance(part, str) for part in parts) else None


def judge_associations(associations: Iterable[Association]) -> list[tuple[str, Finding]]:
    """That no two associations are for one ServiceAccount of one cluster: the later ones, by name, each with what is
    wrong."""
    findings: list[tuple[str, Finding]] = []
    seen: dict[tuple[Any, ...], str] = {}
    for association in associations:
        subject = association.subject()
        if subject is None:
            continue
        if subject in seen:
            reason = f"{seen[subject]} is the association of this ServiceAccount already, and EKS takes one"
            fix = "Give each workload its own ServiceAccount, or one role the permissions of both"
            finding = Finding("association-duplicate", association.prop, subject[2], reason, fix, _UNIQUE_PAGE)
            findings.append((association.name, finding))
        seen.setdefault(subject, association.name)
    return findings


def judge_agent(
    association_clusters: Sequence[Any], *, cluster: str, agents: Sequence[Any], auto_mode: Any
) -> list[Finding]:
    """That a cluster with associations has the agent. `agents` are the clusters of the add-ons and charts that bring
    it, `auto_mode` is whether the cluster runs in EKS Auto Mode, which has it built in."""
    if cluster not in association_clusters or cluster in agents or UNKNOWN in agents:
        return []
    if auto_mode is UNKNOWN or auto_mode is True:
        return []
    reason = "there are associations with this cluster and no agent in it, so its pods get no credentials, nor an error"
    fix = "Make the add-on eks-pod-identity-agent; PodIdentityAgent does"
    return [Finding("agent-missing", "name", cluster, reason, fix, _AGENT_PAGE)]


def judge_inline_policies(documents: Iterable[Any], prop: str = "inlinePolicies") -> list[Finding]:
    """The texts of all inline policies of one role: that they are within IAM's quota together. A single one is judged
    where it stands."""
    texts = [document for document in documents if isinstance(document, str)]
    over = judge_document_size(prop, "".join(texts), INLINE_POLICY_SIZE) if len(texts) > 1 else []
    reason = f"IAM takes {INLINE_POLICY_SIZE} characters for all inline policies of a role together"
    fix = "Name fewer resources, or make managed policies of some, which count by themselves"
    return [Finding("iam-inline-size", prop, finding.value, reason, fix, _QUOTAS_PAGE) for finding in over]


def judge_attached_policies(documents: Mapping[str, Any], prop: str = "policies") -> list[Finding]:
    """The documents of all policies of one role, by whatever tells them apart: that no several of them come to handing
    out every role. Where one alone does, that one has its finding."""
    parsed = {name: parse_document(document, prop)[0] for name, document in documents.items()}
    statements = {name: members(statements_of(document)) for name, document in parsed.items() if document is not None}
    if any(_escalations(own, prop) for own in statements.values()):
        return []
    together = _escalations([statement for own in statements.values() for statement in own], prop)
    return [
        replace(
            finding,
            rule="iam-role-escalation",
            property=prop,
            reason=f"{finding.reason}; its policies allow that together: {', '.join(statements)}",
        )
        for finding in together
    ]


def _escalations(statements: Sequence[Any], prop: str) -> list[Finding]:
    return [finding for finding in judge_permissions(statements, prop) if finding.rule == "iam-escalation"]
