"""``kubectl exec`` and ``kubectl logs``: what a pod's processes would see, for commands that run on this machine.

kwok plays the kubelet. For ``kubectl exec`` it runs the command here, with the variables that an ``Exec`` object of
the pod's name gives. So for every pod such an object is kept: the very environment of each of its containers,
and for a pod with pod identity the path of a file with its token, which is requested from the API server
as a kubelet requests it, bound to this pod, and renewed at four fifths of its life.

One thing differs from a node. There the token's file is mounted at the path that
AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names. A mount of one's own needs root, or user namespaces that many
machines forbid, and kwok has no place for it; so here the command's variable names the real file, under the
twin's folder and readable by its owner only. The pod's own specification keeps EKS's path.

Nothing of the operator reaches a command: kwok must be started with ``host_environment``, and the home
directory is the pod's own, empty folder, because credentials in the operator's ``~/.aws`` would win over the pod's.

https://kwok.sigs.k8s.io/docs/user/exec-configuration/
https://kwok.sigs.k8s.io/docs/user/logs-configuration/
https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import posixpath
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .api_server import ApiError, ApiServer, ApiUnavailable, Object
from .environment import Unresolvable, container_environment, decoded_secret
from .reflector import Key
from .tokens import AUDIENCE
from .workqueue import WorkQueue

log = logging.getLogger(__name__)

# kwok's kinds that must be enabled for this: its option --enable-crds.
KWOK_KINDS = ("Exec", "Logs")
_KWOK = "kwok.x-k8s.io/v1alpha1"
_PLURALS = {"Exec": "execs", "Logs": "logs"}
_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


def host_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables to start kwok with; a command finds programs by their PATH.

    Args:
        environ: the operator's variables; those of this process when None.
    """
    environ = os.environ if environ is None else environ
    # The aws CLI of this Python comes first: the one of the requirements, at the version that is tested.
    programs = str(Path(sys.executable).parent)
    kept = {name: environ[name] for name in ("LANG", "LC_ALL", "TZ", "TMPDIR") if name in environ}
    return {**kept, "PATH": os.pathsep.join((programs, environ.get("PATH", os.defpath)))}


@dataclass
class _Prepared:
    """What was prepared for a pod."""

    uid: str
    execs: list[Object]
    # By the token's file: when it is to be renewed.
    renewals: dict[Path, dt.datetime]


