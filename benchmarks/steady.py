"""A steady load on one gateway, measured from outside: how long a frame takes from the socket to a
reader of `media`, and how much memory a call takes, at first and a while later."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.local import Local
from benchmarks.rows import Row, percentile
from pipeline.media.batch import frames
from pipeline.runtime.kafka import consumer, ensure_topics, producer
from schemas.codec import decode
from schemas.records import MediaBatch
from schemas.topics import MEDIA, Topic
from simulator.coded.pacing import Pacer
from simulator.coded.sending import CodedMedia
from simulator.coded.sent import CodedStream
from simulator.media import timestamps
from tests.integration.lone_gateway import CREDENTIALS, LoneGateway, lone_gateway

CALLS, QUICK_CALLS = 200, 100
FIRST_S, QUICK_FIRST_S = 60.0, 10.0
THEN_S, QUICK_THEN_S = 60.0, 10.0
MEASURED_S = 10.0
"""Frames of this many seconds at the end are followed to their reader."""

BATCH_MS = 500
"""The gateway's own interval, from docs/topics.md and the goals."""

BARE = Topic("bare", "none", (), partitions=1)
BARE_BYTES = 8_200
BARE_EVERY_S = 0.02
_PREFIX = "steady."


@dataclass(slots=True)
class Seen:
    """The records that a reader saw, with the time (`time.monotonic`): records of `media`, and the
    delays (ms) of records of the bare topic."""

    media: list[tuple[float, bytes]] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    """The results: `latency` and `bare` in ms, `memory` in bytes."""

    latency: list[float]
    bare: list[float]
    memory: list[int]
    late_ms: float


def run(here: Local, quick: bool) -> list[Row]:
    """Measure latency beside that of a bare record, and memory against its limit."""
    calls = QUICK_CALLS if quick else CALLS
    first, then = (QUICK_FIRST_S, QUICK_THEN_S) if quick else (FIRST_S, THEN_S)
    measured = uvloop.run(_measured(here, calls, first, then))
    print(f"  the load was at most {measured.late_ms:.0f} ms late", file=sys.stderr)
    before, early, late = measured.memory
    what = "gateway: frame on the socket -> readable on media"
    floor = "a bare record, sent and read"
    bare = measured.bare
    return [
        Row(f"{what}, p50", "ms", percentile(measured.latency, 50), percentile(bare, 50), floor),
        Row(f"{what}, p99", "ms", percentile(measured.latency, 99), percentile(bare, 99), floor,
            most=BATCH_MS + 50),
        Row(f"gateway: memory with {calls} calls", "kB/call", (late - before) / 1024 / calls,
            most=200),
        Row(f"gateway: growth from {first:.0f} to {first + then:.0f} s", "kB/call",
            (late - early) / 1024 / calls, most=10),
    ]  # fmt: skip


async def _measured(here: Local, calls: int, first: float, then: float) -> Measured:
    directory = here.directory / "steady"
    directory.mkdir()
    pacer, seen = Pacer(), Seen()
    media = CodedMedia(pacer)
    async with lone_gateway(here.bootstrap_servers, _PREFIX, directory) as gateway:
        memory = [gateway.resident()]
        async with asyncio.TaskGroup() as group:
            pacing = group.create_task(pacer.run())
            for _ in range(calls):
                one = await gateway.start_request()
                group.create_task(media.send(gateway.world, one, CREDENTIALS))
            await asyncio.sleep(first)
            memory.append(gateway.resident())
            await asyncio.sleep(max(0.0, then - MEASURED_S))
            async with _watched(gateway, seen):
                await asyncio.sleep(MEASURED_S)
            memory.append(gateway.resident())
            for coded in media.streams:
                coded.media_stream.stopping = True
            await asyncio.gather(*(coded.over.wait() for coded in media.streams))
            pacing.cancel()
    return Measured(_latency(media.streams, seen), seen.bare, memory, pacer.lateness.worst_ms)


@asynccontextmanager
async def _watched(gateway: LoneGateway, seen: Seen) -> AsyncIterator[None]:
    """Read `media`, and records of its own on the bare topic, until the block ends."""
    settings = gateway.settings
    topic, bare = settings.prefixed(MEDIA.name), settings.prefixed(BARE.name)
    await ensure_topics(settings, [BARE])
    writer = producer(settings, linger_ms=0)
    await writer.start()
    reader = consumer(settings, topic, bare, auto_offset_reset="latest")
    await reader.start()
    await reader.seek_to_end()
    tasks = [
        asyncio.create_task(_read(reader, topic, seen)),
        asyncio.create_task(_write(writer, bare)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await reader.stop()
        await writer.stop()
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _read(reader: AIOKafkaConsumer, topic: str, seen: Seen) -> None:
    while True:
        batches = await reader.getmany(timeout_ms=1_000)
        now = monotonic()
        for partition, records in batches.items():
            for record in records:
                if partition.topic == topic:
                    seen.media.append((now, record.value))
                else:
                    seen.bare.append((now - float(record.value[:32])) * 1000)


async def _write(writer: AIOKafkaProducer, topic: str) -> None:
    while True:
        value = f"{monotonic():<32.9f}".encode().ljust(BARE_BYTES, b"x")
        await writer.send(topic, value)
        await asyncio.sleep(BARE_EVERY_S)


def _latency(streams: list[CodedStream], seen: Seen) -> list[float]:
    """Return the time (ms) from the sending of each frame until it was read. Batches that were read
    in the first second are left out: the reader may have been late for them."""
    turns = {
        coded.media_stream.sid: dict(
            zip(islice(timestamps(coded.media_stream.sid), coded.turns), coded.turned_at,
                strict=True)
        )
        for coded in streams
    }  # fmt: skip
    begins = seen.media[0][0] + 1.0 if seen.media else 0.0
    waits = []
    for at, value in seen.media:
        batch = decode(value)
        if at >= begins and isinstance(batch, MediaBatch):
            sent = turns[batch.stream_sid]
            waits += [(at - sent[one.timestamp]) * 1000 for one in frames(batch)]
    return waits
