"""HAProxy with the deployed configuration: TLS, draining, reloads, and gateways that die."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.haproxy import with_haproxy
from tests.integration.balancing import HOST, PATIENCE_S, TICKET, balanced, echoes
from tests.integration.faust_roles import until

pytestmark = [pytest.mark.integration, with_haproxy]


async def test_a_client_can_verify_the_certificate(tmp_path: Path) -> None:
    """Twilio takes no others; TLS before 1.2 is refused."""
    async with balanced(tmp_path) as balancer:
        async with await balancer.call() as call:
            assert await echoes(call)
        balancer.trust.minimum_version = ssl.TLSVersion.TLSv1
        balancer.trust.maximum_version = ssl.TLSVersion.TLSv1_1
        balancer.trust.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            await balancer.call()
        balancer.trust = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await balancer.call()


async def test_the_gateway_sees_what_twilio_sent(tmp_path: Path) -> None:
    """The signature is of the URL, so neither path nor host may change; headers that claim another
    origin change nothing."""
    async with balanced(tmp_path, count=1) as balancer:
        claims = {"X-Forwarded-Host": "evil", "X-Forwarded-For": "1.2.3.4"}
        async with await balancer.call(**claims) as call:
            assert await echoes(call)
        [request] = balancer.gateways[0].seen
    assert f"/media/{TICKET}" == request.path
    assert ["signed"] == request.headers.get_all("X-Twilio-Signature")
    assert [f"{HOST}:{balancer.port}"] == request.headers.get_all("Host")


async def test_a_red_gateway_gets_no_new_calls_and_keeps_its_own(tmp_path: Path) -> None:
    """Draining by health check; once it is green again it gets calls again."""
    async with balanced(tmp_path) as balancer:
        calls = [await balancer.call() for _ in range(4)]
        first, second = balancer.gateways
        assert (2, 2) == (first.opened, second.opened)
        first.is_healthy = False
        await until(lambda: _isnt(balancer.is_up(0)), PATIENCE_S)
        calls += [await balancer.call() for _ in range(4)]
        assert (2, 6) == (first.opened, second.opened)
        assert all([await echoes(call) for call in calls])
        first.is_healthy = True
        await until(lambda: balancer.is_up(0), PATIENCE_S)
        calls += [await balancer.call() for _ in range(4)]
        assert (6, 6) == (first.opened, second.opened)
        await _closed(calls)


async def test_if_no_gateway_is_healthy_calls_are_not_refused(tmp_path: Path) -> None:
    """Kafka is away then, and the gateways keep audio on their disks."""
    async with balanced(tmp_path) as balancer:
        for gateway in balancer.gateways:
            gateway.is_healthy = False
        for number in range(2):
            await until(lambda number=number: _isnt(balancer.is_up(number)), PATIENCE_S)
        await balancer.gateways[0].die()
        async with await balancer.call() as call:
            assert await echoes(call)
        assert 1 == balancer.gateways[1].opened


async def test_a_dead_gateway_costs_no_handshake(tmp_path: Path) -> None:
    """Its own calls break; each new one is opened at the other gateway at once, before a health
    check has failed."""
    async with balanced(tmp_path) as balancer:
        calls = [await balancer.call() for _ in range(2)]
        await balancer.gateways[0].die()
        again = [await balancer.call() for _ in range(6)]
        assert 7 == balancer.gateways[1].opened
        assert 1 == sum([await _broken(call) for call in calls])
        assert all([await echoes(call) for call in again])
        await _closed(again)


async def test_a_reload_breaks_nothing(tmp_path: Path) -> None:
    """Calls from before several reloads continue, every message in its place, and no handshake
    fails meanwhile."""
    async with balanced(tmp_path) as balancer:
        calls = [await balancer.call() for _ in range(4)]
        done = asyncio.Event()
        opening = asyncio.create_task(_keep_opening(balancer.call, done))
        echoing = [asyncio.create_task(_keep_echoing(call, done)) for call in calls]
        for _ in range(3):
            await balancer.reload()
        done.set()
        assert all(await asyncio.gather(*echoing))
        assert await opening
        await _closed(calls)


async def test_a_restart_breaks_sockets_and_the_next_ones_are_taken(tmp_path: Path) -> None:
    """HAProxy may be killed: calls get their next media stream."""
    async with balanced(tmp_path) as balancer:
        call = await balancer.call()
        await balancer.kill()
        assert await _broken(call)
        await balancer.start()
        async with await balancer.call() as again:
            assert await echoes(again)


async def _keep_opening(
    call: Callable[[], Awaitable[ClientConnection]], done: asyncio.Event
) -> int:
    """Open calls until `done`; return how many."""
    opened = 0
    while not done.is_set():
        async with await call() as one:
            assert await echoes(one, 2)
        opened += 1
    return opened


async def _keep_echoing(call: ClientConnection, done: asyncio.Event) -> bool:
    while not done.is_set():
        if not await echoes(call):
            return False
        await asyncio.sleep(0.01)
    return await echoes(call)


async def _broken(call: ClientConnection) -> bool:
    try:
        return not await echoes(call)
    except ConnectionClosed:
        return True


async def _closed(calls: list[ClientConnection]) -> None:
    for call in calls:
        await call.close()


async def _isnt(condition: Awaitable[bool]) -> bool:
    return not await condition
