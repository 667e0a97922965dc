"""The server's side of WebSocket, without a network."""

from __future__ import annotations

import asyncio
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.kubernetes.kubelet.websocket import Closed, WebSocket, accept_key

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Wire:
    """Takes the place of a connection's writer."""

    def __init__(self) -> None:
        self.sent = b""
        self.lost = False

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        if self.lost:
            raise ConnectionResetError

    def is_closing(self) -> bool:
        return False


def client_frame(opcode: int, payload: bytes, final: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Return a frame as clients send them."""
    first = opcode | (0x80 if final else 0) | reserved
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes([first, bit | length])
    elif length < 65_536:
        head = bytes([first, bit | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def receive(data: bytes, count: int = 1) -> tuple[list[bytes], bytes]:
    """Have a server receive messages; return them, and what it sent."""

    async def run() -> tuple[list[bytes], bytes]:
        reader, wire = asyncio.StreamReader(), Wire()
        reader.feed_data(data)
        reader.feed_eof()
        socket = WebSocket(reader, wire)  # type: ignore[arg-type]
        try:
            return [await socket.receive() for _ in range(count)], wire.sent
        except Closed as error:
            error.add_note(repr(wire.sent))
            raise

    return asyncio.run(run())


def test_the_key_of_the_standards_example() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.booleans())
def test_messages_arrive_as_they_were_sent(parts: list[bytes], pinged: bool) -> None:
    """In one piece or in several, with pings in between."""
    data = b""
    for index, part in enumerate(parts):
        data += client_frame(CONTINUATION if index else BINARY, part, final=index == len(parts) - 1)
        if pinged and index < len(parts) - 1:
            data += client_frame(PING, b"still there?")
    messages, sent = receive(data + client_frame(BINARY, b"next"), 2)
    assert messages == [b"".join(parts), b"next"]
    pong = bytes([0x80 | PONG, 12]) + b"still there?"
    assert sent == pong * (len(parts) - 1 if pinged else 0)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 1_000_000])
def test_lengths(length: int) -> None:
    payload = os.urandom(length)

    async def echo() -> bytes:
        reader, wire = asyncio.StreamReader(limit=1 << 22), Wire()
        reader.feed_data(client_frame(BINARY, payload))
        socket = WebSocket(reader, wire)  # type: ignore[arg-type]
        await socket.send(await socket.receive())
        return wire.sent

    assert asyncio.run(echo()) == client_frame(BINARY, payload, masked=False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(client_frame(BINARY, b"x", masked=False), 1002, id="not masked"),
        pytest.param(client_frame(BINARY, b"x", reserved=0x40), 1002, id="an extension"),
        pytest.param(client_frame(3, b"x"), 1002, id="an unknown opcode"),
        pytest.param(client_frame(PING, b"x", final=False), 1002, id="a ping in pieces"),
        pytest.param(client_frame(PING, b"x" * 126), 1002, id="a long ping"),
        pytest.param(client_frame(CONTINUATION, b"x"), 1002, id="the rest of nothing"),
        pytest.param(client_frame(BINARY, b"x", final=False) + client_frame(BINARY, b"y"), 1002, id="no rest"),
        pytest.param(bytes([0x82, 0xFF]) + struct.pack(">Q", 1 << 40), 1009, id="a frame too long"),
        pytest.param(
            client_frame(BINARY, bytes(3_000_000), final=False) + client_frame(CONTINUATION, bytes(3_000_000)),
            1009,
            id="a message too long",
        ),
        pytest.param(client_frame(CLOSE, struct.pack(">H", 1001)), 1000, id="a good-bye"),
    ],
)
def test_the_connection_is_closed_with_a_reason(data: bytes, code: int) -> None:
    with pytest.raises(Closed) as caught:
        receive(data)
    assert caught.value.__notes__ == [repr(bytes([0x80 | CLOSE, 2]) + struct.pack(">H", code))]


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_connection_that_is_lost_has_ended(cut: int) -> None:
    with pytest.raises(Closed, match="lost"):
        receive(client_frame(BINARY, b"xx")[:cut])


def test_nothing_can_be_sent_to_a_lost_connection() -> None:
    async def send() -> None:
        wire = Wire()
        wire.lost = True
        await WebSocket(asyncio.StreamReader(), wire).send(b"x")  # type: ignore[arg-type]

    with pytest.raises(Closed, match="lost"):
        asyncio.run(send())
