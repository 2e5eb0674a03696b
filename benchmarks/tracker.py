"""How many CTI events a tracker folds into calls."""

import asyncio
import time

from benchmarks.calls import cti_events
from benchmarks.local import Local, child, role
from benchmarks.rows import Row
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Role
from schemas.topics import CTI_EVENTS

ROUNDS = 3
"""Tracker and agent take turns. The best run of each is the one that other processes disturbed
least."""


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the tracker, and a bare Faust agent, with the same events."""
    bare, product = 0.0, 0.0
    for number in range(1 if quick else ROUNDS):
        prefix = f"tracker-{number}."
        events = asyncio.run(_filled(here, prefix, 5_000 if quick else 10_000))
        bare = max(bare, _bare(here, prefix, events))
        product = max(product, _product(here, prefix, events))
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


async def _filled(here: Local, prefix: str, count: int) -> int:
    """Write events to the log as the bridge does. Return their number."""
    settings = here.settings(prefix)
    await ensure_topics(settings, [CTI_EVENTS])
    writer = producer(settings)
    await writer.start()
    events = cti_events(count, time.time_ns() // 1_000_000)
    try:
        for key, value in events:
            await writer.send(settings.prefixed(CTI_EVENTS.name), value, key)
    finally:
        await writer.stop()
    return len(events)


def _product(here: Local, prefix: str, events: int) -> float:
    settings = here.plain(prefix, state_dir=here.directory / prefix)
    with role(here, Role.TRACKER, settings) as tracker:
        tracker.wait_ready()
        return tracker.per_cpu_second(
            lambda: tracker.counted("flexcapture_events_total", topic=CTI_EVENTS.name), events
        )


def _bare(here: Local, prefix: str, events: int) -> float:
    arguments = {
        "servers": here.bootstrap_servers,
        "prefix": prefix,
        "events": events,
        "directory": str(here.directory / f"{prefix}bare"),
    }
    with child(here, "bare_faust", arguments, {}) as faust:
        return float(faust.line()["rate"])
