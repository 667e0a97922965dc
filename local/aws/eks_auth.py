"""Amazon EKS Auth: credentials for pods.

The request path is whole; what a token proves is for a ``TokenVerifier`` to say, which needs the keys of a
running Kubernetes API server.

https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

from __future__ import annotations

from typing import Any, Protocol

from .eks.service import EksService
from .eks.store import Cluster
from .front import Request
from .protocol import HttpReply, Operation, ServiceError, render_result
from .serving import Serving


class TokenVerifier(Protocol):
    """Turns a pod's service account token into credentials of the associated role."""

    def assume_role(self, cluster: Cluster, token: str) -> dict[str, Any]:
        """Return the members of AssumeRoleForPodIdentityResponse.

        Raises:
            ServiceError: one of the errors that AssumeRoleForPodIdentity models.
        """
        ...


class NoTokens:
    """Refuses every token: without an API server nobody can have signed one."""

    def assume_role(self, cluster: Cluster, token: str) -> dict[str, Any]:
        """Refuse."""
        raise ServiceError("InvalidTokenException", "The token included in the request is invalid.")


class EksAuthService:
    """Amazon EKS Auth.

    Args:
        eks: where clusters and associations are.
        verifier: what tokens are worth.
    """

    def __init__(self, eks: EksService, verifier: TokenVerifier | None = None) -> None:
        self._eks = eks
        self._verifier = verifier or NoTokens()
        self._serving = Serving("eks-auth", "EKS Auth", self._assume)

    def handle(self, request: Request) -> HttpReply:
        """Answer one request; never raises."""
        return self._serving.handle(request)

    def _assume(self, operation: Operation, params: dict[str, Any], request: Request) -> HttpReply:
        name = params["clusterName"]
        cluster = self._eks.find_cluster(name, request.region)
        if cluster is None:
            raise ServiceError("ResourceNotFoundException", f"No cluster found for name: {name}.")
        return render_result(operation, self._verifier.assume_role(cluster, params["token"]))
