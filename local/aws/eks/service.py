"""The EKS service: from a request to a reply."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from ..front import Request
from ..protocol import HttpReply, Operation, bad_parameter, operations_of, render_result
from ..serving import Serving
from . import (  # imported for the behaviours that they register
    access,
    addons,
    associations,
    clusters,
    fargate,
    identity_providers,
    insights,
    nodegroups,
    tags,
    updates,
    versions,
)
from .call import BEHAVIOURS, Call
from .cloud import Cloud
from .lifecycle import Lifecycle
from .seams import DataPlane, NoKubernetes
from .store import Cluster, Remembered, Store, Transition

log = logging.getLogger(__name__)

_MODULES = (access, associations, insights, tags, updates, versions)

# What an AWS account has beyond EKS on AWS, or what needs more than an API. Refused by name, never answered
# as if it had been done.
NOT_OFFERED = (
    "ActivateCertificateAuthority",
    "CancelUpdate",
    "CreateCapability",
    "CreateCertificateAuthority",
    "CreateEksAnywhereSubscription",
    "DeleteCapability",
    "DeleteCertificateAuthority",
    "DeleteEksAnywhereSubscription",
    "DeregisterCluster",
    "DescribeCapability",
    "DescribeCertificateAuthority",
    "DescribeEksAnywhereSubscription",
    "ListCapabilities",
    "ListCertificateAuthorities",
    "ListEksAnywhereSubscriptions",
    "RegisterCluster",
    "UpdateCapability",
    "UpdateEksAnywhereSubscription",
)
_COMPLETIONS: dict[str, Callable[[Call, Cluster, Transition], bool]] = {
    "cluster": clusters.complete,
    "nodegroup": nodegroups.complete,
    "fargate-profile": fargate.complete,
    "addon": addons.complete,
    "identity-provider": identity_providers.complete,
}


class EksService:
    """Amazon EKS.

    Args:
        account: the account that everything belongs to.
        lock_of: returns the lock that serialises one of moto's services.
        transition: seconds that CREATING, UPDATING and DELETING last.
        data_plane: what runs the clusters' Kubernetes.
        store: earlier state; empty when None.
    """

    # How long an answer to a client request token is remembered.
    TOKEN_SECONDS = 3_600.0

    def __init__(
        self,
        account: str,
        lock_of: Callable[[str], AbstractContextManager[Any]],
        transition: float,
        data_plane: DataPlane | None = None,
        store: Store | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.store = store or Store()
        self._account = account
        self._lock_of = lock_of
        self._data_plane = data_plane or NoKubernetes()
        self._serving = Serving("eks", "EKS", self._respond)
        self.lifecycle = Lifecycle(self.store, self.lock, transition, self._complete)

    def handle(self, request: Request) -> HttpReply:
        """Answer one request; never raises."""
        return self._serving.handle(request)

    def _respond(self, operation: Operation, params: dict[str, Any], request: Request) -> HttpReply:
        with self.lock:
            self.lifecycle.settle()
            result = self._answer(self._call(operation.name, request.region, request.access_key), params)
            # Rendered under the lock: descriptions are live and another call may change them.
            return render_result(operation, result)

    def reset(self) -> None:
        """Forget everything, and end what runs."""
        with self.lock:
            for cluster in self.all_clusters():
                self._data_plane.delete_cluster(cluster)
            self.store.regions.clear()
            self.store.transitions.clear()
            self.store.tokens.clear()

    def all_clusters(self) -> Iterator[Cluster]:
        """Yield every cluster of every account and region."""
        for region in self.store.regions.values():
            yield from region.clusters.values()

    def find_cluster(self, name: str, region: str) -> Cluster | None:
        """Return a cluster for EKS Auth."""
        with self.lock:
            self.lifecycle.settle()
            return self.store.region(self._account, region).clusters.get(name)

    def _call(self, operation: str, region: str, access_key: str) -> Call:
        partition = _partition(region)
        return Call(
            operation=self._serving.operations[operation],
            access_key=access_key,
            partition=partition,
            store=self.store,
            region=self.store.region(self._account, region),
            cloud=Cloud(self._lock_of, self._account, region, partition),
            lifecycle=self.lifecycle,
            data_plane=self._data_plane,
        )

    def _answer(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        name = call.operation.name
        if name in NOT_OFFERED:
            raise bad_parameter(call.operation, f"{name} is not offered by the local endpoint")
        token = params.pop("clientRequestToken", None)
        if token is None:
            return BEHAVIOURS[name](call, params)
        return self._answer_once(call, params, token)

    def _answer_once(self, call: Call, params: dict[str, Any], token: str) -> dict[str, Any]:
        """Carry out a request once for a client request token; repeat its answer afterwards.

        Tokens of what has been deleted since are forgotten: the same request then is a new wish.
        """
        now, tokens = time.time(), self.store.tokens
        for old in [key for key, entry in tokens.items() if entry.at < now - self.TOKEN_SECONDS]:
            del tokens[old]
        key = (call.region.name, call.operation.name, token, "")
        entry = tokens.get(key)
        if entry is not None and tags.still_there(call, entry.result):
            if entry.request != params:
                raise bad_parameter(
                    call.operation, "The client request token was already used with different parameters."
                )
            return entry.result
        request = copy.deepcopy(params)
        result = BEHAVIOURS[call.operation.name](call, params)
        tokens[key] = Remembered(now, request, copy.deepcopy(result))
        return result

    def _complete(self, transition: Transition) -> bool:
        region = self.store.region(transition.account, transition.region)
        cluster = region.clusters.get(transition.cluster)
        if cluster is None:
            return True
        call = self._call("DescribeCluster", transition.region, "")
        if not _COMPLETIONS[transition.kind](call, cluster, transition):
            return False
        if transition.update is not None and transition.update in cluster.updates:
            cluster.updates[transition.update].description["status"] = "Successful"
        return True


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def unrouted_operations() -> set[str]:
    """Return the operations of the model that are neither implemented nor refused by name."""
    return set(operations_of("eks")) - set(BEHAVIOURS) - set(NOT_OFFERED)
