"""One cluster's control plane: etcd, kube-apiserver, controller manager, scheduler, and kwok for its nodes.

All of them are child processes on 127.0.0.1, with everything they keep in one folder::

    <folder>/
        ports.json        which ports they listen on; kept, so that a kubeconfig stays good over a restart
        pki/              certificates and keys: ca, etcd-ca, admin, service-account, …
        etcd/             etcd's data
        *.conf            kubeconfigs: admin.conf and one for each component
        *.log             what they say
        processes.json    which of them run

The issuer of service account tokens is the API server's own URL: discovery and keys then come, over TLS, from
the one process that signs, and cannot differ from what it signs with. Kubernetes serves discovery only for an issuer
with https, so the AWS endpoint, which speaks plain HTTP, could not take its place.
"""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.toolchain import Toolchain

from .certificates import Authority, KeyPair, service_account_keys
from .kubelet.server import Address as KubeletAddress
from .pod_identity.api_server import ApiError, ApiServer, ApiUnavailable
from .processes import ProcessGroup, end_leftovers

TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
# The type of node address at which the API server reaches kubelets. Nodes show the addresses that they would have
# in their VPC, and the one kubelet that answers for all of them listens on this machine.
KUBELET_ADDRESS_TYPE = "Loopback"
HOST = "127.0.0.1"
_KUBELET_CLIENT = "kube-apiserver-kubelet-client"
START_SECONDS = 60.0

# What the twin's users can notice. Left out is what needs real nodes, volumes, clouds, or a clock that never sleeps:
# a laptop that wakes up should not find its pods evicted.
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
)


