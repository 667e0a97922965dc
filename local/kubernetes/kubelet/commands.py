"""Runs commands: those of containers, and those of ``kubectl exec``, which are joined to the client's streams.

Every message begins with the number of its channel. The last one that goes to the client is a Status on
the error channel, and carries the command's exit code.

A client's command lives as long as the client, its pod and the twin: when one of them goes, the command and what it has
started are killed. What it leaves running in the background is killed when it ends.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..processes import LAUNCH
from .websocket import WebSocket

# Best first. In version 4 a client cannot say that its standard input has ended.
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_CHUNK = 32 * 1024


class _Channel(IntEnum):
    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


@dataclass(frozen=True)
class Command:
    """What a client wants to run.

    Attributes:
        words: program and arguments; at least one.
        stdin: whether it sends input.
        stdout: whether it wants output.
        stderr: whether it wants errors apart from output; never with a terminal.
        tty: whether the command gets a terminal.
    """

    words: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


@dataclass(frozen=True)
class Setting:
    """What a command finds.

    Attributes:
        variables: its whole environment.
        folder: the one that it starts in.
        mounts: by its path in the container: where a volume is in truth.
    """

    variables: Mapping[str, str]
    folder: Path
    mounts: Mapping[str, Path]

    def real(self, word: str) -> str:
        """Return the path that a path in a volume stands for; any other word as it is."""
        return real_path(word, self.mounts)


def real_path(word: str, mounts: Mapping[str, Path]) -> str:
    """Return the path that a path in a volume stands for; any other word as it is."""
    for mount in sorted(mounts, key=len, reverse=True):
        if word == mount or word.startswith(f"{mount.rstrip('/')}/"):
            return str(mounts[mount]) + word[len(mount.rstrip("/")) :]
    return word


class NotStarted(Exception):
    """A command could not be started; the message is a container runtime's."""


async def run(command: Command, setting: Setting, socket: WebSocket, pod_is_gone: asyncio.Event) -> None:
    """Run a command to its end and report that.

    Raises:
        Closed: the client went away before.
    """
    # Clients take the first message, empty as it is, for the sign that everything stands.
    first = (command.stdout and _Channel.STDOUT) or (command.stderr and _Channel.STDERR) or _Channel.ERROR
    await socket.send(bytes([first]))
    try:
        running = await _start(command, setting)
    except NotStarted as error:
        status = _internal_error(f"error executing command in container: {error}")
    else:
        try:
            status = _exit_status(await running.complete(socket, pod_is_gone))
        finally:
            running.end()
    await socket.send(bytes([_Channel.ERROR]) + json.dumps(status).encode())
    await socket.close()