class Commands:
    """Keeps, for each pod of a cluster, what its commands need.

    Args:
        api: the cluster's API server.
        find_pod: returns the newest known state of a pod.
        folder: for the pods' files; emptied at the start and removed at the end.
        endpoint: URL of AWS.
    """

    _RETRY_SECONDS = 1.0
    # Of a token's life, when to renew it; the kubelet's own rule.
    _RENEW_AT = 0.8

    def __init__(self, api: ApiServer, find_pod: Callable[[Key], Object | None], folder: Path, endpoint: str) -> None:
        self._api = api
        self._find_pod = find_pod
        self._folder = folder
        self._log = folder / "containers.log"
        self._endpoint = endpoint
        self._prepared: dict[Key, _Prepared] = {}
        self._queue: WorkQueue[Key] = WorkQueue()
        self._thread = threading.Thread(target=self._run, name="pod-commands", daemon=True)

    def start(self) -> None:
        """Begin to keep them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        self._write_log()
        self._thread.start()

    def stop(self) -> None:
        """End it, and remove all files."""
        self._queue.close()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pod_changed(self, key: Key, _pod: Object | None) -> None:
        """Note that a pod came, changed or went."""
        self._queue.add(key)

    def _run(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                self._settle(key)
            except (ApiError, ApiUnavailable, Unresolvable, OSError) as error:
                # kwok's kinds may not be there yet, or a pod may refer to a Secret that comes later.
                log.info("%s/%s: %s", *key, error)
                self._queue.add(key, self._RETRY_SECONDS)
            except Exception:  # one pod that cannot be understood must not end this for all others
                log.exception("%s/%s could not be prepared", *key)

    def _write_log(self) -> None:
        """Write what all containers have in their logs, in the format of container runtimes."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self._log.write_text(f"{now} stdout F kwok simulates this container: its command does not run.\n")

    def _settle(self, key: Key) -> None:
        pod = self._find_pod(key)
        prepared = self._prepared.get(key)
        over = pod is None or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if prepared is not None and (over or pod is None or pod["metadata"]["uid"] != prepared.uid):
            self._remove(key, prepared)
            prepared = None
        if over or pod is None:
            return
        if prepared is None:
            prepared = self._prepared[key] = _Prepared(pod["metadata"]["uid"], [], {})
        home = self._home(prepared.uid)
        home.mkdir(mode=0o700, exist_ok=True)
        files = self._keep_tokens(key, pod, prepared)
        execs = [self._exec(pod, container, home, files) for container in _containers(pod)]
        if execs != prepared.execs:
            self._apply(key, pod, "Exec", {"execs": execs})
            self._apply(key, pod, "Logs", {"logs": [{"logsFile": str(self._log)}]})
            prepared.execs = execs

    def _home(self, uid: str) -> Path:
        return self._folder / uid

    def _remove(self, key: Key, prepared: _Prepared) -> None:
        shutil.rmtree(self._home(prepared.uid), ignore_errors=True)
        for kind in KWOK_KINDS:
            self._api.delete(_path(kind, key))
        del self._prepared[key]

    def _keep_tokens(self, key: Key, pod: Object, prepared: _Prepared) -> dict[tuple[str, str], Path]:
        """Write the tokens that are missing or due; return their files by volume and path within it."""
        files: dict[tuple[str, str], Path] = {}
        for volume in pod["spec"].get("volumes") or []:
            for source in volume.get("projected", {}).get("sources") or []:
                wanted = source.get("serviceAccountToken")
                if wanted is None or wanted.get("audience") != AUDIENCE:
                    continue
                path = self._home(prepared.uid) / ".tokens" / volume["name"] / wanted["path"]
                files[volume["name"], wanted["path"]] = path
                now = dt.datetime.now(dt.UTC)
                due = prepared.renewals.get(path)
                if due is None or due <= now:
                    due = prepared.renewals[path] = self._write_token(pod, wanted, path)
                self._queue.add(key, max(0.0, (due - now).total_seconds()))
        return files

    def _write_token(self, pod: Object, wanted: Mapping[str, object], path: Path) -> dt.datetime:
        """Request a token for a pod and write it; return when to renew it."""
        about = pod["metadata"]
        account = pod["spec"].get("serviceAccountName", "default")
        asked = dt.datetime.now(dt.UTC)
        answer = self._api.create(
            f"/api/v1/namespaces/{about['namespace']}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [AUDIENCE],
                    "expirationSeconds": wanted["expirationSeconds"],
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": about["name"],
                        "uid": about["uid"],
                    },
                },
            },
        )["status"]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Beside it and then over it: a command that reads sees the old token or the new one, never half of one.
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(answer["token"])
        os.replace(fresh, path)
        life = dt.datetime.fromisoformat(answer["expirationTimestamp"]) - asked
        return asked + life * self._RENEW_AT

    def _exec(self, pod: Object, container: Object, home: Path, files: Mapping[tuple[str, str], Path]) -> Object:
        """Return a container's part of the Exec object."""
        namespace = pod["metadata"]["namespace"]
        variables = container_environment(pod, container, lambda kind, name: self._data(namespace, kind, name))
        mounts = container.get("volumeMounts") or []
        if (token := _file_behind(variables.get(_TOKEN_FILE, ""), mounts, files)) is not None:
            variables[_TOKEN_FILE] = str(token)
        variables |= {
            "HOME": str(home),
            "AWS_ENDPOINT_URL": self._endpoint,
            # Pods do not reach the node's metadata, whose hop limit is 1; and this machine may have some of its own.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return {
            "containers": [container["name"]],
            "local": {
                "workDir": str(home),
                "envs": [{"name": name, "value": value} for name, value in variables.items()],
            },
        }

    def _data(self, namespace: str, kind: str, name: str) -> Mapping[str, str] | None:
        collection = {"configMap": "configmaps", "secret": "secrets"}[kind]
        found = self._api.find(f"/api/v1/namespaces/{namespace}/{collection}/{name}")
        if found is None:
            return None
        return decoded_secret(found) if kind == "secret" else found.get("data") or {}

    def _apply(self, key: Key, pod: Object, kind: str, spec: Object) -> None:
        namespace, name = key
        owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}
        body = {
            "apiVersion": _KWOK,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner]},
            "spec": spec,
        }
        self._api.apply(_path(kind, key), body)


def _containers(pod: Object) -> list[Object]:
    spec = pod["spec"]
    return [*spec["containers"], *(spec.get("initContainers") or []), *(spec.get("ephemeralContainers") or [])]


def _path(kind: str, key: Key) -> str:
    namespace, name = key
    return f"/apis/{_KWOK}/namespaces/{namespace}/{_PLURALS[kind]}/{name}"


def _file_behind(path: str, mounts: list[Object], files: Mapping[tuple[str, str], Path]) -> Path | None:
    """Return the real file that a path within a container stands for, if it is one of those written here."""
    for mount in mounts:
        for (volume, within), file in files.items():
            if mount["name"] == volume and posixpath.join(mount["mountPath"], within) == path:
                return file
    return None
