"""What can be seen only by looking at several resources at once: associations, their clusters, roles and pods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ._findings import EKS_API, UNKNOWN, USER_GUIDE, Finding

_UNIQUE_PAGE = EKS_API + "API_CreatePodIdentityAssociation.html"
_AGENT_PAGE = USER_GUIDE + "pod-id-agent-setup.html"


@dataclass(frozen=True)
class Association:
    """A pod identity association: where it stands (`name`), and whom it gives a role to. `cluster` is whatever tells
    the clusters apart, such as their names."""

    name: str
    cluster: Any
    namespace: Any
    service_account: Any

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
            finding = Finding("association-duplicate", "serviceAccount", subject[2], reason, fix, _UNIQUE_PAGE)
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
