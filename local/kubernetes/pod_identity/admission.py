"""Pod identity admission: pods of associated service accounts get variables, a token volume and its mounts.

EKS does this by a mutating webhook outside the cluster. Here it is a MutatingAdmissionPolicy, in
``admission.yaml``: the same changes, made by the API server itself. Nothing has to listen, no
certificate has to be made, a pod is never admitted unchanged because a server was busy, and a server-side
dry-run shows the changes as it does on EKS. What a webhook reads from elsewhere (the associations, what
ServiceAccounts say in annotations) is the policy's parameter: a ConfigMap that is kept up to date here, or a few where
one cannot hold all of it. On EKS nobody can remove the webhook; here what somebody removes or changes is put back.

Two differences from EKS remain. The URL is that of the twin's own agent on 127.0.0.1, because
169.254.170.23 cannot be had on a developer's machine; AWS's SDKs accept loopback as they accept that address. And
the token's default life is a day as documented, where EKS of late takes up to two hours off it at random.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
https://github.com/aws/amazon-eks-pod-identity-webhook
https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

import logging
import re
import threading
import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .api_server import ApiError, ApiServer, ApiUnavailable, Object
from .propagation import Associations, Subject
from .reflector import Key
from .workqueue import WorkQueue

log = logging.getLogger(__name__)

PARAMETER = "eks-pod-identity-associations"
LABELS = {"eks.amazonaws.com/component": PARAMETER}
"""How the policy's binding finds its parameters."""

_CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
_POLICY = "pod-identity.eks.amazonaws.com"
_POLICY_PATHS = {
    "MutatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
}
COLLECTIONS = (_CONFIG_MAPS, *_POLICY_PATHS.values())
"""Where all that is kept here is."""

_TOKEN_EXPIRATION = "eks.amazonaws.com/token-expiration"
_REGIONAL_STS = "eks.amazonaws.com/sts-regional-endpoints"
# What Go's strconv.ParseBool takes for false, as the webhook does.
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def policy_objects() -> list[Object]:
    """Return the policy and its binding."""
    return list(yaml.safe_load_all(Path(__file__).with_name("admission.yaml").read_text()))


class Admission:
    """Keeps the policy and its parameters in one cluster.

    Args:
        api: the cluster's API server.
        region: what pods get as AWS_REGION.
        full_uri: where pods get credentials.
    """

    _RETRY_SECONDS = 0.5
    # A ConfigMap holds 1 MiB. EKS's 5,000 associations with the longest names take half as much again.
    _LARGEST = 700 << 10
    _SHARDS = 4

    def __init__(self, api: ApiServer, region: str, full_uri: str) -> None:
        self._api = api
        self._settings = {"REGION": region, "FULL_URI": full_uri}
        self._associations: Associations | None = None
        self._accounts: dict[Key, dict[str, str]] = {}
        # How many parameters there may be.
        self._shards = self._SHARDS
        self._queue: WorkQueue[str] = WorkQueue()
        self._thread = threading.Thread(target=self._run, name="pod-identity-admission", daemon=True)

    def start(self) -> None:
        """Begin to install the policy, and to keep its parameters."""
        self._queue.add("policy")
        self._thread.start()

    def stop(self) -> None:
        """End it; what is installed stays, and goes with the cluster."""
        self._queue.close()
        self._thread.join()

    def set_associations(self, associations: Associations) -> None:
        """Note which associations are effective."""
        self._associations = associations
        self._queue.add("parameter")

    def object_changed(self, key: Key, _item: Object | None) -> None:
        """Note that something in one of ``COLLECTIONS`` came, changed or went; what is as it should be stays so."""
        if key[1] == _POLICY:
            self._queue.add("policy")
        elif key[1].startswith(PARAMETER):
            self._queue.add("parameter")

    def service_account_changed(self, key: Key, account: Object | None) -> None:
        """Note what a ServiceAccount asks for by annotation."""
        annotations = (account or {"metadata": {}})["metadata"].get("annotations") or {}
        wishes = {name: annotations[name] for name in (_TOKEN_EXPIRATION, _REGIONAL_STS) if name in annotations}
        if wishes == self._accounts.get(key, {}):
            return
        # A new dictionary: the worker may be reading the old one.
        self._accounts = {**self._accounts, key: wishes}
        self._queue.add("parameter")

    def parameters(self) -> list[Object]:
        """Return the ConfigMaps as they should be; each association is in one of them."""
        subjects = sorted(self._associations or {})
        size = sum(len(namespace) + len(name) for namespace, name in subjects)
        shards: list[list[Subject]] = [[] for _ in range(1 if size <= self._LARGEST else self._SHARDS)]
        for subject in subjects:
            shards[zlib.crc32("/".join(subject).encode()) % len(shards)].append(subject)
        return [self._parameter(number, shard) for number, shard in enumerate(shards)]

    def _parameter(self, number: int, subjects: Sequence[Subject]) -> Object:
        names: defaultdict[str, list[str]] = defaultdict(list)
        expirations, without_sts = [], []
        for namespace, name in subjects:
            names[namespace].append(name)
            wishes = self._accounts.get((namespace, name), {})
            if re.fullmatch(r"[+-]?[0-9]{1,18}", wishes.get(_TOKEN_EXPIRATION, "")):
                expirations.append(f"{namespace}/{name}={wishes[_TOKEN_EXPIRATION]}")
            if wishes.get(_REGIONAL_STS) in _FALSE:
                without_sts.append(f"{namespace}/{name}")
        data: dict[str, Any] = {namespace: ",".join(accounts) for namespace, accounts in names.items()}
        if expirations:
            data["TOKEN_EXPIRATION"] = ",".join(expirations)
        if without_sts:
            data["NO_REGIONAL_STS"] = ",".join(without_sts)
        name = f"{PARAMETER}-{number}" if number else PARAMETER
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "kube-system", "labels": LABELS},
            "data": {**data, **self._settings},
        }

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                if task == "policy":
                    for item in policy_objects():
                        self._api.apply(f"{_POLICY_PATHS[item['kind']]}/{item['metadata']['name']}", item)
                elif self._associations is not None:
                    self._apply_parameters()
            except (ApiError, ApiUnavailable) as error:
                # An API server that is just starting, or stopping, does this.
                log.info("pod identity admission, %s: %s", task, error)
                self._queue.add(task, self._RETRY_SECONDS)

    def _apply_parameters(self) -> None:
        wanted = self.parameters()
        # The first one last: what moves from it to others, or from others to it, is at no time in none.
        for item in reversed(wanted):
            self._api.apply(f"{_CONFIG_MAPS}/{item['metadata']['name']}", item)
        for number in range(len(wanted), self._shards):
            self._api.delete(f"{_CONFIG_MAPS}/{PARAMETER}-{number}")
        self._shards = len(wanted)
