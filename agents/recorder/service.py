"""The recorder: folds `media` into recordings, and carries out the effects that the fold requests.

It commits its offsets itself, and only safe ones: the content of everything below a committed
offset is in the recordings store or in a checkpoint. Work that is done twice (after a kill, a
rebalance, a replay) has the same result both times; for the reasons see docs/decisions/0004.
"""

import asyncio
import gc

import structlog

from agents.recorder.effects import Effects
from agents.recorder.recorder import Recorder
from pipeline.runtime.kafka import started_producer
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.startup import opened_store
from schemas.topics import DEAD_LETTERS, MEDIA, RECORDER_CHECKPOINTS, RECORDINGS

log = structlog.get_logger(__name__)

GARBAGE_AFTER = 20_000
"""Threshold of the garbage collector's first generation, in allocations minus deallocations.
Hundreds of batches wait to become segments and are no garbage: a lower threshold costs a tenth of
the processor time and finds nothing."""


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Record until `stop` is set. Raise if it cannot continue."""
    gc.freeze()  # the objects so far live as long as the process
    gc.set_threshold(GARBAGE_AFTER)
    url = settings.need("recordings_url", "file:///directory or s3://bucket/prefix")
    store = await opened_store(url, health)
    async with (
        log_clock(settings, health) as clock,
        using_kafka(
            settings,
            health,
            reads=[MEDIA, RECORDER_CHECKPOINTS],
            writes=[RECORDINGS, RECORDER_CHECKPOINTS, DEAD_LETTERS],
            groups=[Role.RECORDER],
        ),
        started_producer(settings, Role.RECORDER, health) as producer,
    ):
        await clock.settled(stop)
        if stop.is_set():
            return
        effects = Effects(settings, health, store, producer, clock.now)
        await Recorder(settings, store, effects, clock).run(health, stop)
