"""Reads a kubeconfig and chooses the cluster, the user and the namespace in it.

See https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and, for the members,
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.errors import ProviderError

Json = dict[str, Any]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_RELATIVE_FILES = {
    "clusters": ("cluster", ("certificate-authority",)),
    "users": ("user", ("client-certificate", "client-key", "tokenFile")),
}


class KubeconfigError(ProviderError):
    """The kubeconfig does not lead to a cluster."""


@dataclass(frozen=True)
class Target:
    """The way to a cluster.

    Attributes:
        server: The API server's URL.
        cluster: The kubeconfig's entry of the cluster.
        user: Its entry of the user.
        namespace: The namespace of the context.
        folder: Where relative commands of the user's entry start.
    """

    server: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str
    folder: Path = field(default_factory=Path.cwd)


def load(given: str | None) -> Json:
    """Read a kubeconfig.

    Args:
        given: Its text, or its path, or several paths; by default ``KUBECONFIG``, then ``~/.kube/config``, then what
            a pod has of the cluster that it runs in.

    Raises:
        KubeconfigError: There is none, or it is malformed.
    """
    text = given.strip() if given else ""
    if text.startswith("{") or "\n" in text:
        # What is in it stays out of the message: it holds credentials.
        return _parse(text, "the provider's kubeconfig", Path.cwd())
    explicit = text or os.environ.get("KUBECONFIG", "").strip()
    places = [place for place in (explicit or str(Path.home() / ".kube" / "config")).split(os.pathsep) if place]
    files = [Path(place).expanduser() for place in places]
    found = [file for file in files if file.is_file()]
    if found:
        return _merge([_parse(_read(file), str(file), file.absolute().parent) for file in found])
    if not explicit and (inside := _in_cluster()):
        return inside
    where = ", ".join(map(str, files))
    raise KubeconfigError(
        f"no kubeconfig: there is no file {where}. Give the provider its `kubeconfig` (a text or a path), or make the "
        "file, as `aws eks update-kubeconfig` does"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{file} cannot be read: {error}") from None


def _parse(text: str, where: str, folder: Path) -> Json:
    try:
        config = json.loads(text)
    except ValueError:
        import yaml

        try:
            config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f" in line {mark.line + 1}" if mark else ""
            raise KubeconfigError(f"{where} is no YAML: {getattr(error, 'problem', 'malformed')}{line}") from None
    if not isinstance(config, dict):
        raise KubeconfigError(f"{where} is no kubeconfig: it has to be a mapping with clusters, users and contexts")
    for section, (member, names) in _RELATIVE_FILES.items():
        for entry in _entries(config, section):
            details = entry.get(member) or {}
            for name in names:
                if details.get(name):
                    details[name] = str(folder / Path(details[name]).expanduser())
    config["_folder"] = str(folder)
    return config


def _merge(configs: list[Json]) -> Json:
    merged: Json = {"current-context": "", "_folder": configs[0]["_folder"]}
    for config in configs:
        merged["current-context"] = merged["current-context"] or config.get("current-context") or ""
        for section in ("clusters", "users", "contexts"):
            known = {entry["name"] for entry in merged.setdefault(section, [])}
            merged[section] += [entry for entry in _entries(config, section) if entry["name"] not in known]
    return merged


def _entries(config: Json, section: str) -> list[Json]:
    entries = config.get(section) or []
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("name")]


def _in_cluster() -> Json | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port and (_SERVICE_ACCOUNT / "token").is_file()):
        return None
    cluster = {
        "server": f"https://{f'[{host}]' if ':' in host else host}:{port}",
        "certificate-authority": str(_SERVICE_ACCOUNT / "ca.crt"),
    }
    namespace = _SERVICE_ACCOUNT / "namespace"
    context = {
        "cluster": "pod",
        "user": "pod",
        "namespace": namespace.read_text().strip() if namespace.is_file() else "",
    }
    return {
        "clusters": [{"name": "pod", "cluster": cluster}],
        "users": [{"name": "pod", "user": {"tokenFile": str(_SERVICE_ACCOUNT / "token")}}],
        "contexts": [{"name": "pod", "context": context}],
        "current-context": "pod",
    }


def choose(config: Json, context: str | None = None, cluster: str | None = None) -> Target:
    """Choose the cluster, the user and the namespace.

    Args:
        config: The kubeconfig.
        context: The context to use instead of the current one.
        cluster: The cluster to use instead of the context's.

    Raises:
        KubeconfigError: What is named is not there.
    """
    name = context or config.get("current-context") or ""
    if not name and not cluster:
        raise KubeconfigError(
            "the kubeconfig has no current context: set the provider's `context` to one of "
            f"{_names(config, 'contexts')}, or choose one by `kubectl config use-context`"
        )
    chosen = _named(config, "contexts", name, "context") if name else {}
    target = _named(config, "clusters", cluster or chosen.get("cluster") or "", "cluster")
    user = _named(config, "users", chosen["user"], "user") if chosen.get("user") else {}
    server = target.get("server")
    if not server:
        raise KubeconfigError(f"the kubeconfig's cluster {cluster or chosen.get('cluster')!r} has no server")
    folder = Path(config.get("_folder") or Path.cwd())
    return Target(server.rstrip("/"), target, user, chosen.get("namespace") or "", folder)


def _named(config: Json, section: str, name: str, member: str) -> Json:
    for entry in _entries(config, section):
        if entry["name"] == name:
            return entry.get(member) or {}
    raise KubeconfigError(f"the kubeconfig has no {member} {name!r}, only {_names(config, section)}")


def _names(config: Json, section: str) -> str:
    return ", ".join(entry["name"] for entry in _entries(config, section)) or "none"


def data_or_file(entry: Mapping[str, Any], name: str) -> str | None:
    """A PEM text that an entry has in Base64, or in a file.

    Raises:
        KubeconfigError: It is malformed, or cannot be read.
    """
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode(entry[f"{name}-data"], validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            raise KubeconfigError(f"the kubeconfig's {name}-data is no Base64 of a PEM text") from None
    return _read(Path(entry[name])) if entry.get(name) else None
