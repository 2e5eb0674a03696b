"""The cleanup of checkpoints, on a real Kafka."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.checkpoint_cleanup import Retirement
from bridge.checkpoints import Checkpoints
from pipeline.kinesis.lineage import ABSENT_FOR_MS, FORGET_AFTER_MS, Shard
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import ensure_topics, producer
from schemas import topics
from schemas.codec import encode
from schemas.records import BridgeCheckpoint, BridgePeriod
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration

NOW = 1_800_000_000_000
OLD = NOW - FORGET_AFTER_MS
STREAM = Incarnation("flex-events", 2)


def checkpoint(created_at: int, shard_id: str, at: int, name: str = "live") -> BridgeCheckpoint:
    """Of a shard that was read to its end."""
    return BridgeCheckpoint(name, "flex-events", created_at, shard_id, "7", True, 1, at, "a")


GONE = [
    checkpoint(2, "expired", OLD),
    checkpoint(2, "expired", OLD, "replay"),
    checkpoint(1, "listed", OLD),
    BridgePeriod("replay", "flex-events", 1, None, None, OLD, "a"),
]
KEPT = [
    checkpoint(2, "listed", OLD),
    checkpoint(2, "young", OLD + ABSENT_FOR_MS + 1),
    BridgePeriod("replay", "flex-events", 2, None, None, OLD, "a"),
]


def key_of(record: BridgeCheckpoint | BridgePeriod) -> str:
    """Its key on the topic."""
    shard_id = record.shard_id if isinstance(record, BridgeCheckpoint) else ""
    return Place("flex-events", record.stream_created_at, shard_id, record.name).key


async def test_what_cannot_come_back_is_forgotten(settings_for: SettingsFor, prefix: str) -> None:
    """Shards that have expired and streams that were deleted leave the topic once they are a day
    old and were missing for an hour, under every checkpoint name; nothing else does."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [topics.BRIDGE_CHECKPOINTS])
    topic = settings.prefixed(topics.BRIDGE_CHECKPOINTS.name)
    async with producer(settings) as sender:
        for each in (*GONE, *KEPT):
            await sender.send_and_wait(topic, encode(each), key_of(each).encode())
    checkpoints = Checkpoints(settings, lambda: None)
    await checkpoints.start()
    following = asyncio.create_task(checkpoints.run())
    try:
        await checkpoints.readable()
        leases: Any = SimpleNamespace(has=lambda _: True)
        context: Any = SimpleNamespace(settings=settings, checkpoints=checkpoints, leases=leases)
        retirement = Retirement(context)
        for now in (NOW, NOW + ABSENT_FOR_MS):
            await retirement.look(STREAM, [Shard("listed")], now)
            await checkpoints.caught_up(*range(topics.BRIDGE_CHECKPOINTS.partitions))
            found = {
                place.key
                for known in (checkpoints.of_stream, checkpoints.periods_of)
                for place in known("flex-events")
            }
            gone = set() if now == NOW else {key_of(each) for each in GONE}
            assert {key_of(each) for each in (*GONE, *KEPT)} - gone == found
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await checkpoints.stop()
