"""Clients that send slowly, or hold many connections."""

import contextlib
import socket

import httpx
import pytest

from pipeline.runtime import http_server
from pipeline.runtime.http_connections import MAX_CONNECTIONS_OF_ADDRESS
from tests.console.raw_requests import assert_safe


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Head",
        b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo",
    ],
)
def test_a_head_that_does_not_come_ends_the_connection(
    server: tuple[str, int], begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 408 if a part of it came. The server closes; the test waits for that."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    heads = _answers_until_closed(server, begun)
    assert_safe(heads)
    whole, last = begun.count(b"\r\n\r\n"), begun.rpartition(b"\r\n\r\n")[2]
    if whole:  # uvicorn's own limit between an answer and the next request ends this one
        assert heads[0].startswith(b"200")
    else:
        assert [b"408 Request Timeout"] * bool(last) == [head.split(b"\r\n")[0] for head in heads]


def test_a_head_that_drips_ends_the_connection(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for all of the head; each further byte does not begin it anew. So after an
    answer."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.3)
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(b"HEAD /sign-in HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        connection.settimeout(0.02)
        for _ in range(500):
            with contextlib.suppress(TimeoutError):
                assert connection.recv(65536).startswith(b"HTTP/1.1 408")
                return
            connection.sendall(b"x")
    pytest.fail("still open")


def test_many_connections_leave_the_console_usable(server: tuple[str, int]) -> None:
    """From the same address: the oldest ones without a request are closed."""
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(server, timeout=20))
            for _ in range(MAX_CONNECTIONS_OF_ADDRESS + 30)
        ]
        for connection in idle:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET / HTTP/1.1\r\n")
        for connection in idle[:30]:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
        assert 200 == httpx.get(f"http://{server[0]}:{server[1]}/sign-in").status_code


def _answers_until_closed(server: tuple[str, int], request: bytes) -> list[bytes]:
    received = b""
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            received += piece
    return [head.split(b"\r\n\r\n")[0] for head in received.split(b"HTTP/1.1 ")[1:]]
