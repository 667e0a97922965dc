"""The credentials of the node that an agent runs on: a session of the node's IAM role.

The agent has no permissions of its own. It calls EKS Auth as its node, whose role must allow
eks-auth:AssumeRoleForPodIdentity, as the managed policy AmazonEKSWorkerNodePolicy does.

https://docs.aws.amazon.com/eks/latest/userguide/create-node-role.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.credentials import CredentialProvider, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from local.aws.authorization.assume_role import Assumption, RoleAssumption, StsError
from local.aws.authorization.keys import Caller, request_keys
from local.aws.authorization.principals import Principal
from local.aws.authorization.sessions import Session

_SESSION_SECONDS = 6 * 3_600


@dataclass(frozen=True)
class Node:
    """The node that an agent runs on.

    Attributes:
        instance: the EC2 instance's id.
        role_arn: its role.
    """

    instance: str
    role_arn: str


class NoNode(Exception):
    """The agent runs on no node that EKS manages."""


class NodeSessions(Protocol):
    """Issues sessions to nodes."""

    def assume(self, node: Node, region: str) -> Session:
        """Return a session of a node's role.

        Raises:
            StsError: EC2 may not assume it.
        """
        ...


class Ec2Sessions:
    """Issues sessions to instances, as EC2 does for their instance profiles.

    Args:
        assumption: what issues role sessions.
    """

    def __init__(self, assumption: RoleAssumption) -> None:
        self._assumption = assumption

    def assume(self, node: Node, region: str) -> Session:
        """Return a session of a node's role.

        Raises:
            StsError: EC2 may not assume it.
        """
        wanted = Assumption(node.role_arn, node.instance, _SESSION_SECONDS, fixed_seconds=True)
        keys = request_keys(region, dt.datetime.now(dt.UTC), {})
        return self._assumption.assume(Caller(Principal.service("ec2.amazonaws.com")), wanted, keys)


class NodeCredentials(CredentialProvider):
    """Provides botocore with a node's credentials, and renews them.

    Args:
        sessions: issues them.
        region: the cluster's region.
        find_node: returns the node that the agent runs on, or raises NoNode.
    """

    METHOD = "node"
    CANONICAL_NAME = "EksNode"

    def __init__(self, sessions: NodeSessions, region: str, find_node: Callable[[], Node]) -> None:
        super().__init__()
        self._sessions = sessions
        self._region = region
        self._find_node = find_node

    def load(self) -> RefreshableCredentials:  # type: ignore[override] - the stubs say it returns True
        """Return the credentials."""
        return RefreshableCredentials.create_from_metadata(self._fetch(), self._fetch, self.METHOD)

    def _fetch(self) -> dict[str, Any]:
        try:
            session = self._sessions.assume(self._find_node(), self._region)
        except (NoNode, StsError) as error:
            raise CredentialRetrievalError(provider=self.METHOD, error_msg=str(error)) from None
        return {
            "access_key": session.access_key_id,
            "secret_key": session.secret_access_key,
            "token": session.session_token,
            "expiry_time": session.expiration.isoformat(),
        }
