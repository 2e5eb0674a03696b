"""A partition for which Kafka takes its time, and a disk that hangs."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from obstore.store import MemoryStore

from agents import stuck_work
from agents.recorder import late, recorder
from agents.stuck_work import Limits, StuckWork
from pipeline.runtime import kafka, partition_reading
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from pipeline.store.growing_files import Drafts
from schemas.codec import decode
from schemas.records import RecorderCheckpoint, RecordingCompleted
from tests.agents.recorder.parts import FakeMessage, Rounds, effects_on, messages, no_checkpoints

FIRST, SECOND = TopicPartition("media", 3), TopicPartition("media", 4)


async def no_end_offsets(*_: object) -> dict[int, int]:
    """Return none: the fakes have no log."""
    return {}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "end_offsets", no_end_offsets)
    monkeypatch.setattr(late, "PATIENCE_S", 0.05)
    monkeypatch.setattr(recorder, "COMMIT_EVERY_S", 0.0)


class SlowProducer:
    """A producer for which a partition of some topics has no leader."""

    def __init__(self, topics: set[str], task: bytes, partition: int) -> None:
        self.topics = topics
        self.task = task
        self.partition = partition
        self.elected = asyncio.Event()
        self.sent: list[tuple[str, Any]] = []

    async def send_and_wait(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None = None
    ) -> None:
        """Acknowledged, now or later."""
        record = None if value is None else decode(value)
        ours = getattr(record, "stream_sid", "") == "MZ1" or partition == self.partition
        if topic in self.topics and ours:
            await self.elected.wait()
        self.sent.append((topic, record))

    def completed(self) -> list[str]:
        """The recordings that were reported complete."""
        return [r.stream_sid for _, r in self.sent if isinstance(r, RecordingCompleted)]


class Feed(Rounds):
    """Two partitions, one recording each, until both are recorded. A partition that is sought is
    given from there once it is resumed."""

    def __init__(
        self, producer: SlowProducer, stop: asyncio.Event, health: Health, last: int = 12
    ) -> None:
        self.all = {FIRST: messages("MZ1", 0, last, 3), SECOND: messages("MZ2", 0, last, 4)}
        super().__init__([self.all], stop, Path(), health)
        self.producer = producer
        self.places = {FIRST: 0, SECOND: 0}
        self.held: set[TopicPartition] = set()
        self.warnings: list[str] = []
        self.empty = 0

    def pause(self, *tps: TopicPartition) -> None:
        """Return no records of these partitions any more."""
        self.held |= set(tps)

    def resume(self, *tps: TopicPartition) -> None:
        """Gives them again."""
        self.held -= set(tps)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """From there on."""
        self.places[tp] = offset

    async def getmany(self, **_: Any) -> Mapping[TopicPartition, Sequence[FakeMessage]]:
        """Three records of each."""
        await asyncio.sleep(0.01)
        given = {}
        for tp, place in list(self.places.items()):
            if tp not in self.held and place < len(self.all[tp]):
                given[tp] = self.all[tp][place : place + 3]
                self.places[tp] += len(given[tp])
        self.warnings += self.health.warnings.values()
        if not given and SECOND in self.offsets and self.offsets[SECOND] == 12:
            self.empty += 1
            if self.empty == 20:
                self.first_meanwhile = self.offsets.get(FIRST, 0)
                self.done_meanwhile = self.producer.completed()
                self.producer.elected.set()
            if self.offsets.get(FIRST) == 12:
                self.ended.set()
        return given


@pytest.mark.parametrize(
    "topics", [{"t.recordings"}, {"t.recorder.checkpoints"}, {"t.recordings", "t.dead-letters"}]
)
@pytest.mark.parametrize("kind", ["objects", "files"])
async def test_a_partition_that_kafka_does_not_take_holds_no_other_back(
    topics: set[str], kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other partition is recorded and committed; that one waits, healthy with a warning, and is
    recorded afterwards, without a frame lost."""
    store = (
        AudioStore(MemoryStore()) if kind == "objects" else AudioStore.from_url(tmp_path.as_uri())
    )
    stop, health = asyncio.Event(), Health()
    producer = SlowProducer(topics, b"WT1", 3)
    feed = Feed(producer, stop, health)
    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: feed)
    effects = effects_on(store, producer, health)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(health, stop)
    assert ["MZ2"] == feed.done_meanwhile
    assert feed.first_meanwhile < 12
    assert {"MZ1", "MZ2"} == set(producer.completed())
    assert {FIRST: 12, SECOND: 12} == feed.offsets
    assert any("Kafka does not accept" in warning for warning in feed.warnings)
    assert not health.reasons
    assert not health.warnings
    done = [r for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert {(50, 0)} == {(r.received, r.lost) for r in done}


async def test_checkpoints_without_a_leader_hold_no_other_partition_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its records are read from the beginning once the checkpoints are known."""
    store, stop, health = AudioStore(MemoryStore()), asyncio.Event(), Health()
    producer = SlowProducer(set(), b"", 3)
    feed = Feed(producer, stop, health)

    async def checkpoints(
        _: Settings, partitions: Sequence[int], __: object
    ) -> dict[int, list[RecorderCheckpoint]]:
        return {n: [] for n in partitions if n != 3 or producer.elected.is_set()}

    monkeypatch.setattr(partition_reading, "READ_AGAIN_S", 0.0)
    monkeypatch.setattr(recorder, "read_checkpoints", checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: feed)
    effects = effects_on(store, producer, health)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(health, stop)
    assert ["MZ2"] == feed.done_meanwhile
    assert {"MZ1", "MZ2"} == set(producer.completed())
    assert any("checkpoints" in warning for warning in feed.warnings)
    assert not health.warnings


async def test_a_disk_that_hangs_turns_health_bad_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sync that never returns raises nothing: the process would keep its partitions."""
    hangs, ended = threading.Event(), asyncio.Event()
    monkeypatch.setattr(Drafts, "sync", lambda *_: hangs.wait())
    monkeypatch.setattr(stuck_work, "end_process_soon", ended.set)
    monkeypatch.setattr("agents.recorder.watch.LONG_ROUND_S", 0.05)
    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    store, health = AudioStore.from_url(tmp_path.as_uri()), Health()
    producer = SlowProducer(set(), b"", 3)
    feed = Feed(producer, asyncio.Event(), health)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: feed)
    effects = effects_on(store, producer, health)  # type: ignore[arg-type]
    limits = Limits(bad=0.2, end=0.6, look_every=0.05)
    running = asyncio.create_task(
        recorder.Recorder(Settings(), store, effects, LogClock(), limits).run(
            health, asyncio.Event()
        )
    )
    try:
        async with asyncio.timeout(10):
            while "stuck" not in health.reasons:  # noqa: ASYNC110 - health has no event
                await asyncio.sleep(0.01)
            assert not ended.is_set()
            assert "storing" in health.reasons["stuck"]
            await ended.wait()
    finally:
        hangs.set()  # a thread that hangs would keep the loop from closing
    with pytest.raises(ExceptionGroup) as raised:
        await running
    assert raised.group_contains(StuckWork)
