"""The AWS half of AssumeRoleForPodIdentity: from an association and a pod to credentials.

EKS assumes the association's role as the service ``pods.eks.amazonaws.com``, for the cluster and with six
session tags that name the pod. With a target role, that first session assumes it in turn.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..eks.store import Cluster, Description
from ..protocol import ServiceError
from .assume_role import CHAINED_SECONDS, Assumption, RoleAssumption, StsError
from .keys import Caller, request_keys
from .principals import Principal
from .sessions import Session, Sessions

log = logging.getLogger(__name__)

SERVICE = "pods.eks.amazonaws.com"
SESSION_SECONDS = 6 * 3_600
_NAME_CHARACTERS = 64


@dataclass(frozen=True)
class Pod:
    """The pod that a verified token is bound to."""

    namespace: str
    service_account: str
    name: str
    uid: str


class PodIdentitySessions:
    """Issues credentials to pods.

    Args:
        assumption: what issues role sessions.
        sessions: where they are remembered.
        organization: id of the organization that the account belongs to, if any.
    """

    def __init__(self, assumption: RoleAssumption, sessions: Sessions, organization: str | None = None) -> None:
        self._assumption = assumption
        self._sessions = sessions
        self._organization = organization

    def assume(self, cluster: Cluster, association: Description, pod: Pod) -> dict[str, Any]:
        """Return the members of AssumeRoleForPodIdentityResponse.

        Args:
            cluster: the cluster whose API server signed the pod's token.
            association: the association of the pod's namespace and service account.
            pod: the pod.

        Raises:
            ServiceError: AccessDeniedException when a role cannot be assumed, InvalidRequestException when
                the association cannot work as it stands.
        """
        _, _, _, region, account, _ = cluster.arn.split(":", 5)
        tags = {} if association.get("disableSessionTags") else session_tags(cluster, pod)
        keys = request_keys(region, dt.datetime.now(dt.UTC), {})
        target = association.get("targetRoleArn")
        policy = association.get("policy")
        if policy is not None and tags:
            raise ServiceError("InvalidRequestException", "A policy requires that session tags are disabled.")
        name = session_name(cluster.name, pod.name)
        session = self._assume(
            Caller(Principal.service(SERVICE)),
            Assumption(
                association["roleArn"],
                name,
                SESSION_SECONDS,
                fixed_seconds=True,
                tags=tags,
                transitive=frozenset(tags),
                # With a target role, the policy restricts that one and not the role on the way to it.
                policy=None if target else policy,
                source={
                    "aws:SourceArn": cluster.arn,
                    "aws:SourceAccount": account,
                    "aws:SourceOrgID": self._organization,
                },
            ),
            keys,
            "associated",
        )
        if target:
            first = Caller(self._sessions.principal(session), self._sessions.policies(session), session)
            external_id = association.get("externalId")
            chained = Assumption(target, name, CHAINED_SECONDS, policy=policy, external_id=external_id)
            session = self._assume(first, chained, keys, "target")
        return {
            "subject": {"namespace": pod.namespace, "serviceAccount": pod.service_account},
            "audience": SERVICE,
            "podIdentityAssociation": {
                "associationArn": association["associationArn"],
                "associationId": association["associationId"],
            },
            "assumedRoleUser": {"arn": session.arn, "assumeRoleId": session.user_id},
            "credentials": {
                "accessKeyId": session.access_key_id,
                "secretAccessKey": session.secret_access_key,
                "sessionToken": session.session_token,
                "expiration": session.expiration,
            },
        }

    def _assume(self, caller: Caller, wanted: Assumption, keys: Mapping[str, Any], which: str) -> Session:
        try:
            return self._assumption.assume(caller, wanted, keys)
        except StsError as error:
            # EKS Auth tells pods no more than this; why it is so is for those who read the log.
            log.warning("the %s role %s cannot be assumed: %s", which, wanted.role_arn, error.message)
            if error.code != "AccessDenied":
                raise ServiceError("InvalidRequestException", error.message) from None
            raise ServiceError(
                "AccessDeniedException",
                f"Unauthorized Exception! EKS does not have permissions to assume the {which} role.",
            ) from None


def session_tags(cluster: Cluster, pod: Pod) -> dict[str, str]:
    """Return the six session tags of a pod's credentials."""
    return {
        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": cluster.name,
        "kubernetes-namespace": pod.namespace,
        "kubernetes-service-account": pod.service_account,
        "kubernetes-pod-name": pod.name,
        "kubernetes-pod-uid": pod.uid,
    }


def session_name(cluster: str, pod: str) -> str:
    """Return a role session name: ``eks-<cluster>-<pod>-<random UUID>``, in the 64 characters that STS allows."""
    suffix = str(uuid.uuid4())
    room = _NAME_CHARACTERS - len(f"eks---{suffix}")
    # A short name leaves its room to the other.
    of_cluster = max(room // 2, room - len(pod))
    cluster = cluster[:of_cluster]
    return f"eks-{cluster}-{pod[: room - len(cluster)]}-{suffix}"
