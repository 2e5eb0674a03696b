"""The HTTP server of the roles: limits for slow clients, its own answers, no `Server` header."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from infra.ports import chosen
from pipeline.runtime import http_connections
from pipeline.runtime.http_connections import OpenConnections
from pipeline.runtime.http_server import HEAD_SECONDS, _protocol, serving
from tests.virtual_time import virtually

SAFETY = {"X-Frame-Options": "DENY"}
HEAD = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_SECONDS = 6 * HEAD_SECONDS


async def _fast(_: Request) -> Response:
    return PlainTextResponse("fast")


async def _slow(_: Request) -> Response:
    await asyncio.sleep(SLOW_SECONDS)
    return PlainTextResponse("slow")


async def _address(request: Request) -> Response:
    assert request.client is not None
    return PlainTextResponse(request.client.host)


APP = Starlette(routes=[Route("/fast", _fast), Route("/slow", _slow), Route("/address", _address)])


class Transport:
    """A connection without a socket. It keeps what the server sends, and when it was closed."""

    def __init__(self, protocol: asyncio.Protocol, address: str) -> None:
        self.sent = b""
        self.closed_at: float | None = None
        self._protocol = protocol
        self._address = address

    def get_extra_info(self, name: str) -> Any:
        return {"peername": (self._address, 4_711), "sockname": ("10.0.0.9", 80)}.get(name)

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed_at is not None

    def close(self) -> None:
        if self.closed_at is None:
            self.closed_at = asyncio.get_running_loop().time()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def pause_reading(self) -> None:
        """Back-pressure is of no interest here."""

    def resume_reading(self) -> None:
        """Back-pressure is of no interest here."""

    @property
    def statuses(self) -> list[bytes]:
        """The status of each answer."""
        return [head[:3] for head in self.sent.split(b"HTTP/1.1 ")[1:]]


class Server:
    """Opens connections to `APP`."""

    def __init__(self) -> None:
        self._config = uvicorn.Config(
            APP, ws="none", log_config=None, lifespan="off", server_header=False
        )
        self.open = OpenConnections()
        self._protocol = _protocol(SAFETY, self.open)
        self._state = ServerState()

    def connect(self, address: str = "10.0.0.1") -> tuple[Any, Transport]:
        made = self._protocol(config=self._config, server_state=self._state, app_state={})
        transport = Transport(made, address)
        made.connection_made(transport)  # type: ignore[arg-type]
        return made, transport


def closed_after(pieces: Sequence[tuple[float, bytes]]) -> tuple[float | None, list[bytes]]:
    """Send pieces of bytes, each after a pause in seconds, and wait. Return after how long the
    connection was closed (None: it is open), and the statuses of its answers."""

    async def run() -> tuple[float | None, list[bytes]]:
        began = asyncio.get_running_loop().time()
        protocol, transport = Server().connect()
        for pause, piece in pieces:
            await asyncio.sleep(pause)
            if not transport.is_closing():
                protocol.data_received(piece)
        await asyncio.sleep(20 * HEAD_SECONDS)
        closed = transport.closed_at
        return None if closed is None else closed - began, transport.statuses

    return virtually(run())


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ([], []),
        ([(0, b"GET / HT")], [b"408"]),
        ([(0, b"GET / HTTP/1.1\r\nHost: x\r\nX-Head")], [b"408"]),
        ([(2, b"GET / HT"), (3, b"TP/1.1\r\n"), (4, b"X: ")], [b"408"]),
    ],
)
def test_a_head_that_is_late_ends_the_connection(
    pieces: Sequence[tuple[float, bytes]], statuses: list[bytes]
) -> None:
    """The limit counts from the connection, and further bytes do not extend it. A client that sent
    part of a request gets the status 408."""
    assert (HEAD_SECONDS, statuses) == closed_after(pieces)


def test_a_head_that_drips_ends_the_connection_also_after_an_answer() -> None:
    """The limit counts from the end of the answer."""
    drips = [(1.0, b"x")] * 30
    pieces = [(3.0, HEAD % b"fast"), (0.0, b"GET / HTTP/1.1\r\nX: "), *drips]
    after, statuses = closed_after(pieces)
    assert after == pytest.approx(3 + HEAD_SECONDS)
    assert [b"200", b"408"] == statuses


def test_an_answer_may_take_any_time() -> None:
    """The limit does not run while a request is answered."""
    after, statuses = closed_after([(0, HEAD % b"slow")])
    assert [b"200"] == statuses
    assert after is not None
    assert after > SLOW_SECONDS


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n"])
def test_an_invalid_request_is_refused_with_our_headers(sent: bytes) -> None:
    """The server's own answers have the given headers, as those of the application do."""

    async def run() -> Transport:
        protocol, transport = Server().connect()
        protocol.data_received(sent)
        return transport

    transport = virtually(run())
    assert [b"400"] == transport.statuses
    assert b"X-Frame-Options: DENY\r\n" in transport.sent
    assert transport.is_closing()


def test_surplus_connections_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest connection without a request is closed; one that is being answered is not. Closed
    connections do not count."""
    monkeypatch.setattr(http_connections, "MAX_CONNECTIONS_OF_ADDRESS", 3)

    async def run() -> list[bool]:
        server = Server()
        busy, transport = server.connect()
        busy.data_received(HEAD % b"slow")
        _, gone = server.connect()
        gone.close()
        await asyncio.sleep(0)
        opened = [transport, *(server.connect()[1] for _ in range(4))]
        await asyncio.sleep(1)
        closing = [each.is_closing() for each in opened]
        assert 3 == len(server.open)
        await asyncio.sleep(2 * SLOW_SECONDS)
        assert 0 == len(server.open)
        return closing

    assert [False, True, True, False, False] == virtually(run())


async def test_requests_are_served_on_a_port() -> None:
    """Without a `Server` header. The client of a trusted proxy is the one that the proxy names."""
    port = chosen(["console"], {}, [])["console"]
    listen, named = f"127.0.0.1:{port}", {"X-Forwarded-For": "203.0.113.9"}
    async with httpx.AsyncClient(base_url=f"http://{listen}") as client:
        async with serving(listen, APP, error_headers=SAFETY):
            answer = await client.get("/address", headers=named)
            assert (200, "127.0.0.1") == (answer.status_code, answer.text)
            assert "server" not in answer.headers
        async with serving(listen, APP, trusted_proxies=["127.0.0.1"]):
            assert "203.0.113.9" == (await client.get("/address", headers=named)).text
    with socket.create_server(("127.0.0.1", port)):  # it is free again
        pass


async def test_an_address_that_is_taken_is_an_error() -> None:
    """The block does not run."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with serving(f"127.0.0.1:{taken.getsockname()[1]}", APP):
            pytest.fail("it listens")
