"""How many CTI events a tracker folds into calls."""

import asyncio
import time

from benchmarks.calls import kinesis_records
from benchmarks.local import Local, child, role
from benchmarks.rows import Row
from pipeline.bridge.messages import Limits, messages_of
from pipeline.bridge.place import Place
from pipeline.kafka import ensure_topics, producer
from pipeline.settings import Role
from schemas.topics import CTI_EVENTS

_PREFIX = "tracker."


def run(here: Local, quick: bool) -> list[Row]:
    """The tracker beside a bare Faust agent over the same events."""
    events = asyncio.run(_filled(here, 5_000 if quick else 20_000))
    bare, product = _bare(here, events), _product(here, events)
    return [
        Row(
            "tracker: events folded, a version of the call each",
            "events/CPU-s",
            product,
            bare,
            "bare Faust agent, a table update and a send each",
            ratio=0.7,
        )
    ]


async def _filled(here: Local, count: int) -> int:
    """Puts events on the log as the bridge does; how many they are."""
    settings = here.settings(_PREFIX)
    await ensure_topics(settings, [CTI_EVENTS])
    writer = producer(settings, max_batch_size=256 * 1024)
    await writer.start()
    now, place, sent = time.time_ns() // 1_000_000, Place("bench", 0, "shard-0"), 0
    try:
        for record in kinesis_records(count, now):
            for message in messages_of(place, record, Limits(), now):
                if message.topic == CTI_EVENTS.name:
                    await writer.send(settings.prefixed(message.topic), message.value, message.key)
                    sent += 1
    finally:
        await writer.stop()
    return sent


def _product(here: Local, events: int) -> float:
    settings = here.plain(_PREFIX, state_dir=here.directory / "tracker")
    with role(here, Role.TRACKER, settings) as tracker:
        tracker.wait_ready()
        return tracker.per_cpu_second(
            lambda: tracker.counted("flexcapture_events_total", topic=CTI_EVENTS.name), events
        )


def _bare(here: Local, events: int) -> float:
    arguments = {
        "servers": here.bootstrap_servers,
        "prefix": _PREFIX,
        "events": events,
        "directory": str(here.directory / "bare-faust"),
    }
    with child(here, "bare_faust", arguments, {}) as faust:
        return float(faust.line()["rate"])