class _Running:
    """A command that has been started.

    Args:
        process: the command; it leads a group of its own.
        outputs: what it says, by channel.
        stdin: what it reads, if anything.
        terminal: its terminal's outer end, if it has one.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        outputs: Mapping[_Channel, asyncio.StreamReader],
        stdin: asyncio.StreamWriter | None,
        terminal: int | None = None,
    ) -> None:
        self._process = process
        self._outputs = outputs
        self._stdin = stdin
        self._terminal = terminal
        self._tasks: list[asyncio.Task[Any]] = []

    async def complete(self, socket: WebSocket, pod_is_gone: asyncio.Event) -> int:
        """Pass on what goes in and out until the command has ended; return its exit code.

        Raises:
            Closed: the client went away before.
        """
        forwarding = [self._task(_forward(stream, channel, socket)) for channel, stream in self._outputs.items()]
        client = self._task(self._serve_client(socket))
        ended = self._task(exit_code_of(self._process))
        await asyncio.wait([client, ended, self._task(pod_is_gone.wait())], return_when=asyncio.FIRST_COMPLETED)
        if client.done():
            client.result()  # raises: it ends in no other way
        kill(self._process)
        code = await ended
        # All of what it said, however slow the client is.
        await asyncio.gather(*forwarding)
        return code

    def end(self) -> None:
        """Kill what still runs, and give everything back."""
        kill(self._process)
        for task in self._tasks:
            task.cancel()
        if self._stdin is not None:
            self._stdin.close()
        if self._terminal is not None:
            os.close(self._terminal)

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    async def _serve_client(self, socket: WebSocket) -> None:
        while True:
            message = await socket.receive()
            channel, data = message[:1], message[1:]
            if channel == bytes([_Channel.STDIN]):
                await self._write(data)
            elif channel == bytes([_Channel.RESIZE]):
                self._resize(data)
            elif message == bytes([_Channel.CLOSE, _Channel.STDIN]) and self._stdin and self._terminal is None:
                self._stdin.close()

    async def _write(self, data: bytes) -> None:
        if self._stdin is None or self._stdin.is_closing():
            return
        # A command need not read its input, nor to the end.
        with contextlib.suppress(OSError):
            self._stdin.write(data)
            await self._stdin.drain()

    def _resize(self, data: bytes) -> None:
        if self._terminal is None:
            return
        with contextlib.suppress(ValueError, KeyError, TypeError, struct.error):
            size = json.loads(data)
            packed = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, packed)


async def _forward(stream: asyncio.StreamReader, channel: _Channel, socket: WebSocket) -> None:
    while True:
        try:
            data = await stream.read(_CHUNK)
        except OSError as error:
            if error.errno == errno.EIO:  # how a terminal ends
                return
            raise
        if not data:
            return
        await socket.send(bytes([channel]) + data)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and what it has started."""
    # It leads a group of its own, which has its number for as long as anybody is in it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def exit_code_of(process: subprocess.Popen[bytes]) -> int:
    """Await a command's end; 128 and the number of the signal that ended it, as container runtimes say it.

    asyncio's own processes would only be said to have ended when everybody has closed their pipes, and a child that a
    command leaves running has them too.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def tell(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def wait() -> None:
        code = process.wait()
        with contextlib.suppress(RuntimeError):  # nobody waits any more, and the loop has been closed
            loop.call_soon_threadsafe(tell, code)

    threading.Thread(target=wait, name=f"wait {process.pid}", daemon=True).start()
    code = await ended
    return code if code >= 0 else 128 - code


def launch(words: Sequence[str], setting: Setting, *, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    """Start a command.

    The kernel ends it when the calling thread ends.

    Args:
        words: program and arguments; at least one.
        setting: what it finds.
        stdin: its standard input, as ``Popen`` takes it; so the others.

    Raises:
        NotStarted: it cannot be started.
    """
    first, *others = map(setting.real, words)
    program = _program(first, setting)
    # By way of a program that has the kernel end it together with this process, and then becomes the command.
    line = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), program, *others]
    try:
        return subprocess.Popen(
            line,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=setting.folder,
            env=setting.variables,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # too long a list of arguments, a word with a null byte in it
        raise NotStarted(f'unable to start container process: exec: "{first}": {error}') from None


async def _start(command: Command, setting: Setting) -> _Running:
    begin = partial(launch, command.words, setting)
    return await (_start_in_terminal(begin) if command.tty else _start_with_pipes(begin, command))


async def _start_with_pipes(begin: Callable[..., subprocess.Popen[bytes]], command: Command) -> _Running:
    wanted = {"stdin": command.stdin, "stdout": command.stdout, "stderr": command.stderr}
    process = begin(**{name: subprocess.PIPE if pipe else subprocess.DEVNULL for name, pipe in wanted.items()})
    outputs = {
        channel: await reader_of(pipe)
        for channel, pipe in ((_Channel.STDOUT, process.stdout), (_Channel.STDERR, process.stderr))
        if pipe is not None
    }
    return _Running(process, outputs, await _writer(process.stdin) if process.stdin is not None else None)


async def _start_in_terminal(begin: Callable[..., subprocess.Popen[bytes]]) -> _Running:
    terminal, inner = os.openpty()
    try:
        process = begin(stdin=inner, stdout=inner, stderr=inner)
    except BaseException:
        os.close(terminal)
        raise
    finally:
        os.close(inner)
    output = await reader_of(os.fdopen(os.dup(terminal), "rb", buffering=0))
    keyboard = await _writer(os.fdopen(os.dup(terminal), "wb", buffering=0))
    return _Running(process, {_Channel.STDOUT: output}, keyboard, terminal)


async def reader_of(pipe: IO[bytes]) -> asyncio.StreamReader:
    """Return a reader of a pipe."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


def _program(name: str, setting: Setting) -> str:
    """Return the path of a program, found as its container's runtime would."""
    looked_up = str(setting.folder / name) if "/" in name else name
    found = shutil.which(looked_up, path=setting.variables.get("PATH", os.defpath))
    if found is not None:
        return str(setting.folder / found)
    reason = "executable file not found in $PATH"
    if "/" in name:
        reason = "permission denied" if os.path.exists(looked_up) else "no such file or directory"
    raise NotStarted(f'unable to start container process: exec: "{name}": {reason}')


def _exit_status(code: int) -> dict[str, Any]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _internal_error(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": f"Internal error occurred: {message}",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
