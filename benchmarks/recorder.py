"""How fast a recorder catches up with the log: it decodes, assembles, writes, syncs and reports.
How much memory an open call takes, and whether the cost grows with calls or recorders."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import ExitStack

from benchmarks.calls import BATCH_S, MediaRecord, media, waves
from benchmarks.local import WORK_S, Local, child, role
from benchmarks.rows import Row
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Role
from schemas.codec import encode
from schemas.topics import MEDIA

_PREFIX = "recorder."
_MOST_AT_ONCE, _FEW_AT_ONCE = 1_000, 10
_GROWTH_S = 9.5
"""Just too short for a segment, so that the memory of a call is at its maximum."""


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the recorder, and a consumer that drops the bytes."""
    calls, seconds = (48, 60.0) if quick else (64, 360.0)
    now = time.time_ns() // 1_000_000
    records = asyncio.run(_filled(here, _PREFIX, media(calls, seconds, now)))
    bare, product = _bare(here, records), _product(here, calls, records)
    return [
        *_growth(here, quick),
        Row(
            "recorder: catching up from the log",
            "call-seconds/CPU-s",
            product * BATCH_S,
            bare * BATCH_S,
            "aiokafka consumer, drops the bytes",
            least=8_000,
            ratio=0.55,
        ),
    ]


def _growth(here: Local, quick: bool) -> list[Row]:
    """Measure the same calls ten at a time, all at once, and with two recorders."""
    calls = _MOST_AT_ONCE // 2 if quick else _MOST_AT_ONCE
    few, few_kb = _growing(here, "few.", calls, _FEW_AT_ONCE)
    many, many_kb = _growing(here, "many.", calls, calls)
    two, _ = _growing(here, "two.", calls, calls, recorders=2)
    what, unit = f"recorder: {calls:,} calls of {_GROWTH_S:g} s", "call-seconds/CPU-s"
    a_call = (many_kb - few_kb) / (calls - _FEW_AT_ONCE)
    name = "kB of memory a call, over that of 10"
    return [
        Row(f"{what} at once", unit, many, few, "10 at once", ratio=0.9),
        Row(f"{what} by two processes", unit, two, many, "by one", ratio=0.9),
        Row(f"{what} at once", name, a_call, most=200),
    ]


def _growing(
    here: Local, prefix: str, calls: int, at_once: int, recorders: int = 1
) -> tuple[float, float]:
    """Return call-seconds per CPU second of all recorders, and the peak memory of one (kB)."""
    url = f"file://{here.directory}/{prefix}recordings"
    with ExitStack() as stack:
        running = []
        for number in range(recorders):
            own = here.plain(prefix, recordings_url=url, instance=f"recorder-{number}")
            running.append(stack.enter_context(role(here, Role.RECORDER, own)))
        for each in running:
            each.wait_ready()
        begun, now = sum(each.cpu() for each in running), time.time_ns() // 1_000_000
        asyncio.run(_filled(here, prefix, waves(calls, at_once, _GROWTH_S, now)))

        def complete() -> bool:
            done = "flexcapture_recorder_recordings_completed_total"
            return sum(each.counted(done) for each in running) == calls

        running[0].wait(complete, WORK_S, f"complete {calls} recordings")
        cpu = sum(each.cpu() for each in running) - begun
        return calls * _GROWTH_S / cpu, max(each.most_memory() for each in running)


async def _filled(here: Local, prefix: str, records: Iterable[MediaRecord]) -> int:
    """Write the media to the log. Return the number of records."""
    settings = here.settings(prefix)
    await ensure_topics(settings, [MEDIA])
    writer = producer(settings)
    await writer.start()
    topic, number = settings.prefixed(MEDIA.name), 0
    try:
        for record in records:
            await writer.send(topic, encode(record), record.task_sid.encode())
            number += 1
    finally:
        await writer.stop()
    return number


def _product(here: Local, calls: int, records: int) -> float:
    """Return records per second of CPU time; all recordings must be complete in the end."""
    settings = here.plain(_PREFIX, recordings_url=f"file://{here.directory}/recordings")
    with role(here, Role.RECORDER, settings) as recorder:

        def done() -> float:
            complete = recorder.counted("flexcapture_recorder_recordings_completed_total")
            read = recorder.counted("flexcapture_recorder_records_total")
            return read if complete == calls else min(read, records - 1)

        recorder.wait_ready()
        return recorder.per_cpu_second(done, records)


def _bare(here: Local, records: int) -> float:
    topic = here.settings(_PREFIX).prefixed(MEDIA.name)
    arguments = {"servers": here.bootstrap_servers, "topic": topic, "records": records}
    with child(here, "bare_consumer", arguments, {}) as consumer:
        return float(consumer.line()["rate"])
