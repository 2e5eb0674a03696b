"""The port: handshakes are accepted, refused or given up."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.admission.admission import Admission, Entrance, HandshakeDenied
from gateway.admission.signature import Verdict
from gateway.metrics import HANDSHAKES_REFUSED
from gateway.sockets import listener
from gateway.sockets.connection import SocketConnection
from gateway.sockets.handshakes import HandshakeReports
from gateway.sockets.listener import Reception
from gateway.sockets.pending_handshakes import GOODBYE_S, HANDSHAKE_S
from tests.gateway.sockets.test_connection import HELLO, REQUEST

SIGNED = REQUEST.replace(b"\r\n\r\n", b"\r\nX-Twilio-Signature: good\r\n\r\n")


class Judge:
    """Accepts handshakes with the signature "good" unless the gateway is full."""

    def judge(self, path: str, signatures: list[str], *, full: bool) -> Admission | HandshakeDenied:
        assert "/media" == path
        if full:
            return HandshakeDenied(Verdict.FULL)
        return Admission(None) if signatures == ["good"] else HandshakeDenied(Verdict.UNSIGNED)


class Port:
    """A reception on a free port."""

    def __init__(self) -> None:
        self.let_in: list[tuple[SocketConnection, list[bytes]]] = []
        self.accepted: list[Admission] = []
        self.refused: list[Verdict] = []
        self.open_sockets = 0
        self.is_full = False
        reports = SimpleNamespace(
            accepted=self.accepted.append, refused=lambda r: self.refused.append(r.verdict)
        )
        self.reception = Reception(
            cast("Entrance", Judge()),
            lambda connection, _, texts: self.let_in.append((connection, texts)),
            cast("HandshakeReports", reports),
            count=lambda: self.open_sockets,
            is_full=lambda: self.is_full,
        )
        listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = listening.getsockname()
        self.listening = listening
        self.clients: list[socket.socket] = []

    def start(self) -> None:
        self.reception.accept_from(self.listening)

    async def client(self, *pieces: bytes) -> socket.socket:
        """Return a client that sends these bytes."""
        made = socket.socket()
        self.clients.append(made)
        made.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(made, self.address)
        for piece in pieces:
            await loop.sock_sendall(made, piece)
            await asyncio.sleep(0)
        return made

    async def answer(self, *pieces: bytes) -> bytes:
        """Send bytes, and return all that the gateway sends until it shuts its side."""
        client, answer = await self.client(*pieces), b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while piece := await loop.sock_recv(client, 4_096):
                answer += piece
        return answer

    def close(self) -> None:
        self.reception.close()
        self.listening.close()
        for client in self.clients:
            client.close()
        for connection, _ in self.let_in:
            connection.end()


@pytest.fixture
async def port() -> Any:
    """A port that listens."""
    made = Port()
    made.start()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _counted_from_zero() -> Iterator[None]:
    """The counts of refused handshakes begin with this test."""
    HANDSHAKES_REFUSED.clear()
    yield
    HANDSHAKES_REFUSED.clear()


def counted(reason: str) -> float:
    """How many handshakes were refused for the reason."""
    return HANDSHAKES_REFUSED.labels(reason)._value.get()  # type: ignore[no-any-return]


async def until(holds: Any) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.001)


async def test_an_accepted_socket_is_handed_over(port: Port) -> None:
    """With the messages that came right after the handshake, however the bytes are cut. The port
    does not read it any more."""
    client = await port.client(SIGNED[:50], SIGNED[50:] + HELLO)
    await until(lambda: port.let_in)
    [(connection, texts)] = port.let_in
    assert ([b"hello"], [Admission(None)]) == (texts, port.accepted)
    assert (await asyncio.get_running_loop().sock_recv(client, 4_096)).startswith(b"HTTP/1.1 101")
    await asyncio.get_running_loop().sock_sendall(client, HELLO)
    await asyncio.sleep(0.01)
    assert [b"hello"] == connection.read()[1]


async def test_a_handshake_that_is_denied_gets_the_reason(port: Port) -> None:
    """It is reported and counted; 503 asks the load balancer to use another gateway."""
    assert (await port.answer(REQUEST)).startswith(b"HTTP/1.1 403")
    port.is_full = True
    answer = await port.answer(SIGNED)
    assert answer.startswith(b"HTTP/1.1 503")
    assert answer.endswith(f"{Verdict.FULL.value}\n".encode())
    assert [Verdict.UNSIGNED, Verdict.FULL] == port.refused
    assert (1, 1) == (counted(Verdict.UNSIGNED.value), counted(Verdict.FULL.value))
    assert [] == port.let_in


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"no HTTP\r\n\r\n", "no-handshake"),
        (b"GET /media HTTP/1.1\r\nX-Twilio-Signature: good\r\n\r\n", "no-websocket"),
        (b"GET /media HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "no-handshake"),
    ],
    ids=["no HTTP", "no WebSocket", "too large"],
)
async def test_other_requests_are_counted_and_closed(port: Port, sent: bytes, reason: str) -> None:
    """No gateway would take them."""
    await port.answer(sent)
    assert 1 == counted(reason)
    assert [] == port.let_in


async def test_a_client_that_leaves_is_forgotten(port: Port) -> None:
    """Half a handshake uses no file descriptor any more."""
    client = await port.client(REQUEST[:20])
    await until(lambda: len(port.reception._door))
    client.close()
    await until(lambda: not len(port.reception._door))


async def test_file_descriptors_are_kept_for_other_purposes(port: Port) -> None:
    """A gateway with too many sockets closes new ones at once."""
    port.reception._most = 5
    port.open_sockets = 5
    assert b"" == await port.answer()
    assert 1 == counted("too-many-sockets")
    port.open_sockets = 4
    await port.client(SIGNED)
    await until(lambda: port.let_in)


async def test_a_handshake_that_is_late_is_given_up(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused client has less time, and is not counted twice."""
    now = [100.0]
    monkeypatch.setattr(listener, "time", SimpleNamespace(monotonic=lambda: now[0]))
    await port.client(REQUEST[:20])
    await until(lambda: len(port.reception._door) == 1)
    await port.client(REQUEST)
    await until(lambda: port.refused)
    now[0] += GOODBYE_S
    port.reception.sweep()
    assert 1 == len(port.reception._door)
    now[0] += HANDSHAKE_S
    port.reception.sweep()
    assert 0 == len(port.reception._door)
    assert (1, 1) == (counted("no-handshake"), counted(Verdict.UNSIGNED.value))


async def test_a_port_that_closes_serves_its_backlog() -> None:
    """Connections that the kernel has taken would be reset. Later ones are refused."""
    port = Port()
    client = await port.client(SIGNED)
    port.start()
    port.reception.close_port()
    await until(lambda: port.let_in)
    assert (await asyncio.get_running_loop().sock_recv(client, 4_096)).startswith(b"HTTP/1.1 101")
    with pytest.raises(ConnectionRefusedError):
        await port.client()
    port.close()


async def test_a_port_that_cannot_accept_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example while the file descriptors are used up. Then it accepts again."""
    monkeypatch.setattr(listener, "REST_S", 0.01)
    port = Port()
    errors = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]

    class Listening(socket.socket):
        def accept(self) -> Any:
            if errors:
                raise errors.pop(0)
            return super().accept()

    port.listening = Listening(fileno=port.listening.detach())
    port.start()
    await port.client(SIGNED)
    await until(lambda: port.let_in)
    assert [] == errors
    port.close()
