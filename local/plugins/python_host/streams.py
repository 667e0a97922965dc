"""Passes on what a child process prints, as it comes, both of its streams in one sequence."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

__all__ = ["Chunk", "stream"]


@dataclass(frozen=True)
class Chunk:
    """Some output of a process: of one stream or the other."""

    stdout: bytes = b""
    stderr: bytes = b""

    @classmethod
    def out(cls, text: str) -> Chunk:
        """*text* as standard output."""
        return cls(stdout=text.encode())


def stream(process: subprocess.Popen[bytes]) -> Iterator[Chunk]:
    """Yields what *process* prints until it has closed both streams (they must be pipes)."""
    chunks: queue.Queue[Chunk | None] = queue.Queue()

    def drain(pipe: IO[bytes], name: str) -> None:
        with pipe:
            # read1 gives what is there, where read would wait for more.
            while data := pipe.read1(1 << 16):  # type: ignore[attr-defined]
                chunks.put(Chunk(**{name: data}))
        chunks.put(None)

    pipes = {"stdout": process.stdout, "stderr": process.stderr}
    open_pipes = 0
    for name, pipe in pipes.items():
        if pipe is not None:
            open_pipes += 1
            threading.Thread(target=drain, args=(pipe, name), daemon=True, name=f"drain {name}").start()
    while open_pipes:
        chunk = chunks.get()
        if chunk is None:
            open_pipes -= 1
        else:
            yield chunk
