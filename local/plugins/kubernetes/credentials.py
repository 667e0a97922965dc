"""Who the client is to the API server: what the user's entry of a kubeconfig says, or the command that it names.

See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..base.errors import ProviderError
from .kubeconfig import KubeconfigError, Target, data_or_file

_API_GROUP = "client.authentication.k8s.io"
_VERSIONS = ("v1", "v1beta1")
_COMMAND_SECONDS = 60
_EARLY_SECONDS = 10
"""A credential that ends while its request is on the way is of no use."""


class CredentialError(ProviderError):
    """There are no credentials for the cluster."""


@dataclass(frozen=True)
class Credential:
    """What goes with a request.

    Attributes:
        headers: Its headers.
        certificate: The client's certificate and key, as PEM texts.
        expires: When it ends, in seconds since the epoch.
    """

    headers: Mapping[str, str]
    certificate: tuple[str, str] | None = None
    expires: float | None = None

    def is_over(self) -> bool:
        """Whether it has ended, or is about to."""
        return self.expires is not None and time.time() > self.expires - _EARLY_SECONDS


class Credentials:
    """The credentials of a target, renewed when they end."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._current: Credential | None = None

    def get(self) -> Credential:
        """The credential that is valid now.

        Raises:
            CredentialError: There is none to be had.
            KubeconfigError: The user's entry is malformed.
        """
        # Whoever comes while the command runs waits for its answer instead of running it again.
        with self._lock:
            if self._current is None or self._current.is_over():
                self._current = self._find()
            return self._current

    def refused(self, credential: Credential) -> bool:
        """Note that the API server does not take a credential; say whether another one may be had."""
        with self._lock:
            if self._current is credential and self._renewable():
                self._current = None
            return self._current is not credential

    def _renewable(self) -> bool:
        return bool(self._target.user.get("exec") or self._target.user.get("tokenFile"))

    def _find(self) -> Credential:
        user = self._target.user
        headers = dict(_impersonation(user))
        pair = _certificate(user)
        if user.get("exec"):
            found = self._run(user["exec"])
            return Credential({**headers, **found.headers}, found.certificate or pair, found.expires)
        if user.get("auth-provider"):
            name = user["auth-provider"].get("name")
            raise CredentialError(f"the kubeconfig's auth-provider {name!r} is none that Kubernetes has any more")
        if user.get("tokenFile"):
            # Such a token is renewed in its file; client-go also looks again after a minute.
            headers["Authorization"] = f"Bearer {_read_token(user['tokenFile'])}"
            return Credential(headers, pair, time.time() + 60 + _EARLY_SECONDS)
        if user.get("token"):
            headers["Authorization"] = f"Bearer {user['token']}"
        elif user.get("username"):
            pair_text = f"{user['username']}:{user.get('password', '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair_text.encode()).decode()}"
        return Credential(headers, pair)

    def _run(self, config: Mapping[str, Any]) -> Credential:
        version = str(config.get("apiVersion", "")).removeprefix(f"{_API_GROUP}/")
        if version not in _VERSIONS:
            raise CredentialError(
                f"the kubeconfig's credential command has apiVersion {config.get('apiVersion')!r}: "
                f"only {' and '.join(f'{_API_GROUP}/{known}' for known in _VERSIONS)} are taken"
            )
        command = str(config.get("command", ""))
        # As in client-go: a path is relative to the kubeconfig, a bare name is looked for on PATH.
        executable = str(self._target.folder / command) if os.sep in command else shutil.which(command)
        if not executable or not os.access(executable, os.X_OK):
            hint = f". {config['installHint'].strip()}" if config.get("installHint") else ""
            raise CredentialError(f"the kubeconfig's credential command {command!r} is not installed{hint}")
        arguments = [str(argument) for argument in config.get("args") or []]
        said = _execute([executable, *arguments], self._environment(config, version), command)
        try:
            answer = json.loads(said)
            status = answer["status"]
            kind, answered = answer["kind"], answer["apiVersion"]
        except (ValueError, KeyError, TypeError):
            raise CredentialError(f"the credential command {command!r} did not answer with an ExecCredential") from None
        if (kind, answered) != ("ExecCredential", f"{_API_GROUP}/{version}"):
            raise CredentialError(
                f"the credential command {command!r} answered with {answered} {kind}; "
                f"the kubeconfig asks for {_API_GROUP}/{version} ExecCredential"
            )
        return _from_status(status, command)

    def _environment(self, config: Mapping[str, Any], version: str) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": False}
        if config.get("provideClusterInfo"):
            cluster = self._target.cluster
            spec["cluster"] = {
                "server": self._target.server,
                "tls-server-name": cluster.get("tls-server-name"),
                "insecure-skip-tls-verify": cluster.get("insecure-skip-tls-verify"),
                "certificate-authority-data": cluster.get("certificate-authority-data"),
                "proxy-url": cluster.get("proxy-url"),
            }
            spec["cluster"] = {name: value for name, value in spec["cluster"].items() if value}
        information = {"apiVersion": f"{_API_GROUP}/{version}", "kind": "ExecCredential", "spec": spec}
        given = {str(entry["name"]): str(entry.get("value", "")) for entry in config.get("env") or []}
        return {**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(information)}


def _execute(command: list[str], environment: dict[str, str], name: str) -> str:
    try:
        result = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CredentialError(f"the credential command {name!r} did not end within {_COMMAND_SECONDS} s") from None
    except OSError as error:
        raise CredentialError(f"the credential command {name!r} cannot be run: {error.strerror}") from None
    if result.returncode:
        # Only what it said of its failure: its standard output is where credentials are.
        said = result.stderr.strip()[-500:]
        raise CredentialError(f"the credential command {name!r} failed with exit code {result.returncode}: {said}")
    return result.stdout


def _from_status(status: Mapping[str, Any], command: str) -> Credential:
    headers = {"Authorization": f"Bearer {status['token']}"} if status.get("token") else {}
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if not headers and not (certificate and key):
        raise CredentialError(f"the credential command {command!r} gave neither a token nor a certificate")
    expires = None
    if status.get("expirationTimestamp"):
        try:
            expires = datetime.fromisoformat(status["expirationTimestamp"].replace("Z", "+00:00")).timestamp()
        except ValueError:
            raise CredentialError(f"the credential command {command!r} gave a malformed expirationTimestamp") from None
    return Credential(headers, (certificate, key) if certificate and key else None, expires)


def _certificate(user: Mapping[str, Any]) -> tuple[str, str] | None:
    certificate, key = data_or_file(user, "client-certificate"), data_or_file(user, "client-key")
    if bool(certificate) != bool(key):
        raise KubeconfigError("the kubeconfig's client-certificate and client-key go together: give both or neither")
    return (certificate, key) if certificate and key else None


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CredentialError(f"the kubeconfig's tokenFile {path} cannot be read: {error.strerror}") from None


def _impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = []
    if user.get("as"):
        headers.append(("Impersonate-User", str(user["as"])))
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    groups = user.get("as-groups") or []
    if groups:
        # A header may stand once in a request of this client, and Kubernetes takes one group in each.
        if len(groups) > 1:
            raise KubeconfigError("the kubeconfig impersonates several groups: this plugin can send only one")
        headers.append(("Impersonate-Group", str(groups[0])))
    return headers
