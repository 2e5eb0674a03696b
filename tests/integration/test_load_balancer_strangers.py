"""What HAProxy does with connections that are not Twilio's, and the addresses that it shows."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from tests.haproxy import with_haproxy
from tests.integration.balancing import HOST, PATIENCE_S, Balancer, balanced, echoes

pytestmark = [pytest.mark.integration, with_haproxy]

STRANGER = "127.0.0.66"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SIGNED = "X-Twilio-Signature: signed\r\n"
MOST_CONNECTIONS = 30_000


async def answer(balancer: Balancer, request: bytes) -> int | None:
    """Return the status of the answer to a request over TLS; None if there was no answer."""
    reader, writer = await asyncio.open_connection(
        HOST, balancer.port, ssl=balancer.trust, local_addr=(STRANGER, 0)
    )
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readline()
    except ConnectionError:
        return None
    finally:
        writer.close()
    return int(head.split()[1]) if head else None


def request(path: str = "/media/x", headers: str = UPGRADE + SIGNED, method: str = "GET") -> bytes:
    """A request with these headers."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


async def test_strangers_do_not_reach_a_gateway(tmp_path: Path) -> None:
    """Each gets its answer from HAProxy, and a call beside them continues."""
    cases = {
        request(path="/"): 404,
        request(path="/mediax"): 404,
        request(path="/admin/../media/x"): 404,
        request(headers=UPGRADE): 403,
        request(headers=SIGNED): 400,
        request(method="POST", headers=UPGRADE + SIGNED + "Content-Length: 0\r\n"): 400,
        request(headers=UPGRADE + SIGNED + f"X: {'x' * 20_000}\r\n"): 400,
        request(headers=UPGRADE + SIGNED + "".join(f"X{n}: 1\r\n" for n in range(200))): 400,
        request(path="/media/" + "x" * 20_000): 400,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 400,
        b"\x00\x01 nonsense\r\n\r\n": 400,
    }
    async with balanced(tmp_path) as balancer, await balancer.call() as call:
        found = {asked: await answer(balancer, asked) for asked in cases}
        assert cases == found
        assert await echoes(call)
        assert 1 == sum(len(gateway.seen) for gateway in balancer.gateways)


async def test_slow_strangers_are_disconnected(tmp_path: Path) -> None:
    """Headers that do not end get 408; a TLS handshake that does not begin is closed."""
    async with balanced(tmp_path) as balancer, await balancer.call() as call:
        plain, silent = await asyncio.open_connection(HOST, balancer.port)
        assert 408 == await answer(balancer, request()[:-2] + b"X: never ends")
        async with asyncio.timeout(PATIENCE_S):
            assert b"" == await plain.read()
        silent.close()
        assert await echoes(call)
        assert 1 == sum(len(gateway.seen) for gateway in balancer.gateways)


async def test_a_flood_is_refused_and_costs_no_call(tmp_path: Path) -> None:
    """An address that opens connections without end is reset; other addresses are served."""
    async with balanced(tmp_path) as balancer, await balancer.call() as call:
        refused_after = await asyncio.to_thread(_flood, balancer.port)
        assert refused_after is not None
        assert refused_after > 2000
        assert await echoes(call)
        async with await balancer.call("127.0.0.7") as another:
            assert await echoes(another)


def _flood(port: int) -> int | None:
    """Open connections until one is reset; return how many that took."""
    for number in range(MOST_CONNECTIONS):
        try:
            with socket.create_connection((HOST, port), 5, source_address=(STRANGER, 0)) as one:
                if number > 2000 and number % 50 == 0 and _is_reset(one):
                    return number
        except ConnectionResetError:  # before the connection was open here
            return number
    return None


def _is_reset(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def test_behind_another_load_balancer_the_log_has_the_clients_address(
    tmp_path: Path,
) -> None:
    """It is in the PROXY header; without one the connection is closed."""
    async with balanced(tmp_path, behind_proxy=True) as balancer:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await balancer.call()
        await asyncio.to_thread(_through_proxy, balancer)
        async with asyncio.timeout(PATIENCE_S):  # the line is written after the answer
            while "\n203.0.113.7:4711 [" not in balancer.log.read_text():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)


def _through_proxy(balancer: Balancer) -> None:
    with socket.create_connection((HOST, balancer.port), PATIENCE_S) as plain:
        plain.sendall(b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n")
        with balancer.trust.wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(request(headers=UPGRADE))
            assert b" 403 " in secure.recv(1000)
