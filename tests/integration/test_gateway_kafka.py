"""A gateway while Kafka refuses records, is killed, or is not up yet."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.media.batch import frames
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.settings import Settings
from schemas.records import (
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
)
from schemas.topics import MEDIA
from tests.gateway.dialogue import TASK, media, start, stop
from tests.integration.gateway_process import TOKEN, closing_code, gateway_with

pytestmark = pytest.mark.integration


async def test_a_record_that_the_broker_refuses_is_reported_and_the_queue_continues(
    settings_for, prefix
):
    """The topic was created with a small `max.message.bytes`."""
    settings = settings_for(prefix, twilio_auth_token=TOKEN)
    small = replace(MEDIA, extra={"max.message.bytes": "6000"})
    await ensure_topics(settings, [small])
    async with gateway_with(settings) as gateway, gateway.connect() as ws:
        await ws.send(start())
        large = range(10, 20)
        for number in range(30):
            size = 800 if number in large else 160
            await ws.send(media("inbound", str(500 * number), bytes(size), str(2 + number)))
            if number in large:
                await ws.send(media("inbound", str(500 * number + 100), bytes(3_000)))
                await ws.send(media("outbound", str(500 * number + 100), bytes(4_000)))
        await ws.send(stop())
        assert (1000, "stop") == await closing_code(ws)
        found = await gateway.records("media", MediaStreamClosed)
    stream = [ours for record, ours in found if record.key == TASK.encode()]
    dropped = [ours for ours in stream if isinstance(ours, MediaDropped)]
    assert {"refused"} == {ours.reason for ours in dropped}
    numbers: list[int] = []
    for ours in stream:
        if isinstance(ours, MediaDropped):
            numbers += range(ours.first_number, ours.last_number + 1)
        elif isinstance(ours, MediaBatch):
            numbers.append(ours.number)
    assert list(range(1, stream[-1].batches + 1)) == list(dict.fromkeys(numbers))
    lost = {
        run.timestamp + n * run.step
        for ours in dropped
        for track in ours.tracks
        for run in track.runs
        for n in range(run.frames)
    }
    assert {500 * number + 100 for number in large} <= lost
    kept = {f.timestamp for ours in stream if isinstance(ours, MediaBatch) for f in frames(ours)}
    assert {500 * number for number in range(30) if number not in large} <= kept


async def test_a_gateway_that_comes_up_again_has_a_greater_epoch(settings_for, prefix):
    """Known on every partition of both topics."""
    for _ in range(2):
        async with gateway_with(settings_for(prefix, twilio_auth_token=TOKEN)) as gateway:
            pass
    for topic in ("media", "stream.events"):
        found = await gateway.records(topic, GatewayStarted, 48)
        epochs: dict[int, list[int]] = {}
        for record, ours in found:
            if isinstance(ours, GatewayStarted):
                epochs.setdefault(record.partition, []).append(ours.epoch)
        assert 24 == len(epochs)
        assert all(first < second for first, second in epochs.values())


def broker_of_its_own(tmp_path: Path, prefix: str) -> tuple[LocalKafka, Settings]:
    """Return a broker that does not run yet, and a gateway's settings for it, with a spill."""
    ports = chosen(["kafka", "controller"], {}, [])
    broker = LocalKafka(tmp_path / "kafka", ports["kafka"], ports["controller"])
    settings = Settings(
        kafka_bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=prefix,
        twilio_auth_token=TOKEN,
        state_dir=tmp_path / "state",
    )
    return broker, settings


async def test_a_killed_broker_loses_nothing(tmp_path, prefix):
    """Frames that arrive while Kafka is unavailable wait in the gateway and on its disk, and are
    published in order once it is back. The socket stays open."""
    broker, settings = broker_of_its_own(tmp_path, prefix)
    spill = tmp_path / "state" / "gateway" / "gateway-0.spill"
    with ExitStack() as first:
        first.enter_context(running(broker, tmp_path / "kafka.log"))
        await wait_for_kafka(settings, 60)
        async with gateway_with(settings) as gateway, gateway.connect() as ws:
            await ws.send(start())
            sending = asyncio.create_task(send_frames(ws))
            await gateway.records("media", MediaBatch, 4)
            first.close()
            async with asyncio.timeout(30):
                while not sum(p.stat().st_size for p in spill.rglob("*.spill")):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            with running(broker, tmp_path / "kafka.log"):
                await wait_for_kafka(settings, 60)
                sending.cancel()
                await asyncio.wait([sending])
                await ws.send(stop())
                assert (1000, "stop") == await closing_code(ws)
                found = await gateway.records("media", MediaStreamClosed)
                gateway.stop.set()
                await gateway.task
    batches = [ours for _, ours in found if isinstance(ours, MediaBatch)]
    numbers = {batch.number: batch for batch in batches}  # some may have come twice
    [sent] = [ours.frames for _, ours in found if isinstance(ours, MediaStreamClosed)]
    assert list(range(sent)) == [
        f.timestamp // 20 for _, batch in sorted(numbers.items()) for f in frames(batch)
    ]
    assert [] == list(spill.rglob("*.spill"))


async def test_a_gateway_that_starts_without_kafka_takes_media_streams(tmp_path, prefix):
    """The gateway has an epoch in its state directory. After some seconds it accepts sockets. Their
    frames are published as soon as there is a Kafka, after the announcement of its start."""
    broker, settings = broker_of_its_own(tmp_path, prefix)
    reserved = tmp_path / "state" / "gateway" / "gateway-0.epoch"  # by an earlier life
    reserved.parent.mkdir(parents=True)
    reserved.write_text("5\n")
    async with gateway_with(settings, awaited="starting") as gateway, gateway.connect() as ws:
        assert {"brokers"} <= gateway.health.reasons.keys()
        await ws.send(start())
        for number in range(100):
            await ws.send(media("inbound", str(20 * number), bytes(160)))
        with running(broker, tmp_path / "kafka.log"):
            await wait_for_kafka(settings, 60)
            await ws.send(stop())
            assert (1000, "stop") == await closing_code(ws)
            found = await gateway.records("media", MediaStreamClosed)
            async with asyncio.timeout(60):
                while gateway.health.reasons:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            gateway.stop.set()
            await gateway.task
    [home] = {record.partition for record, ours in found if isinstance(ours, MediaStreamClosed)}
    kinds = [type(ours) for record, ours in found if record.partition == home]
    assert [GatewayStarted, MediaStreamOpened] == kinds[:2]
    batches = {ours.number: ours for _, ours in found if isinstance(ours, MediaBatch)}
    assert list(range(100)) == [
        f.timestamp // 20 for _, batch in sorted(batches.items()) for f in frames(batch)
    ]


async def send_frames(ws: ClientConnection) -> None:
    """One after the other, until cancelled."""
    number = 0
    while True:
        await ws.send(media("inbound", str(20 * number), bytes(160)))
        number += 1
        await asyncio.sleep(0.02)
