"""Epochs of gateways on a real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.epoch import InstanceInUse
from gateway.epochs_in_log import latest_epoch
from gateway.server import run
from infra.ports import chosen
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.records import GatewayAlive
from schemas.topics import GATEWAYS_ALIVE, STREAM_EVENTS, Topic
from tests.conftest import SettingsFor
from tests.integration.faust_roles import until

pytestmark = pytest.mark.integration


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A gateway that takes sockets, without a state directory; it is ended after the block."""
    port = chosen(["gateway"], {}, [])["gateway"]
    own = {
        "gateway_listen": f"127.0.0.1:{port}",
        "gateway_public_url": f"ws://127.0.0.1:{port}/media",
        "gateway_check_seconds": 0.0,
        "gateway_drain_seconds": 0.0,
        "instance": "gateway-0",
        "state_dir": None,
    }
    health, stop = Health(starting="not yet"), asyncio.Event()
    task = asyncio.create_task(run(settings.model_copy(update=own), health, stop))
    try:
        await until(lambda: not health.reasons or task.done(), 30)
        yield task
    finally:
        stop.set()
        await asyncio.wait([task], timeout=10)


async def test_of_two_gateways_with_one_name_the_older_one_ends(
    settings_for: SettingsFor, prefix: str
) -> None:
    """It says why, and what to do; the newer one stays."""
    settings = settings_for(prefix)
    async with gateway(settings) as older, gateway(settings) as newer:
        await until(older.done, 20)
        with pytest.raises(InstanceInUse, match="another gateway named gateway-0 started later"):
            older.result()
        assert not newer.done()


@pytest.mark.parametrize("said_on", [GATEWAYS_ALIVE, STREAM_EVENTS], ids=lambda t: t.name)
async def test_an_epoch_is_above_what_an_earlier_life_announced(
    settings_for: SettingsFor, prefix: str, said_on: Topic
) -> None:
    """The earlier process's machine had a clock that was an hour ahead. One partition is enough to
    learn its epoch. Earlier releases announced it on `stream.events`."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [said_on])
    ahead = machine_clock() + 3_600_000
    sender = producer(settings)
    await sender.start()
    topic = settings.prefixed(said_on.name)
    for partition in range(said_on.partitions):
        alive = encode(GatewayAlive("gateway-0", ahead, ahead))
        await sender.send_and_wait(topic, alive, partition=partition)
    await sender.stop()
    async with gateway(settings):
        found = await latest_epoch(settings, "gateway-0", machine_clock(), asyncio.Event())
    assert ahead + 1 == found
    assert await latest_epoch(settings, "gateway-1", machine_clock(), asyncio.Event()) is None
