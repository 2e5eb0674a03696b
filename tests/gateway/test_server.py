"""The order in which a gateway comes up."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

from gateway.admission.admission import Entrance
from gateway.publishing.publisher import Publisher
from gateway.server import Gateway, Outlets, opened
from infra.ports import chosen
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from schemas.records import GatewayStarted

STARTED = GatewayStarted("gateway-0", 7, 7)


class Announcements:
    """Takes announcements, and tries the gateway's port at each of them."""

    def __init__(self, address: tuple[str, int], flushes: int = 99) -> None:
        self.taken: list[tuple[str, int | None, bool]] = []
        self._address = address
        self._flushes = flushes

    def publish(
        self, topic: str, key: bytes | None, record: Any, *, partition: int | None = None
    ) -> bool:
        """Publish, and note whether a new connection is refused at that time."""
        try:
            with closing(socket.create_connection(self._address, timeout=5)):
                self.taken.append((topic, partition, True))
        except ConnectionRefusedError:
            self.taken.append((topic, partition, False))
        return True

    was_acknowledged = False

    async def flushed(self, seconds: float) -> bool:
        """Kafka took it, so many times."""
        self._flushes -= 1
        return self._flushes >= 0


def _gateway(publisher: Announcements) -> Gateway:
    outlets = cast("Outlets[Publisher]", Outlets(publisher, publisher))
    return Gateway(Settings(), cast("Entrance", None), outlets, STARTED, LogClock())


async def test_a_gateway_accepts_connections_before_it_announces_itself() -> None:
    """Stream managers have media streams started as soon as they learn of a gateway. So the port is
    open before they are notified, on every partition, and only after the recorders are."""
    port = chosen(["gateway"], {}, [])["gateway"]
    publisher = Announcements(("127.0.0.1", port))
    gateway = _gateway(publisher)
    assert await opened(
        gateway, Outlets(publisher, publisher), ("media", "events"), STARTED,
        listen=f"127.0.0.1:{port}", stop=asyncio.Event(),
    )  # fmt: skip
    gateway.end()
    expected = [("media", n, False) for n in range(24)] + [("events", n, True) for n in range(24)]
    assert expected == publisher.taken


async def test_one_that_is_stopped_before_kafka_takes_its_announcement_opens_nothing() -> None:
    """It ends, and its port is free."""
    port = chosen(["gateway"], {}, [])["gateway"]
    stop = asyncio.Event()
    stop.set()
    publisher = Announcements(("127.0.0.1", port), flushes=0)
    assert not await opened(
        _gateway(publisher), Outlets(publisher, publisher), ("media", "events"), STARTED,
        listen=f"127.0.0.1:{port}", stop=stop,
    )  # fmt: skip
    with socket.socket() as probe:
        assert 0 != probe.connect_ex(("127.0.0.1", port))


async def test_one_that_has_an_epoch_of_its_own_does_not_wait_for_kafka_for_ever() -> None:
    """After some seconds the gateway accepts media streams. Once Kafka is back, the announcement is
    published first."""
    port = chosen(["gateway"], {}, [])["gateway"]
    publisher = Announcements(("127.0.0.1", port), flushes=0)
    gateway = _gateway(publisher)
    assert await opened(
        gateway, Outlets(publisher, publisher), ("media", "events"), STARTED,
        listen=f"127.0.0.1:{port}", stop=asyncio.Event(), patience_s=3,
    )  # fmt: skip
    gateway.end()
    assert 48 == len(publisher.taken)


async def test_a_partition_without_a_leader_does_not_keep_a_gateway_closed() -> None:
    """Once Kafka took the announcement elsewhere, the others are waited for a few times only."""
    port = chosen(["gateway"], {}, [])["gateway"]
    publisher = Announcements(("127.0.0.1", port), flushes=0)
    publisher.was_acknowledged = True
    gateway = _gateway(publisher)
    async with asyncio.timeout(20):
        assert await opened(
            gateway, Outlets(publisher, publisher), ("media", "events"), STARTED,
            listen=f"127.0.0.1:{port}", stop=asyncio.Event(),
        )  # fmt: skip
    gateway.end()


async def test_a_gateway_that_is_stopped_waits_for_its_media_streams() -> None:
    """It stays open for its check interval; then for as long as a media stream runs; it ends when
    the last one does. The time-outs are longer than the test's."""
    settings = Settings(gateway_check_seconds=0, gateway_drain_seconds=3600)
    gateway, port = _listening(settings)
    gateway.sockets.idle.clear()
    draining = asyncio.create_task(gateway.drain(asyncio.Event()))
    await until(lambda: not _connects(port))
    assert not draining.done()
    gateway.sockets.idle.set()
    async with asyncio.timeout(60):
        await draining


async def test_a_second_signal_ends_the_wait() -> None:
    """`up` stops everything within seconds, although calls are running."""
    settings = Settings(gateway_check_seconds=60, gateway_drain_seconds=3600)
    gateway, port = _listening(settings)
    gateway.sockets.idle.clear()
    urgent = asyncio.Event()
    draining = asyncio.create_task(gateway.drain(urgent))
    await asyncio.sleep(0)
    assert _connects(port)
    urgent.set()
    async with asyncio.timeout(30):
        await draining
    assert not _connects(port)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        for _ in iter(holds, True):
            await asyncio.sleep(0.01)


def _listening(settings: Settings) -> tuple[Gateway, int]:
    port = chosen(["gateway"], {}, [])["gateway"]
    publisher = Announcements(("127.0.0.1", port))
    outlets = cast("Outlets[Publisher]", Outlets(publisher, publisher))
    gateway = Gateway(settings, cast("Entrance", None), outlets, STARTED, LogClock())
    gateway.reception.accept_from(gateway.bound(f"127.0.0.1:{port}"))
    return gateway, port


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
