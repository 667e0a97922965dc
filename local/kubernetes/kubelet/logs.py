"""What containers say, kept line by line with its time, as container runtimes keep it for ``kubectl logs``.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_LONGEST_LINE = 16 * 1024


@dataclass(frozen=True)
class Query:
    """What a client wants of a log.

    Attributes:
        follow: whether to wait for what comes.
        tail: of what is there, how many lines at most.
        since: nothing older.
        timestamps: whether each line begins with its time.
        limit: how many bytes at most.
    """

    follow: bool = False
    tail: int | None = None
    since: dt.datetime | None = None
    timestamps: bool = False
    limit: int | None = None


class Log:
    """What a container says while it runs once. All of it happens in one thread.

    Args:
        path: its file; the folder is made if need be.
    """

    # When a log is longer it begins anew; the kubelet's own limit.
    _LONGEST = 10 << 20

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._length = 0
        # How often it has begun anew.
        self._part = 0
        self._over = False
        # Replaced by another one whenever there is more to read.
        self._changed = asyncio.Event()

    async def copy(self, reader: asyncio.StreamReader) -> None:
        """Write what a command says, to its end."""
        rest = b""
        while data := await reader.read(_LONGEST_LINE):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._write(line, whole=True)
            if len(rest) >= _LONGEST_LINE:
                self._write(rest, whole=False)
                rest = b""
        if rest:
            self._write(rest, whole=False)

    def close(self) -> None:
        """Note that nothing more will come."""
        if not self._over:
            self._over = True
            self._file.close()
            self._tell()

    def delete(self) -> None:
        """Remove it."""
        self.close()
        self._path.unlink(missing_ok=True)

    async def read(self, query: Query) -> AsyncIterator[bytes]:
        """Yield what a client wants, as it comes."""
        left = query.limit
        async for entry in self._entries(query):
            shown = _shown(entry, query.timestamps)
            if left is not None:
                shown = shown[:left]
                left -= len(shown)
            yield shown
            if left == 0:
                return

    async def _entries(self, query: Query) -> AsyncIterator[bytes]:
        file, part = self._path.open("rb"), self._part
        try:
            found = [entry for entry in file.readlines() if _is_since(entry, query.since)]
            for entry in found if query.tail is None else found[max(0, len(found) - query.tail) :]:
                yield entry
            while query.follow:
                changed, over, now = self._changed, self._over, self._part
                while entry := file.readline():
                    yield entry
                if now != part:
                    file.close()
                    file, part = self._path.open("rb"), now
                elif over:
                    return
                else:
                    await changed.wait()
        finally:
            file.close()

    def _write(self, line: bytes, whole: bool) -> None:
        entry = b"%s %s %s\n" % (_stamp(dt.datetime.now(dt.UTC)).encode(), b"F" if whole else b"P", line)
        if self._length + len(entry) > self._LONGEST:
            self._file.close()
            self._path.unlink()
            self._file, self._length = self._path.open("wb", buffering=0), 0
            self._part += 1
        self._file.write(entry)
        self._length += len(entry)
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def simulated(text: str, started: dt.datetime, query: Query) -> bytes:
    """Return a log of one line."""
    if query.tail == 0 or (query.since is not None and query.since > started):
        return b""
    shown = _shown(f"{_stamp(started)} F {text}\n".encode(), query.timestamps)
    return shown[: query.limit]


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _is_since(entry: bytes, since: dt.datetime | None) -> bool:
    return since is None or dt.datetime.fromisoformat(entry.partition(b" ")[0].decode()) >= since


def _shown(entry: bytes, timestamps: bool) -> bytes:
    moment, whole, line = entry.split(b" ", 2)
    if whole == b"P":
        line = line.removesuffix(b"\n")
    return moment + b" " + line if timestamps else line
