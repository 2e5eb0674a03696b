"""How long an event takes through the bridge alone: from Kinesis until it is readable, committed,
on `cti.events`, at Kinesis' five reads per second and shard.

The baseline is a lower limit for any bridge: how long the same event takes to a bare reader.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer

from benchmarks.kinesis import BareReader, Putter
from benchmarks.local import BenchmarkFailed, Local, RunningPipeline, emulator, role
from benchmarks.rows import Row, percentile
from infra.local.kinesis import LocalKinesis
from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.settings import Role, Settings
from schemas.codec import decode
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS

PREFIX = "hop."
SPACING_S = 0.0437
"""Not a divisor of the 200 ms between reads, so that events fall into every phase of them."""

WARM_UP = 40
"""Events at the beginning that do not count: they set up connections and transactions."""

PATIENCE_S = 60.0


def run(here: Local, quick: bool) -> list[Row]:
    """Measure events put one by one, at every phase of the reads."""
    settings = here.settings(PREFIX)
    asyncio.run(ensure_topics(settings, [CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS]))
    with emulator(here) as kinesis:
        own = here.plain(PREFIX, kinesis_stream=kinesis.kinesis_stream)
        with role(here, Role.BRIDGE, own, kinesis.environment()) as bridge:
            bridge.wait_ready()
            bridge.wait(lambda: _carries(bridge), PATIENCE_S, "carry both shards")
            waits, floor = uvloop.run(_measured(settings, kinesis, 400 if quick else 2_000))
    return [_row(50, waits, floor, 130), _row(99, waits, floor, 280)]


def _carries(bridge: RunningPipeline) -> bool:
    return bridge.counted("flexcapture_bridge_reads_total", result="ok") >= 10


def _row(percent: int, waits: Sequence[float], floor: Sequence[float], most: float) -> Row:
    return Row(
        f"event in Kinesis -> committed on cti.events, p{percent}",
        "ms",
        percentile(waits, percent),
        percentile(floor, percent),
        "bare Kinesis reader",
        most=most,
    )


async def _measured(
    settings: Settings, kinesis: LocalKinesis, events: int
) -> tuple[list[float], list[float]]:
    """Return the time of each event in ms: to `cti.events`, and to the bare reader."""
    sys.setswitchinterval(0.0005)  # the benchmark's own threads must not delay its readings
    putter, reader = Putter(kinesis), BareReader(kinesis)
    seen: dict[str, float] = {}
    async with consumer(settings, settings.prefixed(CTI_EVENTS.name)) as source:
        await source.seek_to_end()
        tasks = [
            asyncio.create_task(_follow(source, seen)), asyncio.create_task(reader.run()),
        ]  # fmt: skip
        begins = time.monotonic() + 1.0
        for n in range(WARM_UP + events):
            await asyncio.sleep(begins + n * SPACING_S - time.monotonic())
            await putter.put(_event(n))
        counted = [f"EV{n}" for n in range(WARM_UP, WARM_UP + events)]
        await _all_of(counted, seen)
        tasks[0].cancel()
        reader.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks[1].result()  # raise the reader's error, if it failed
    at = reader.arrived
    return [seen[e] - at[e] for e in counted], [reader.seen[e] - at[e] for e in counted]


async def _follow(source: AIOKafkaConsumer, seen: dict[str, float]) -> None:
    while True:
        for records in (await source.getmany(timeout_ms=1_000)).values():
            now = time.time() * 1000
            for record in records:
                seen.setdefault(decode(record.value).event_id, now)


async def _all_of(wanted: Sequence[str], seen: dict[str, float]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while missing := [each for each in wanted if each not in seen]:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{len(missing)} events never came, {missing[0]} among them")
        await asyncio.sleep(0.05)


def _event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": f"EV{number}", "source": f"/bench/{number % 64}",
        "type": "com.example.numbered", "data": {"text": "x" * 1_500},
    }  # fmt: skip
