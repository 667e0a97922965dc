"""What the commands of pods find: their variables, a home, a place for temporary files, and their volumes.

A pod's sandbox is made when the first command is run in it, from the pod as the API server has it at that moment, so a
command cannot come too early. It is a folder that only its owner can read::

    <folder>/<pod's UID>/
        home/      HOME, and where commands start
        tmp/       TMPDIR
        volumes/   <volume>/<path>
        root/      <working directory>, where the container has one that is in no volume

ConfigMaps and Secrets are read whenever a command starts. Tokens are requested from the API server as a kubelet
requests them, bound to the pod, and renewed at four fifths of their life for as long as the pod lives.

Three things differ from a container's environment:

- Nothing is mounted where the pod's specification says: that needs root, or user namespaces, which many machines
  forbid. A variable, or a word of a command, that is a path in a volume becomes the file's real path, such as
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.
- HOME and TMPDIR are the sandbox's, whatever the pod says: credentials in the operator's ``~/.aws`` would win
  over the pod's. AWS_ENDPOINT_URL leads to the twin, and AWS_EC2_METADATA_DISABLED stands for the nodes' hop
  limit of 1.
- PATH, unless the pod has one, is this machine's, and the programs of this Python come first in it: among them the
  aws CLI.

Nothing else of the operator's environment is in it.

https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..pod_identity.api_server import ApiError, ApiServer, ApiUnavailable, Object
from ..pod_identity.reflector import Key
from ..pod_identity.workqueue import WorkQueue
from . import leftovers
from .commands import Setting, real_path
from .environment import container_environment, decoded_data
from .volumes import File, files_of, is_here, tokens_of

log = logging.getLogger(__name__)


def search_path(environ: Mapping[str, str] | None = None) -> str:
    """Return the PATH of commands.

    Args:
        environ: the operator's variables; those of this process when None.
    """
    environ = os.environ if environ is None else environ
    # The aws CLI of this Python comes first: the one of the requirements, at the version that is tested.
    return os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath)))


@dataclass
class _Sandbox:
    """One pod's.

    Attributes:
        renewals: by a token's volume and path: when it is to be renewed.
    """

    uid: str
    folder: Path
    renewals: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False

    def volume(self, name: str) -> Path:
        """Return where a volume is."""
        return self.folder / "volumes" / name


class PodIsGone(Exception):
    """There is no such pod, or it has ended."""


class Sandboxes:
    """The sandboxes of a cluster's pods.

    Args:
        api: the cluster's API server.
        folder: for their files; emptied at the start and removed at the end.
        endpoint: URL of AWS.
        on_gone: told the UID of a pod that had a sandbox, when it is over with the pod.
    """

    _RETRY_SECONDS = 1.0
    # Of a token's life, when to renew it; the kubelet's own rule.
    _RENEW_AT = 0.8

    def __init__(self, api: ApiServer, folder: Path, endpoint: str, on_gone: Callable[[str], None]) -> None:
        self._api = api
        self._folder = folder
        self._endpoint = endpoint
        self._on_gone = on_gone
        self._sandboxes: dict[Key, _Sandbox] = {}
        self._lock = threading.Lock()
        self._guard: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._queue: WorkQueue[Key] = WorkQueue()
        self._thread = threading.Thread(target=self._run, name="pod-sandboxes", daemon=True)

    def start(self) -> None:
        """Begin to look after them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and remove all files."""
        self._queue.close()
        self._thread.join()
        with self._lock:
            self._stopped = True
            left, self._sandboxes = list(self._sandboxes.values()), {}
        for sandbox in left:
            self._end(sandbox)
        if self._guard is not None:
            self._guard.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pod_changed(self, key: Key, _pod: Object | None) -> None:
        """Note that a pod came, changed or went."""
        if key in self._sandboxes:
            self._queue.add(key)

    def setting(self, pod: Object, container: Object) -> Setting:
        """Return what a command finds in a container.

        Args:
            pod: the pod, as the API server has it now.
            container: one of its containers.

        Raises:
            Unresolvable: a variable or a volume refers to something that is not there.
            PodIsGone: the pod is not there any more.
            ApiError: the API server refuses something that it depends on.
            ApiUnavailable: the API server does not answer.
        """
        sandbox = self._sandbox_of(pod)
        with sandbox.lock:
            if sandbox.over:
                raise PodIsGone("the pod is not there any more")
            for folder in (sandbox.folder, *(sandbox.folder / name for name in ("home", "tmp", "volumes", "root"))):
                folder.mkdir(mode=0o700, exist_ok=True)
            around = _Around(self._api, pod)
            self._fill_volumes(pod, sandbox, around)
            self._keep_tokens(pod, sandbox)
            found = self._setting(pod, container, sandbox, around)
        # It may have gone, or another of its name have come, before there was a sandbox to be removed.
        self._queue.add(_key(pod))
        return found

    def _sandbox_of(self, pod: Object) -> _Sandbox:
        key, uid = _key(pod), pod["metadata"]["uid"]
        with self._lock:
            if self._stopped:
                raise PodIsGone("the cluster is going")
            found = self._sandboxes.get(key)
            if found is not None and found.uid == uid:
                return found
            made = self._sandboxes[key] = _Sandbox(uid, self._folder / uid)
            if self._guard is None:
                self._guard = self._watch_over()
        if found is not None:
            self._end(found)
        return made

    # --- in the background ---

    def _run(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                self._look_after(key)
            except (ApiError, ApiUnavailable, OSError) as error:
                log.info("%s/%s: %s", *key, error)
                self._queue.add(key, self._RETRY_SECONDS)
            except Exception:  # one pod that cannot be understood must not end this for all others
                log.exception("%s/%s is not looked after", *key)

    def _look_after(self, key: Key) -> None:
        """Renew a pod's tokens, or remove its sandbox."""
        sandbox = self._sandboxes.get(key)
        if sandbox is None:
            return
        namespace, name = key
        pod = self._api.find(f"/api/v1/namespaces/{namespace}/pods/{name}")
        if pod is None or pod["metadata"]["uid"] != sandbox.uid or has_ended(pod):
            with self._lock:
                if self._sandboxes.get(key) is sandbox:
                    del self._sandboxes[key]
            self._end(sandbox)
            return
        with sandbox.lock:
            if not sandbox.over:
                self._keep_tokens(pod, sandbox)

    def _end(self, sandbox: _Sandbox) -> None:
        # Commands first, which would write into it.
        self._on_gone(sandbox.uid)
        with sandbox.lock:
            sandbox.over = True
            leftovers.end_all(sandbox.folder)
            shutil.rmtree(sandbox.folder, ignore_errors=True)

    def _watch_over(self) -> subprocess.Popen[bytes]:
        """Start what ends all commands should this process be killed."""
        command = [sys.executable, "-I", "-S", leftovers.__file__, str(self._folder)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

    # --- volumes ---

    def _fill_volumes(self, pod: Object, sandbox: _Sandbox, around: _Around) -> None:
        """Write the files of a pod's volumes as they are now."""
        for volume in filter(is_here, pod["spec"].get("volumes") or []):
            folder = sandbox.volume(volume["name"])
            folder.mkdir(mode=0o700, exist_ok=True)
            for file in files_of(pod, volume, around):
                _write(folder, file)

    def _keep_tokens(self, pod: Object, sandbox: _Sandbox) -> None:
        """Write the tokens that are missing or due."""
        for volume in pod["spec"].get("volumes") or []:
            for wanted in tokens_of(volume):
                name = volume["name"], wanted["path"]
                now = dt.datetime.now(dt.UTC)
                due = sandbox.renewals.get(name)
                if due is None or due <= now:
                    due = sandbox.renewals[name] = self._write_token(pod, wanted, sandbox.volume(volume["name"]))
                self._queue.add(_key(pod), max(0.0, (due - now).total_seconds()))

    def _write_token(self, pod: Object, wanted: Mapping[str, Any], folder: Path) -> dt.datetime:
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
                    # Without one it is for the API server.
                    "audiences": [wanted["audience"]] if wanted.get("audience") else [],
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
        _write(folder, File(wanted["path"], answer["token"].encode(), 0o600))
        life = dt.datetime.fromisoformat(answer["expirationTimestamp"]) - asked
        return asked + life * self._RENEW_AT

    # --- what a command finds ---

    def _setting(self, pod: Object, container: Object, sandbox: _Sandbox, around: _Around) -> Setting:
        mounts = _mounts(pod, container, sandbox)
        for folder in mounts.values():
            if not folder.exists():  # part of an empty volume
                folder.mkdir(mode=0o700, parents=True)
        home = sandbox.folder / "home"
        given = container_environment(pod, container, around)
        variables = {"PATH": search_path()}
        variables |= {name: real_path(value, mounts) for name, value in given.items()}
        variables |= {
            "HOME": str(home),
            "TMPDIR": str(sandbox.folder / "tmp"),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        folder = home
        if directory := container.get("workingDir"):
            real = real_path(directory, mounts)
            folder = Path(real) if real != directory else sandbox.folder / "root" / directory.lstrip("/")
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Setting(variables, folder, mounts)


class _Around:
    """What a pod's specification refers to, as the API server has it."""

    def __init__(self, api: ApiServer, pod: Object) -> None:
        self._api = api
        self._pod = pod

    def data(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        collection = {"configMap": "configmaps", "secret": "secrets"}[kind]
        found = self._api.find(f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{collection}/{name}")
        return None if found is None else decoded_data(kind, found)

    def allocatable(self) -> Mapping[str, str]:
        node = self._api.find(f"/api/v1/nodes/{self._pod['spec'].get('nodeName')}") or {}
        return node.get("status", {}).get("allocatable") or {}


def _mounts(pod: Object, container: Object, sandbox: _Sandbox) -> dict[str, Path]:
    """Return where a container's volumes are, by their paths in it."""
    here = {volume["name"] for volume in pod["spec"].get("volumes") or [] if is_here(volume)}
    return {
        mount["mountPath"]: sandbox.volume(mount["name"]) / mount.get("subPath", "")
        for mount in container.get("volumeMounts") or []
        if mount["name"] in here and "subPathExpr" not in mount
    }


def _write(folder: Path, file: File) -> None:
    path = folder / file.path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Beside it and then over it: a command that reads sees the old file or the new one, never half of one.
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    # Its owner alone may read it, whatever others might in a container.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode & 0o700 | 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.data)
    os.replace(fresh, path)


def has_ended(pod: Object) -> bool:
    """Tell whether a pod's containers have all ended."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def find_container(pod: Object, name: str) -> Object | None:
    """Return a container of a pod, of whatever kind it is."""
    spec = pod["spec"]
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return next((item for kind in kinds for item in spec.get(kind) or [] if item["name"] == name), None)


def _key(pod: Object) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
