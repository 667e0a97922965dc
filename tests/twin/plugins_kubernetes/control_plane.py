"""A bare control plane: etcd, kube-apiserver and the controllers that the tests need, on free ports."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.toolchain import ensure

ADMIN, VIEWER = "admin-token-of-the-tests", "viewer-token-of-the-tests"
CONTROLLERS = (
    *("serviceaccount-controller", "root-ca-certificate-publisher-controller", "namespace-controller"),
    *("garbage-collector-controller", "deployment-controller", "replicaset-controller", "job-controller"),
)
START_SECONDS = 60


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane."""

    server: str
    authority: Path
    client_authority: tuple[rsa.RSAPrivateKey, x509.Certificate]

    def client_certificate(self) -> dict[str, str]:
        """A user's entry with a client certificate of an administrator."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(NameOID.COMMON_NAME, "certified"),
        ]
        issuer_key, issuer = self.client_authority
        certificate = _certificate(name, key, issuer.subject, issuer_key)
        pem = {"client-certificate": certificate.public_bytes(serialization.Encoding.PEM), "client-key": _pem(key)}
        return {f"{part}-data": base64.b64encode(text).decode() for part, text in pem.items()}

    def kubeconfig(self, **user: Any) -> str:
        """A kubeconfig text, by default the administrator's."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "c", "cluster": {"server": self.server, "certificate-authority": str(self.authority)}}
                ],
                "users": [{"name": "u", "user": user or {"token": ADMIN}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            },
            indent=1,
        )

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Do what somebody else than the plugin would do.

        Raises:
            urllib.error.HTTPError: The API server refused it.
        """
        request = urllib.request.Request(
            f"{self.server}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": content_type},
        )
        trust = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, context=trust, timeout=20) as response:
            return json.loads(response.read())

    def find(self, path: str) -> dict[str, Any] | None:
        """Read an object; None if there is none."""
        try:
            return self.request("GET", path)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def await_path(self, path: str) -> dict[str, Any]:
        """Wait until an object exists."""
        end = time.monotonic() + START_SECONDS
        while (found := self.find(path)) is None:
            assert time.monotonic() < end, f"{path} did not appear"
            time.sleep(0.05)
        return found

    def patch(self, path: str, body: Any, query: str = "fieldManager=kubectl-edit") -> dict[str, Any]:
        """Change an object by a merge patch."""
        return self.request("PATCH", f"{path}?{query}", body, "application/merge-patch+json")


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    name: list[x509.NameAttribute], key: rsa.RSAPrivateKey, issuer: x509.Name | None, issuer_key: rsa.RSAPrivateKey
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(name))
        .issuer_name(issuer or x509.Name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane in a folder."""
    tools = ensure(("etcd", "kube-apiserver", "kube-controller-manager"), quiet=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "sa.key").write_bytes(_pem(key))
    issuer = _certificate([x509.NameAttribute(NameOID.COMMON_NAME, "clients")], key, None, key)
    (folder / "clients.crt").write_bytes(issuer.public_bytes(serialization.Encoding.PEM))
    (folder / "tokens.csv").write_text(f'{ADMIN},admin,1,"system:masters"\n{VIEWER},viewer,2,\n')
    client, peer, secure, probe = (free_port() for _ in range(4))
    with contextlib.ExitStack() as stack:
        _start(
            stack,
            folder,
            str(tools.path("etcd")),
            f"--data-dir={folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        _start(
            stack,
            folder,
            str(tools.path("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={secure}",
            f"--cert-dir={folder / 'pki'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'sa.key'}",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            f"--client-ca-file={folder / 'clients.crt'}",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            "--watch-cache=true",
        )
        # Without a certificate of its own, the API server makes one, and signs it itself.
        authority = folder / "pki" / "apiserver.crt"
        plane = ControlPlane(f"https://127.0.0.1:{secure}", authority, (key, issuer))
        _await_ready(plane)
        admin = folder / "admin.kubeconfig"
        admin.write_text(plane.kubeconfig())
        _start(
            stack,
            folder,
            str(tools.path("kube-controller-manager")),
            f"--kubeconfig={admin}",
            f"--secure-port={probe}",
            f"--cert-dir={folder / 'pki-controllers'}",
            "--leader-elect=false",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={folder / 'sa.key'}",
            f"--root-ca-file={authority}",
        )
        yield plane


def _start(stack: contextlib.ExitStack, folder: Path, *command: str) -> None:
    log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("wb"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        # An API server waits for its watches; nobody reads what it would still write.
        process.kill()
        process.wait()


def _await_ready(plane: ControlPlane) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            # The namespace comes last of what the API server makes by itself.
            plane.request("GET", "/api/v1/namespaces/default")
            plane.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin")
            return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > end:
                raise
        time.sleep(0.1)
