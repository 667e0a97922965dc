"""Amazon EKS Auth: credentials for pods.

The request path is whole; what a token proves is for a ``TokenVerifier`` to say, which needs the keys of a
running Kubernetes API server.

https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from .eks.service import EksService
from .eks.store import Cluster
from .front import Request
from .protocol import (
    CommonError,
    HttpReply,
    Router,
    ServiceError,
    bad_parameter,
    operations_of,
    parse_request,
    render_common_error,
    render_error,
    render_result,
    violations,
)

log = logging.getLogger(__name__)


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
        self._operations = operations_of("eks-auth")
        self._router = Router(self._operations)

    def handle(self, request: Request) -> HttpReply:
        """Answer one request; never raises."""
        found = self._router.match(request.method, request.raw_path)
        if found is None:
            message = f"EKS Auth has no operation at {request.method} {request.raw_path}"
            return render_common_error(CommonError("UnknownOperationException", message, 404))
        name, labels = found
        operation = self._operations[name]
        try:
            params = parse_request(operation, labels, request.query, request.headers, request.body)
            assert operation.input_shape is not None
            for problem in violations(operation.input_shape, params):
                raise bad_parameter(operation, problem)
            return render_result(operation, self._assume(params, request.region))
        except ServiceError as error:
            return render_error(operation, error)
        except CommonError as error:
            return render_common_error(error)
        except Exception:
            log.exception("%s failed", name)
            return render_error(operation, ServiceError("InternalServerException", "Internal failure."))

    def _assume(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        name = params["clusterName"]
        cluster = self._eks.find_cluster(name, region)
        if cluster is None:
            raise ServiceError("ResourceNotFoundException", f"No cluster found for name: {name}.")
        return self._verifier.assume_role(cluster, params["token"])
