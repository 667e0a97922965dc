"""What a pod's token proves: which pod of which cluster sent it.

EKS Auth gets nothing but a cluster's name and a token. The token is a JSON Web Token that the cluster's API
server signed for one pod, with the audience ``pods.eks.amazonaws.com``. It is worth something if the
cluster's published keys verify it, all of its claims hold now, and the pod and the ServiceAccount that it was made
for, not later ones of the same name, are there in the cluster.

https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
https://datatracker.ietf.org/doc/html/rfc8725
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from local.aws.authorization.pod_identity import Pod
from local.aws.eks.store import Cluster, Description
from local.aws.protocol import ServiceError

from .api_server import ApiServer, ApiUnavailable, Object

AUDIENCE = "pods.eks.amazonaws.com"
# The only algorithm: a token never chooses how it is verified.
ALGORITHM = "RS256"
# A bound object that is being deleted still counts for this long, as in the API server's own check.
_DELETION_GRACE = dt.timedelta(seconds=60)


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidTokenException", f"The token included in the request is invalid: {why}")


class TokenJudge:
    """Judges the tokens of one cluster.

    Args:
        api: the cluster's API server.
        issuer: the issuer of its tokens.
        clock: returns the current time.
    """

    # How often keys are read anew for a token that names a key nobody knows.
    _KEYS_SECONDS = 10.0

    def __init__(
        self, api: ApiServer, issuer: str, clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._api = api
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, RSAKey] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def pod_of(self, token: str) -> Pod:
        """Return the pod that a token proves.

        Raises:
            ServiceError: InvalidTokenException or ExpiredTokenException; ServiceUnavailableException when
                the API server cannot be asked.
        """
        try:
            claims = self._verified_claims(token)
            self._check_claims(claims)
            return self._bound_pod(claims)
        except ApiUnavailable:
            raise ServiceError(
                "ServiceUnavailableException", "The cluster's API server could not be reached to verify the token."
            ) from None

    def _verified_claims(self, token: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, UnicodeError):
            raise _invalid("it cannot be parsed.") from None
        if header.get("alg") != ALGORITHM:
            raise _invalid("its signing algorithm is not supported.")
        kid = header.get("kid")
        key = self._key(kid) if isinstance(kid, str) else None
        if key is None:
            raise _invalid("it is not signed with a key of the cluster.")
        try:
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            raise _invalid("its signature could not be verified.") from None
        return claims

    def _key(self, kid: str) -> RSAKey | None:
        with self._lock:
            if kid not in self._keys and time.monotonic() - self._read_at >= self._KEYS_SECONDS:
                found = KeySet.import_key_set(self._api.get("/openid/v1/jwks"))  # type: ignore[arg-type]
                self._keys = {key.kid: key for key in found.keys if isinstance(key, RSAKey) and key.kid}
                self._read_at = time.monotonic()
            return self._keys.get(kid)

    def _check_claims(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            raise _invalid("its issuer is not the cluster's.")
        if claims.get("aud") not in (AUDIENCE, [AUDIENCE]):
            raise _invalid(f"its audience is not {AUDIENCE}.")
        expiration, not_before, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
        now = self._clock()
        if now.timestamp() >= expiration:
            raise ServiceError(
                "ExpiredTokenException",
                f"The token included in the request is expired: current date/time {_utc(now)} "
                f"must be before the expiration date/time {_utc(dt.datetime.fromtimestamp(expiration, dt.UTC))}",
            )
        if now.timestamp() < not_before or now.timestamp() < issued:
            raise _invalid("it is not valid yet.")

    def _bound_pod(self, claims: dict[str, Any]) -> Pod:
        try:
            bound = claims["kubernetes.io"]
            pod = Pod(bound["namespace"], bound["serviceaccount"]["name"], bound["pod"]["name"], bound["pod"]["uid"])
            account_uid = bound["serviceaccount"]["uid"]
        except (KeyError, TypeError):
            raise _invalid("it is not bound to a pod.") from None
        if not all(isinstance(text, str) for text in (pod.namespace, pod.service_account, pod.name, pod.uid)):
            raise _invalid("it is not bound to a pod.")
        if claims.get("sub") != f"system:serviceaccount:{pod.namespace}:{pod.service_account}":
            raise _invalid("its subject does not match its service account.")
        base = f"/api/v1/namespaces/{pod.namespace}"
        account = self._api.find(f"{base}/serviceaccounts/{pod.service_account}")
        if account is None or not self._lives(account, account_uid):
            raise _invalid("its service account does not exist.")
        found = self._api.find(f"{base}/pods/{pod.name}")
        if found is None or not self._lives(found, pod.uid):
            raise _invalid("its pod does not exist.")
        if found["spec"].get("serviceAccountName") != pod.service_account:
            raise _invalid("its pod uses another service account.")
        if found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            raise _invalid("its pod has ended.")
        return pod

    def _lives(self, item: Object, uid: Any) -> bool:
        if item["metadata"]["uid"] != uid:
            return False
        deleted = item["metadata"].get("deletionTimestamp")
        return deleted is None or self._clock() < dt.datetime.fromisoformat(deleted) + _DELETION_GRACE


def _seconds(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(f"its claim {name} is missing.")
    return value


def _utc(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


class Sessions(Protocol):
    """The AWS half: from an association and a pod to credentials."""

    def assume(self, cluster: Cluster, association: Description, pod: Pod) -> dict[str, Any]:
        """Return the members of AssumeRoleForPodIdentityResponse, or raise ServiceError."""
        ...


class ClusterIdentity(Protocol):
    """What is needed of a running cluster."""

    @property
    def judge(self) -> TokenJudge:
        """Who judges its tokens."""
        ...

    def association(self, namespace: str, service_account: str) -> Description | None:
        """Return the association that is effective now."""
        ...


class PodTokens:
    """Turns tokens into credentials; the verifier that EKS Auth asks.

    Args:
        sessions: issues the credentials.
        identity_of: returns a cluster's running half, None while it has none.
    """

    def __init__(self, sessions: Sessions, identity_of: Callable[[Cluster], ClusterIdentity | None]) -> None:
        self._sessions = sessions
        self._identity_of = identity_of

    def assume_role(self, cluster: Cluster, token: str) -> dict[str, Any]:
        """Return the members of AssumeRoleForPodIdentityResponse.

        Raises:
            ServiceError: one of the errors that AssumeRoleForPodIdentity models.
        """
        identity = self._identity_of(cluster)
        if identity is None:
            status = cluster.description.get("status")
            raise ServiceError("InvalidRequestException", f"The cluster {cluster.name} is in status {status}.")
        pod = identity.judge.pod_of(token)
        association = identity.association(pod.namespace, pod.service_account)
        if association is None:
            raise ServiceError(
                "ResourceNotFoundException",
                f"No association found for service account {pod.service_account} in namespace {pod.namespace} "
                f"of cluster {cluster.name}.",
            )
        return self._sessions.assume(cluster, association, pod)
