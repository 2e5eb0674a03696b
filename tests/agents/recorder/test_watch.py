"""How far the recorder is behind, also on partitions of which it has read nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from agents.recorder.held import HeldPartitions
from agents.recorder.lag import Lag
from agents.recorder.metrics import LAG_RECORDS, LAG_SECONDS, RETENTION_USED
from agents.recorder.watch import RecorderWatch
from pipeline.runtime import kafka
from tests.agents.test_partition_lag import shown
from tests.virtual_time import virtually

NOW = 1_000_000_000
MEDIA = [TopicPartition("media", number) for number in range(3)]


@dataclass
class Log:
    """The topic: the timestamps of its records by offset, and the group's offsets."""

    records: dict[TopicPartition, dict[int, int]]
    committed_at: dict[TopicPartition, int] = field(default_factory=dict)
    assigned: set[TopicPartition] = field(default_factory=set)
    lookups: int = 0
    fails: bool = False

    def assignment(self) -> set[TopicPartition]:
        """The consumer's."""
        return self.assigned

    def pause(self, _: TopicPartition) -> None:
        """Nothing to do."""

    async def beginning_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        """Of the first records that are left."""
        return {tp: min(self.records[tp]) for tp in tps}

    async def committed(self, tp: TopicPartition) -> int | None:
        """The group's offset."""
        if self.fails:
            raise KafkaConnectionError
        return self.committed_at.get(tp)

    async def end_offsets(self, _: object, tps: Any) -> dict[TopicPartition, int]:
        """As `kafka.end_offsets`."""
        return {tp: max(self.records[tp]) + 1 for tp in tps}

    async def timestamps(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """As `lag.timestamps`."""
        self.lookups += 1
        return {
            tp: next(at for o, at in sorted(self.records[tp].items()) if o >= offset)
            for tp, offset in offsets.items()
        }


@dataclass
class Scene:
    """A watch over three partitions with records that are 500, 400, 300, 200 and 100 s old at the
    offsets 10 to 14."""

    log: Log
    lag: Lag
    held: HeldPartitions
    watch: RecorderWatch

    async def measure(self, seconds: float = 6) -> tuple[float, float]:
        """The gauges for age and number after a while."""
        task = asyncio.create_task(self.watch.measure_lag())
        await asyncio.sleep(seconds)
        task.cancel()
        return LAG_SECONDS._value.get(), LAG_RECORDS._value.get()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """All partitions are assigned, and nothing was read."""
    records = {10 + n: NOW - 1000 * (500 - 100 * n) for n in range(5)}
    log = Log({tp: dict(records) for tp in MEDIA}, dict.fromkeys(MEDIA, 15), set(MEDIA))
    monkeypatch.setattr(kafka, "end_offsets", log.end_offsets)
    lag = Lag()
    consumer: Any = log
    held = HeldPartitions(consumer, "media")
    watch = RecorderWatch(consumer, lag, held, lambda: 0, lambda: NOW, timestamps=log.timestamps)
    return Scene(log, lag, held, watch)


def test_unread_records_have_an_age_before_the_first_is_read(scene: Scene) -> None:
    """That of the record at the committed offset, as soon as there are partitions, so that a
    recorder that ends soon after its start shows it too."""
    scene.log.committed_at[MEDIA[1]] = 12
    assert (300, 3) == virtually(scene.measure(1))
    assert [(0, 0), (3, 300), (0, 0)] == [shown("recorder", "media", n) for n in range(3)]


def test_without_a_committed_offset_all_that_is_left_is_unread(scene: Scene) -> None:
    """From the first record that has not expired."""
    scene.log.committed_at = {MEDIA[0]: 15, MEDIA[2]: 3}
    assert (500, 10) == virtually(scene.measure())


def test_a_partition_that_is_held_has_an_age(scene: Scene) -> None:
    """If its checkpoints cannot be read, nothing was read of it. It is not stuck work."""
    scene.log.committed_at[MEDIA[1]] = 11
    scene.held.hold(1, 11, "its checkpoints have no leader")
    assert (400, 4) == virtually(scene.measure())
    assert "" == scene.watch.look()[0]


def test_a_partition_that_begins_at_an_offset_has_an_age(scene: Scene) -> None:
    """That of the record at this offset, however old the records are that were read before."""
    scene.lag.read(MEDIA[0], 10, 14, NOW - 100_000)
    scene.lag.begin(MEDIA[0], 11)
    assert (400, 4) == virtually(scene.measure())
    assert "records of media wait to be read" == scene.watch.look()[0]


def test_a_stopped_partition_has_the_age_of_its_committed_offset(scene: Scene) -> None:
    """Records that were read but not stored do not count as recorded."""
    scene.lag.read(MEDIA[2], 10, 14, NOW - 100_000)
    scene.held.stall(2, "its files are gone", 0.0, 15)
    scene.log.committed_at[MEDIA[2]] = 10
    assert (500, 5) == virtually(scene.measure())
    assert RETENTION_USED._value.get() > 0


def test_records_that_are_being_read_need_no_look_at_the_log(scene: Scene) -> None:
    """The timestamp of the last one read is enough. A lookup is not repeated."""
    for tp in MEDIA:
        scene.lag.read(tp, 10, 13, NOW - 200_000)
    assert (200, 3) == virtually(scene.measure(30))
    assert 0 == scene.log.lookups
    scene.lag.begin(MEDIA[0], 10)
    assert (500, 7) == virtually(scene.measure(30))
    assert 1 == scene.log.lookups


def test_nothing_unread_is_no_lag(scene: Scene) -> None:
    """So is having no partitions, regardless of earlier measurements."""
    scene.log.committed_at[MEDIA[1]] = 12
    assert (300, 3) == virtually(scene.measure())
    scene.log.assigned.clear()
    scene.lag.forget()
    assert (0, 0) == virtually(scene.measure())


def test_an_offset_that_is_not_known_is_asked_again(scene: Scene) -> None:
    """A broker that does not answer makes no age."""
    scene.log.committed_at[MEDIA[1]] = 12
    scene.log.fails = True
    LAG_SECONDS.set(7)
    assert 7 == virtually(scene.measure())[0]
    scene.log.fails = False
    assert (300, 3) == virtually(scene.measure())


def test_a_rebalance_during_a_measurement_ends_it(scene: Scene) -> None:
    """Offsets of the assignment before are not used."""
    found = scene.log.timestamps

    async def slow(offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        scene.lag.forget()
        scene.log.committed_at[MEDIA[1]] = 15
        return await found(offsets)

    scene.watch._timestamps = slow
    scene.log.committed_at[MEDIA[1]] = 12
    assert (0, 0) == virtually(scene.measure())
