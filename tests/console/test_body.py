"""Bodies of requests: small forms that come in time."""

import socket

import httpx
import pytest

from tests.console.raw_requests import FORM


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        (FORM, b"token=" + b"x" * 4090, 403),
        (FORM, b"token=" + b"x" * 4091, 413),
        (FORM + b"; charset=punycode", b"token=x", 415),
        (FORM + b"; charset=UTF-8", b"token=x", 403),
        (b"multipart/form-data; boundary=x", b"--x--", 415),
        (b"multipart/form-data; boundary=x", b"x" * 700_000, 413),
        (b"application/json", b"{}", 415),
        (b"", b"token=x", 415),
        (FORM, b"&" * 4000, 403),
    ],
)
@pytest.mark.parametrize("is_chunked", [True, False])
def test_bodies_are_small_forms(
    server: tuple[str, int], kind: bytes, content: bytes, status: int, is_chunked: bool
) -> None:
    """413 if it is too large, 415 if it is not a urlencoded form in UTF-8."""
    url = f"http://{server[0]}:{server[1]}/sign-in"
    headers = {"Content-Type": kind}
    sent = iter([content[:2000], content[2000:]]) if is_chunked else content
    answer = httpx.post(url, content=sent, headers=headers, trust_env=False)
    expected = 415 if is_chunked and status == 413 and kind != FORM else status
    assert expected == answer.status_code


def test_a_body_that_does_not_come_is_not_waited_for(server: tuple[str, int]) -> None:
    """408 after a while."""
    request = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request % FORM)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_a_large_body_is_refused_before_it_is_sent(server: tuple[str, int]) -> None:
    """The length is enough."""
    request = (
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
