"""State that survives a restart: one file, written whole or not at all.

The file holds EKS's store and moto's models, pickled. A pickle runs code when it is read, so reading is
restricted to the classes that state consists of, and a header says whose file it is, of which versions,
and what its content hashes to. Anything unexpected is an error: state is never silently dropped.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .eks.store import Store

log = logging.getLogger(__name__)

FORMAT = "local-aws-state/1"
_FILE = "state.bin"
# Modules whose classes state consists of; from others only the names below, which do nothing but make values.
_ALLOWED_MODULES = ("moto.", "local.aws.", "collections.", "datetime.", "zoneinfo.", "ipaddress.", "uuid.", "decimal.")
_ALLOWED_NAMES = {
    ("_codecs", "encode"),
    ("_io", "BytesIO"),
    ("copyreg", "_reconstructor"),
    ("functools", "partial"),
    ("re", "_compile"),
    *(
        ("builtins", name)
        for name in ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list")
    ),
    *(("builtins", name) for name in ("object", "range", "set", "slice", "str", "tuple")),
}


class StateError(Exception):
    """The state file cannot be used; the message says why and what to do."""


def _private_key(der: bytes) -> Any:
    """Read a private key back; KMS has one for each of its keys."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(der, password=None)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if type(obj).__module__.startswith("cryptography.") and hasattr(obj, "private_bytes"):
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

            return _private_key, (obj.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),)
        return NotImplemented


def _dump(value: Any) -> bytes:
    written = io.BytesIO()
    _Pickler(written, protocol=5).dump(value)
    return written.getvalue()


def _public_method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, with which bound methods are pickled: from globals it must lead nowhere."""
    if name.startswith("_"):
        raise StateError(f"it refers to the private attribute {name}")
    return getattr(owner, name)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _public_method
        found = super().find_class(module, name) if self._is_allowed(module, name) else None
        # What a module merely imports, such as `moto.settings.os`, is not what it defines.
        if found is None or ((module, name) not in _ALLOWED_NAMES and found.__module__ != module):
            raise StateError(f"it refers to {module}.{name}, which is no part of this endpoint's state")
        return found

    @staticmethod
    def _is_allowed(module: str, name: str) -> bool:
        return (module, name) in _ALLOWED_NAMES or ("." not in name and f"{module}.".startswith(_ALLOWED_MODULES))


def _header(account: str, digest: str) -> bytes:
    fields = {"format": FORMAT, "moto": version("moto"), "account": account, "sha256": digest}
    return json.dumps(fields).encode() + b"\n"


def _kept_models() -> dict[tuple[str, str, str], Any]:
    """Return moto's models in use by (service, account, region or partition)."""
    from moto.core.base_backend import BackendDict

    models = {}
    instances: Any = vars(BackendDict)["_instances"]
    for backend in list(instances):
        for account, regional in list(backend.items()):
            for region, model in list(regional.items()):
                # moto's own API and the instance metadata have no state of a user's.
                if backend.service_name not in ("moto_api", "instance_metadata"):
                    models[backend.service_name, account, region] = model
    return models


class StateFile:
    """The state file in a folder.

    Args:
        folder: the folder; made if need be.
        account: the account that the state belongs to.

    Raises:
        StateError: another endpoint is using the folder.
    """

    def __init__(self, folder: Path, account: str) -> None:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / _FILE
        self._account = account
        self._lock = open(folder / "lock", "a+")  # noqa: SIM115 - held until the process ends
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(f"{folder} is in use by another running endpoint") from None
        self._reported: set[str] = set()

    def save(self, store: Store) -> None:
        """Write EKS's store and moto's models; the caller holds all locks."""
        models: dict[tuple[str, str, str], bytes] = {}
        for key, model in _kept_models().items():
            try:
                models[key] = _dump(model)
            except (TypeError, pickle.PicklingError, AttributeError) as error:
                if key[0] not in self._reported:
                    self._reported.add(key[0])
                    log.error("the state of %s cannot be kept over a restart: %s", key[0], error)
        payload = _dump({"eks": _dump(store), "moto": models})
        content = _header(self._account, hashlib.sha256(payload).hexdigest()) + payload
        temporary = self.path.with_suffix(".new")
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)

    def load(self, prepare: Callable[[str], None]) -> Store | None:
        """Put moto's models back and return EKS's store; None when there is no file yet.

        Args:
            prepare: called with each service before its models are read.

        Raises:
            StateError: the file is damaged, foreign, or of another version.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self._restore(content, prepare)
        except StateError as error:
            raise StateError(
                f"cannot use the state in {self.path}: {error}. Move the file away to start with nothing."
            ) from None

    def _restore(self, content: bytes, prepare: Callable[[str], None]) -> Store:
        first, _, payload = content.partition(b"\n")
        try:
            header = json.loads(first)
            found = {key: header[key] for key in ("format", "moto", "account", "sha256")}
        except (ValueError, KeyError, TypeError):
            raise StateError("it is not a state file of this endpoint") from None
        wanted = json.loads(_header(self._account, hashlib.sha256(payload).hexdigest()))
        for key, what in (("format", "format"), ("moto", "version of moto"), ("account", "account")):
            if found[key] != wanted[key]:
                raise StateError(f"it is of {what} {found[key]}, this endpoint's is {wanted[key]}")
        if found["sha256"] != wanted["sha256"]:
            raise StateError("it is damaged: its content does not match its checksum")
        from moto.backends import get_backend

        outer = _Unpickler(io.BytesIO(payload)).load()
        for (service, account, region), data in outer["moto"].items():
            prepare(service)
            dict.__setitem__(get_backend(service)[account], region, _Unpickler(io.BytesIO(data)).load())
        return _Unpickler(io.BytesIO(outer["eks"])).load()


class Saver:
    """Writes the state soon after a change, in the background, and once more at the end.

    A change is on disk within a second, unless a service is busy for longer: a write takes about 50 ms and begins 0.1 s
    after the change, and the next one waits for ten times its length, 0.6 s at the most.

    Args:
        state: where to.
        store: EKS's store.
        locks: returns every lock that must be held while state is read.
    """

    # From a change to a write, for the sake of changes that come together.
    _SETTLE_SECONDS = 0.1
    # Nothing else can be done while the state is written, so that may take this share of the time; but a large state
    # or a slow disk must not put off writes for long.
    _SHARE = 0.1
    _LONGEST_PAUSE = 0.6

    def __init__(self, state: StateFile, store: Store, locks: Callable[[], list[AbstractContextManager[Any]]]) -> None:
        self._state = state
        self._store = store
        self._locks = locks
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-saver", daemon=True)
        self._thread.start()

    def note_change(self) -> None:
        """Say that state may have changed."""
        self._changed.set()

    def stop(self) -> None:
        """Write a last time and end.

        Raises:
            OSError: the state could not be written.
        """
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        self.save()

    def save(self) -> float:
        """Write now; return how long that took, in seconds."""
        with ExitStack() as held:
            for lock in self._locks():
                held.enter_context(lock)
            begun = time.monotonic()
            self._state.save(self._store)
            return time.monotonic() - begun

    def _run(self) -> None:
        while True:
            self._changed.wait()
            if self._stopping.wait(self._SETTLE_SECONDS):
                return
            self._changed.clear()
            try:
                pause = min(self.save() / self._SHARE, self._LONGEST_PAUSE)
            except Exception:  # a full disk must not end the endpoint; it is tried again
                log.exception("the state could not be written")
                self._changed.set()
                pause = self._LONGEST_PAUSE
            if self._stopping.wait(pause):
                return
