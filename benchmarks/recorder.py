"""How fast a recorder catches up with the log: decodes, assembles, writes, syncs, tells."""

import asyncio
import time

from benchmarks.calls import BATCH_S, media
from benchmarks.local import Local, child, role
from benchmarks.rows import Row
from pipeline.kafka import ensure_topics, producer
from pipeline.settings import Role
from schemas.codec import encode
from schemas.topics import MEDIA

_PREFIX = "recorder."


def run(here: Local, quick: bool) -> list[Row]:
    """The recorder beside a consumer that drops what it reads."""
    calls, seconds = (48, 60.0) if quick else (96, 120.0)
    records = asyncio.run(_filled(here, calls, seconds))
    bare, product = _bare(here, records), _product(here, calls, records)
    return [
        Row(
            "recorder: catching up from the log",
            "call-seconds/CPU-s",
            product * BATCH_S,
            bare * BATCH_S,
            "aiokafka consumer, drops the bytes",
            least=8_000,
            ratio=0.55,
        )
    ]


async def _filled(here: Local, calls: int, seconds: float) -> int:
    """Puts the media on the log; how many records they are."""
    settings = here.settings(_PREFIX)
    await ensure_topics(settings, [MEDIA])
    writer = producer(settings, max_batch_size=256 * 1024)
    await writer.start()
    topic, number = settings.prefixed(MEDIA.name), 0
    try:
        for record in media(calls, seconds, time.time_ns() // 1_000_000):
            await writer.send(topic, encode(record), record.task_sid.encode())
            number += 1
    finally:
        await writer.stop()
    return number


def _product(here: Local, calls: int, records: int) -> float:
    """Records in a second of CPU time; all recordings must be complete in the end."""
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
