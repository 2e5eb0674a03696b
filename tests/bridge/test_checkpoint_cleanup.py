"""Checkpoints of shards that cannot come back are deleted. With Kafka:
tests/integration/test_bridge_retirement.py."""

from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from bridge import checkpoint_cleanup
from bridge.checkpoint_cleanup import Retirement
from bridge.jobs import JobContext
from pipeline.kinesis.lineage import ABSENT_FOR_MS, FORGET_AFTER_MS, Shard
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.settings import Settings
from schemas.records import BridgeCheckpoint, BridgePeriod
from tests.bridge.tables import NOW, STREAM, checkpoint, period, place

OLD = NOW - FORGET_AFTER_MS
LATER = NOW + ABSENT_FOR_MS


class Sender:
    """Deletes records from a table. `is_away`: Kafka does not answer."""

    def __init__(self, table: dict[Place, Any]) -> None:
        self.is_away = False
        self._table = table

    async def __aenter__(self) -> Self:
        if self.is_away:
            raise KafkaConnectionError("away")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""

    async def send_and_wait(self, topic: str, value: None, key: bytes) -> None:
        assert ("p.bridge.checkpoints", None) == (topic, value)
        [gone] = [each for each in self._table if each.key.encode() == key]
        del self._table[gone]


class Scene:
    """A table of checkpoints, and the cleanup of it. `others`: places with another process's
    lease."""

    def __init__(
        self, patch: pytest.MonkeyPatch, *records: BridgeCheckpoint | BridgePeriod
    ) -> None:
        self.others: set[Place] = set()
        self.table = {self._place(record): record for record in records}
        self.sender = Sender(self.table)
        checkpoints = SimpleNamespace(
            of_stream=lambda _: {p: r for p, r in self.table.items() if p.shard_id},
            periods_of=lambda _: {p: r for p, r in self.table.items() if not p.shard_id},
            streams=lambda: self.streams,
        )
        self.streams = frozenset({"flex-events"})
        leases = SimpleNamespace(has=lambda each: each not in self.others)
        patch.setattr(checkpoint_cleanup, "producer", lambda *_, **__: self.sender)
        settings = Settings(topic_prefix="p.")
        self.cleanup = Retirement(
            JobContext(settings, cast("Any", checkpoints), cast("Any", leases), int)
        )

    @staticmethod
    def _place(record: BridgeCheckpoint | BridgePeriod) -> Place:
        shard_id = record.shard_id if isinstance(record, BridgeCheckpoint) else ""
        return place(shard_id, record.stream_created_at, record.name)

    async def look(self, now: int, *listed: str) -> list[Place]:
        """Compare with a listing. Return the places that are left."""
        await self.cleanup.look(STREAM, [Shard(each) for each in listed], now)
        return list(self.table)


LISTED, GONE, REPLAYED = place("listed"), place("gone"), place("gone", name="replay")


async def test_a_shard_that_was_missing_for_an_hour_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under every checkpoint name, and not after one listing without it."""
    scene = Scene(monkeypatch, *(checkpoint(each, at=OLD) for each in (LISTED, GONE, REPLAYED)))
    assert [LISTED, GONE, REPLAYED] == await scene.look(NOW, "listed")
    assert [LISTED, GONE, REPLAYED] == await scene.look(LATER - 1, "listed")
    assert [LISTED] == await scene.look(LATER, "listed")


async def test_a_shard_that_is_listed_again_was_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour begins again."""
    scene = Scene(monkeypatch, checkpoint(GONE, at=OLD))
    await scene.look(NOW)
    await scene.look(LATER - 1, "gone")
    assert [GONE] == await scene.look(LATER)


async def test_a_stream_that_was_deleted_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of an earlier incarnation do not come back, although one of the same id is listed. So
    do periods; that of the present stream is kept."""
    before, agreed, present = place("s", created_at=1), place("", created_at=1), place("")
    records = [checkpoint(before, at=OLD), period(agreed), period(present)]
    old = [r if isinstance(r, BridgeCheckpoint) else _aged(r) for r in records]
    scene = Scene(monkeypatch, *old)
    await scene.look(NOW, "s")
    assert [present] == await scene.look(LATER, "s")


def _aged(record: BridgePeriod) -> BridgePeriod:
    return BridgePeriod(
        record.name, record.kinesis_stream, record.stream_created_at, None, None, OLD, "b-0"
    )


async def test_each_checkpoint_is_deleted_by_the_process_with_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others leave it alone."""
    scene = Scene(monkeypatch, checkpoint(GONE, at=OLD), checkpoint(REPLAYED, at=OLD))
    scene.others = {GONE}
    await scene.look(NOW)
    assert [GONE] == await scene.look(LATER)


async def test_a_failed_write_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next listing."""
    scene = Scene(monkeypatch, checkpoint(GONE, at=OLD))
    await scene.look(NOW)
    scene.sender.is_away = True
    assert [GONE] == await scene.look(LATER)
    scene.sender.is_away = False
    await scene.look(LATER + 5_000)
    assert [] == await scene.look(LATER + 5_000 + ABSENT_FOR_MS)


async def test_records_that_nothing_has_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that expired before it was read to its end. A finished shard is no problem."""
    scene = Scene(
        monkeypatch, checkpoint(GONE, at=OLD), checkpoint(REPLAYED, at=OLD, finished=True)
    )
    await scene.look(NOW)
    with structlog.testing.capture_logs() as logged:
        await scene.look(LATER)
    levels = {line["key"]: line["log_level"] for line in logged}
    assert {GONE.key: "error", REPLAYED.key: "info"} == levels


async def test_other_streams_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their unread records need a bridge of their own."""
    scene = Scene(monkeypatch)
    scene.streams = frozenset({"flex-events", "old-events"})
    with structlog.testing.capture_logs() as logged:
        await scene.look(NOW)
        await scene.look(NOW + 1)
    assert [["old-events"]] == [line["others"] for line in logged]