class ControlPlaneFailed(Exception):
    """A control plane did not start; the message says which part, and its last words."""


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1 of one control plane."""

    api_server: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kubelet: int


@dataclass(frozen=True)
class Settings:
    """What a control plane is told from outside.

    Attributes:
        service_cidr: addresses for Services.
        authentication_url: webhook for TokenReviews.
        authorization_url: webhook for SubjectAccessReviews.
    """

    service_cidr: str
    authentication_url: str
    authorization_url: str


class ControlPlane:
    """A control plane in a folder.

    Args:
        folder: for all of its files; made if need be.
        tools: where the executables are; must hold those of ``TOOLS``.

    Attributes:
        folder: its files.
        url: the API server's base URL, and the issuer of service account tokens.
        client: a client of the API server with all permissions.
    """

    def __init__(self, folder: Path, tools: Toolchain) -> None:
        self.folder = folder
        self._tools = tools
        pki = folder / "pki"
        pki.mkdir(parents=True, exist_ok=True, mode=0o700)
        end_leftovers(folder)
        self._ports = _ports(folder / "ports.json")
        self.url = f"https://{HOST}:{self._ports.api_server}"
        self._authority = Authority(pki, "ca")
        self._processes = ProcessGroup(folder)
        self._environment = _environment()
        admin = self._authority.issue("admin", "kubernetes-admin", "system:masters")
        self.client = ApiServer(self.url, self._authority.files.certificate, (admin.certificate, admin.key))

    @property
    def issuer(self) -> str:
        """The issuer of service account tokens; its keys are at ``/openid/v1/jwks``, open to everybody."""
        return self.url

    @property
    def certificate_authority(self) -> str:
        """The CA's certificate as EKS answers it: PEM in base64."""
        return base64.b64encode(self._authority.files.certificate.read_bytes()).decode()

    @property
    def kubelet(self) -> KubeletAddress:
        """Where the API server expects the kubelet of every node."""
        serving = self._authority.issue("kubelet", "kubelet", hosts=(HOST,))
        return KubeletAddress(self._ports.kubelet, serving, self._authority.files.certificate, _KUBELET_CLIENT)

    def start(self, settings: Settings, stopping: threading.Event) -> None:
        """Start everything and wait until the API server serves.

        The calling thread must live as long as the control plane; see ``ProcessGroup.start``.

        Args:
            stopping: ends the wait when it is set.

        Raises:
            ControlPlaneFailed: a part ended, or was not ready in time.
        """
        deadline = time.monotonic() + START_SECONDS
        self._kubeconfig("admin", "kubernetes-admin")
        self._start_etcd()
        self._start_api_server(settings)
        # These wait for the API server by themselves, and are sooner there when they do so from the beginning. After
        # ten seconds they give up, which a busy machine may need; then they begin again, as a kubelet has them do.
        waiting = {"kube-controller-manager": self._start_controller_manager, "kube-scheduler": self._start_scheduler}
        for start in waiting.values():
            start()
        self._await(self._serves, deadline, stopping, waiting)
        if not stopping.is_set():
            path, body = _discovery_for_everybody()
            self.client.apply(path, body)
        self._start_kwok()

    def check(self) -> None:
        """Notice that a part has died.

        Raises:
            ControlPlaneFailed: it has.
        """
        for name in self._processes.ended():
            raise ControlPlaneFailed(f"{name} has ended; its last words:\n{self._processes.tail(name)}")

    def stop(self, keep_data: bool) -> None:
        """End everything.

        Args:
            keep_data: whether etcd should put its data away first.
        """
        self._processes.stop(*(["etcd"] if keep_data else []))
        self.client.close()

    def keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that verifies service account tokens."""
        return self.client.get("/openid/v1/jwks")

    # --- the parts ---

    def _start_etcd(self) -> None:
        # An authority of its own: a client certificate of the cluster must not open its database.
        authority = Authority(self.folder / "pki", "etcd-ca")
        server = authority.issue("etcd", "etcd", hosts=(HOST, "localhost"))
        client, peer = f"https://{HOST}:{self._ports.etcd}", f"https://{HOST}:{self._ports.etcd_peer}"
        self._start(
            "etcd",
            {
                "name": "default",
                "data-dir": self.folder / "etcd",
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
                "client-cert-auth": "true",
                "trusted-ca-file": authority.files.certificate,
                "cert-file": server.certificate,
                "key-file": server.key,
                "peer-client-cert-auth": "true",
                "peer-trusted-ca-file": authority.files.certificate,
                "peer-cert-file": server.certificate,
                "peer-key-file": server.key,
                # Data outlives the process. That it should outlive a power cut is not worth a second at every start.
                "unsafe-no-fsync": "true",
                "log-level": "warn",
            },
        )

    def _start_api_server(self, settings: Settings) -> None:
        pki = self.folder / "pki"
        etcd = Authority(pki, "etcd-ca")
        etcd_client = etcd.issue("apiserver-etcd-client", "kube-apiserver")
        server = self._authority.issue(
            "apiserver",
            "kube-apiserver",
            hosts=(HOST, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
        )
        kubelet_client = self._authority.issue("apiserver-kubelet-client", _KUBELET_CLIENT)
        public, private = service_account_keys(pki)
        authentication = self._webhook("authentication", settings.authentication_url)
        authorization = self._webhook("authorization", settings.authorization_url)
        self._start(
            "kube-apiserver",
            {
                "etcd-servers": f"https://{HOST}:{self._ports.etcd}",
                "etcd-cafile": etcd.files.certificate,
                "etcd-certfile": etcd_client.certificate,
                "etcd-keyfile": etcd_client.key,
                "bind-address": HOST,
                "advertise-address": HOST,
                "secure-port": self._ports.api_server,
                # The `kubernetes` Service cannot have endpoints: a loopback address is not allowed there.
                "endpoint-reconciler-type": "none",
                "tls-cert-file": server.certificate,
                "tls-private-key-file": server.key,
                "client-ca-file": self._authority.files.certificate,
                "kubelet-certificate-authority": self._authority.files.certificate,
                "kubelet-client-certificate": kubelet_client.certificate,
                "kubelet-client-key": kubelet_client.key,
                "kubelet-preferred-address-types": KUBELET_ADDRESS_TYPE,
                "service-account-issuer": self.issuer,
                "service-account-jwks-uri": f"{self.issuer}/openid/v1/jwks",
                "service-account-key-file": public,
                "service-account-signing-key-file": private,
                # EKS's, whatever the issuer is.
                "api-audiences": "https://kubernetes.default.svc",
                "service-cluster-ip-range": settings.service_cidr,
                "authorization-mode": "Node,RBAC,Webhook",
                "authentication-token-webhook-config-file": authentication,
                "authentication-token-webhook-version": "v1",
                "authentication-token-webhook-cache-ttl": "1s",
                "authorization-webhook-config-file": authorization,
                "authorization-webhook-version": "v1",
                "authorization-webhook-cache-authorized-ttl": "500ms",
                "authorization-webhook-cache-unauthorized-ttl": "500ms",
                "allow-privileged": "true",
                # It taints new nodes until the node lifecycle controller has seen their heartbeats, and that one is
                # left out (see above).
                "disable-admission-plugins": "TaintNodesByCondition",
                "profiling": "false",
            },
        )

    def _start_controller_manager(self) -> None:
        _, private = service_account_keys(self.folder / "pki")
        self._start(
            "kube-controller-manager",
            {
                **self._component("kube-controller-manager", self._ports.controller_manager),
                "controllers": ",".join(_CONTROLLERS),
                "service-account-private-key-file": private,
                "root-ca-file": self._authority.files.certificate,
            },
        )

    def _start_scheduler(self) -> None:
        self._start("kube-scheduler", self._component("kube-scheduler", self._ports.scheduler))

    def _component(self, name: str, port: int) -> dict[str, Any]:
        config = self._kubeconfig(name, f"system:{name}")
        serving = self._authority.issue(f"{name}-serving", name, hosts=(HOST, "localhost"))
        return {
            "kubeconfig": config,
            "bind-address": HOST,
            "secure-port": port,
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "leader-elect": "false",
            "profiling": "false",
        }

    def _start_kwok(self) -> None:
        self._start(
            "kwok",
            {
                "kubeconfig": self._kubeconfig("kwok", "kwok"),
                "config": Path(__file__).with_name("stages.yaml"),
                "manage-all-nodes": "true",
                "node-ip": HOST,
                # It serves nothing: what kubelets serve is served by local.kubernetes.kubelet.
                "node-port": 0,
                # Leases are for the node lifecycle controller, which does not run.
                "node-lease-duration-seconds": "0",
                "v": "WARN",
            },
        )

    def _start(self, name: str, flags: Mapping[str, Any]) -> None:
        arguments = [f"--{flag}={value}" for flag, value in flags.items()]
        self._processes.start(name, [str(self._tools.path(name)), *arguments], self._environment)

    def _kubeconfig(self, name: str, user: str) -> Path:
        """Write the kubeconfig of a component, which may do everything: the whole control plane is one."""
        pair: KeyPair = self._authority.issue(name, user, "system:masters")
        path = self.folder / f"{name}.conf"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "local",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority": str(self._authority.files.certificate),
                    },
                }
            ],
            "users": [
                {"name": user, "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}}
            ],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
            "current-context": "local",
        }
        path.write_text(json.dumps(content, indent=2))
        return path

    def _webhook(self, name: str, url: str) -> Path:
        """Write the kubeconfig that tells the API server where a webhook is."""
        path = self.folder / f"{name}-webhook.conf"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": url}}],
            "users": [{"name": "kube-apiserver"}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "kube-apiserver"}}],
            "current-context": name,
        }
        path.write_text(json.dumps(content, indent=2))
        return path

    # --- readiness ---

    def _serves(self) -> bool:
        try:
            # Post-start hooks have made these.
            self.client.get("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")
            self.client.get("/api/v1/namespaces/kube-system")
            # A controller puts the roles for users together, the widest one last, so that one says controllers run.
            roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
            view = self.client.get(f"{roles}/view").get("rules") or []
            admin = self.client.get(f"{roles}/admin").get("rules") or []
            return bool(view) and all(rule in admin for rule in view)
        except (ApiUnavailable, ApiError):
            return False

    def _await(
        self,
        condition: Callable[[], bool],
        deadline: float,
        stopping: threading.Event,
        again: Mapping[str, Callable[[], None]],
    ) -> None:
        def holds() -> bool:
            for name in set(self._processes.ended()) & set(again):
                again[name]()
            self.check()
            return stopping.is_set() or condition()

        if not _poll(holds, deadline):
            raise ControlPlaneFailed(
                f"the API server was not ready within {START_SECONDS:.0f} s; its last words:\n"
                f"{self._processes.tail('kube-apiserver')}"
            )


def _poll(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _discovery_for_everybody() -> tuple[str, dict[str, Any]]:
    """EKS serves a cluster's discovery document and keys to anybody."""
    name = "service-account-issuer-discovery"
    rbac = "rbac.authorization.k8s.io"
    return f"/apis/{rbac}/v1/clusterrolebindings/{name}", {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:service-account-issuer-discovery"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "system:unauthenticated"}],
    }


def _environment() -> dict[str, str]:
    """The components' environment: without a user's proxies and kubeconfig, and thrifty with memory."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH", "TMPDIR", "LANG")}
    return {**kept, "GOGC": "50"}


def _ports(file: Path) -> Ports:
    try:
        return Ports(**json.loads(file.read_text()))
    except FileNotFoundError:
        ports = Ports(*free_ports(6))
        file.write_text(json.dumps(asdict(ports)))
        return ports


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on.

    They are below those that systems give to outgoing connections (from 32768 or 49152 on), so nothing takes them by
    chance before their process does.
    """
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 12_000):
        with socket.socket() as probe:
            # As the servers do: a port whose old connections are still fading away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports between 20000 and 32000")
