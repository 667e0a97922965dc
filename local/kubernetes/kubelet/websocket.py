"""The server's side of a WebSocket, as much of it as Kubernetes' streams need.

Only whole messages are seen from outside; pings are answered and fragments joined here. Extensions are not
offered, so clients do not use them.

https://datatracker.ietf.org/doc/html/rfc6455
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from enum import IntEnum

_KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Clients of Kubernetes send 32 KiB at a time.
_LONGEST_MESSAGE = 4 << 20


class _Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection is closed."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    TOO_BIG = 1009


class Closed(Exception):
    """The connection has ended: the client closed it, went away, or broke the protocol."""


def accept_key(key: str) -> str:
    """Return the answer to a client's ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1((key + _KEY_SUFFIX).encode()).digest()).decode()


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a whole, unmasked frame, as servers send them."""
    length = len(payload)
    if length < 126:
        head = struct.pack(">BB", 0x80 | opcode, length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, 126, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 127, length)
    return head + payload


class WebSocket:
    """A connection that has been upgraded.

    Args:
        reader: what the client sends from now on.
        writer: what goes to the client.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._close_sent = False

    async def send(self, message: bytes) -> None:
        """Send a binary message, and wait while the client is behind.

        Raises:
            Closed: the connection has ended.
        """
        await self._write(frame(_Opcode.BINARY, message))

    async def receive(self) -> bytes:
        """Await the next message.

        Raises:
            Closed: the connection has ended.
        """
        message = b""
        begun = False
        while True:
            final, opcode, payload = await self._read_frame()
            if opcode == _Opcode.CLOSE:
                await self.close()
                raise Closed("the client closed the connection")
            if opcode == _Opcode.PING:
                await self._write(frame(_Opcode.PONG, payload))
            elif opcode in (_Opcode.TEXT, _Opcode.BINARY, _Opcode.CONTINUATION):
                if begun != (opcode == _Opcode.CONTINUATION):
                    await self._refuse(CloseCode.PROTOCOL_ERROR, "a message begins where another goes on")
                begun = True
                message += payload
                if len(message) > _LONGEST_MESSAGE:
                    await self._refuse(CloseCode.TOO_BIG, "the message is too long")
                if final:
                    return message
            elif opcode != _Opcode.PONG:
                await self._refuse(CloseCode.PROTOCOL_ERROR, f"the opcode {opcode} is unknown")

    async def close(self, code: CloseCode = CloseCode.NORMAL) -> None:
        """Say that nothing more will be sent; the client's answer is not awaited."""
        if not self._close_sent:
            self._close_sent = True
            await self._write(frame(_Opcode.CLOSE, struct.pack(">H", code)))

    async def _read_frame(self) -> tuple[bool, int, bytes]:
        try:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
            opcode, final = first & 0x0F, bool(first & 0x80)
            if first & 0x70 or not second & 0x80 or (opcode >= _Opcode.CLOSE and (length > 125 or not final)):
                await self._refuse(CloseCode.PROTOCOL_ERROR, "the frame is malformed")
            if length > _LONGEST_MESSAGE:
                await self._refuse(CloseCode.TOO_BIG, "the frame is too long")
            mask = await self._reader.readexactly(4)
            return final, opcode, _unmasked(await self._reader.readexactly(length), mask)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Closed(f"the connection was lost: {error}") from None

    async def _refuse(self, code: CloseCode, why: str) -> None:
        await self.close(code)
        raise Closed(why)

    async def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Closed("the connection was lost")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Closed(f"the connection was lost: {error}") from None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    # As one large number: much faster than byte by byte.
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
