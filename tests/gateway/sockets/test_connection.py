"""One socket: its bytes, its end, and the reason for it."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.frames import Close

from gateway.media.protocol import CloseSocket
from gateway.sockets.connection import CLOSE_MS, Got, SocketConnection

REQUEST = (
    b"GET /media HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HELLO = b"\x81\x85\x00\x00\x00\x00hello"
"""A text frame, with a mask of zeros."""


@pytest.fixture
def pair() -> Iterator[tuple[SocketConnection, socket.socket]]:
    """A connection, and the peer's socket."""
    ours, theirs = socket.socketpair()
    connection = SocketConnection(ours)
    with theirs:
        theirs.settimeout(5)
        yield connection, theirs
        connection.end()


@pytest.fixture
def opened(pair: tuple[SocketConnection, socket.socket]) -> tuple[SocketConnection, socket.socket]:
    """Both, after the handshake."""
    connection, peer = pair
    peer.sendall(REQUEST)
    connection.read()
    assert [] == connection.websocket.answer(None)
    assert connection.send()
    assert peer.recv(4_096).startswith(b"HTTP/1.1 101")
    return pair


def test_a_read_takes_the_bytes_that_are_there(
    opened: tuple[SocketConnection, socket.socket],
) -> None:
    """And never waits for more."""
    connection, peer = opened
    assert (Got.NOTHING, []) == connection.read()
    peer.sendall(2 * HELLO + HELLO[:4])
    assert (Got.BYTES, [b"hello", b"hello"]) == connection.read()
    assert (Got.NOTHING, []) == connection.read()
    peer.sendall(HELLO[4:])
    assert (Got.BYTES, [b"hello"]) == connection.read()


def test_a_peer_that_is_gone_is_the_end(opened: tuple[SocketConnection, socket.socket]) -> None:
    """Also if it is gone without a close, which shows when we send."""
    connection, peer = opened
    peer.close()
    assert (Got.END, []) == connection.read()
    assert not connection.close(CloseSocket(1000, "stop"), 0) or not connection.ping()
    assert ("dropped", "connection lost") == connection.how_it_ended()


def test_a_peer_that_does_not_read_its_answers_is_noticed(
    opened: tuple[SocketConnection, socket.socket],
) -> None:
    """Once the kernel takes no more of them."""
    connection, _ = opened
    assert any(not connection.ping() for _ in range(1_000_000))


def test_a_peer_that_closes_is_answered_and_named(
    opened: tuple[SocketConnection, socket.socket],
) -> None:
    """Close frame for close frame; then our sending side is shut."""
    connection, peer = opened
    peer.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe9")  # 1001
    assert (Got.BYTES, []) == connection.read()
    assert connection.send()
    assert b"\x88\x02\x03\xe9" == peer.recv(99)
    assert b"" == peer.recv(99)
    assert ("dropped", "closed by the other side with 1001") == connection.how_it_ended()


def test_a_close_has_a_time_limit(opened: tuple[SocketConnection, socket.socket]) -> None:
    """A clock that was set back ends it too: the limit would never be reached."""
    connection, peer = opened
    assert not connection.is_overdue(10_000)
    assert connection.close(CloseSocket(1008, "too long"), 10_000)
    assert b"\x88\x0a\x03\xf0too long" == peer.recv(99)
    overdue = [connection.is_overdue(10_000 + n) for n in (0, CLOSE_MS - 1, CLOSE_MS, -1)]
    assert [False, False, True, True] == overdue


@pytest.mark.parametrize(
    ("sent", "received", "draining", "expected"),
    [
        (None, None, False, ("dropped", "connection lost")),
        (Close(1009, "too big"), None, False, ("protocol-error", "closed with 1009 too big")),
        (Close(1002, ""), Close(1002, ""), False, ("protocol-error", "closed with 1002")),
        (
            Close(1000, "stop"), Close(1000, ""), False,
            ("dropped", "closed by the other side with 1000"),
        ),
        (Close(1001, ""), None, True, ("drained", "the gateway was stopped")),
        (Close(1002, ""), None, True, ("drained", "the gateway was stopped")),
    ],
)  # fmt: skip
def test_the_reason_for_an_early_end(
    sent: Close | None,
    received: Close | None,
    draining: bool,
    expected: tuple[str, str],
    pair: tuple[SocketConnection, socket.socket],
) -> None:
    """A gateway that drains is the reason before all others; then errors of the peer's protocol."""
    connection, _ = pair
    connection.session = cast("Any", SimpleNamespace(draining=draining))
    connection.websocket = cast("Any", SimpleNamespace(goodbyes=lambda: (sent, received)))
    assert expected == connection.how_it_ended()
