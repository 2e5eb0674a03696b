"""The lander's loop: poll, gather, land, commit, through failures and rebalances."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from agents.lander.metrics import LAG, WAITING
from agents.lander.service import LONG_ROUND_S, STALLED_RETRY_S, Lander
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from tests.agents.lander.lake import DAY_MS, PREFIX, TP, Record, Store, landing_on
from tests.virtual_time import virtually

OTHER = TopicPartition(TP.topic, 8)
FILE_SECONDS = 60.0


class Consumer:
    """A consumer on a log that the test extends. A fetch returns at most two records of a
    partition."""

    def __init__(self) -> None:
        self.log: dict[TopicPartition, list[Record]] = {TP: [], OTHER: []}
        self.ends: dict[TopicPartition, int] = {}
        self.owned: set[TopicPartition] = set()
        self.paused: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.commits_fail = False
        self.is_stopped = False
        self.listener: Any = None

    def subscribe(self, _: Sequence[str], listener: Any) -> None:
        self.listener = listener

    async def start(self) -> None:
        await self.assign(TP)

    async def stop(self) -> None:
        self.is_stopped = True

    async def assign(self, *tps: TopicPartition) -> None:
        """Complete a rebalance."""
        await self.listener.on_partitions_revoked(self.owned)
        self.owned, self.paused = set(tps), set()
        self.positions = dict.fromkeys(tps, 0)
        await self.listener.on_partitions_assigned(set(tps))

    def assignment(self) -> set[TopicPartition]:
        return self.owned

    def end(self, tp: TopicPartition) -> int:
        return self.ends.get(tp, 1 + max((r.offset for r in self.log[tp]), default=-1))

    def highwater(self, tp: TopicPartition) -> int:
        return self.end(tp)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp in self.owned
        self.positions[tp] = offset

    def pause(self, *tps: TopicPartition) -> None:
        assert set(tps) <= self.owned
        self.paused |= set(tps)

    def resume(self, *tps: TopicPartition) -> None:
        self.paused -= set(tps)

    async def getmany(self, *tps: TopicPartition, **_: Any) -> Mapping[TopicPartition, Any]:
        await asyncio.sleep(0.1)
        found = {}
        for tp in tps or self.owned - self.paused:
            records = [r for r in self.log[tp] if r.offset >= self.positions[tp]][:2]
            if records and tp in self.owned:
                found[tp] = records
                self.positions[tp] = records[-1].offset + 1
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.commits_fail:
            raise KafkaConnectionError
        self.committed |= offsets

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]


class Scene:
    """A lander that runs, with its consumer and its lake."""

    def __init__(self) -> None:
        self.store, self.health = Store(), Health(starting="joining")
        landing = landing_on(self.store)
        settings = Settings(
            topic_prefix=PREFIX, lake_file_bytes=10_000_000, lake_file_seconds=FILE_SECONDS
        )
        self.lander = Lander(settings, landing, self.health)
        self.consumer: Any = self.lander._consumer
        self.stop = asyncio.Event()

    def append(self, count: int, tp: TopicPartition = TP, day: int = 1) -> None:
        first = self.consumer.end(tp)
        self.consumer.log[tp] += [Record(first + n, day * DAY_MS) for n in range(count)]

    def landed(self, tp: TopicPartition = TP) -> int:
        """Return the end of the partition's last file."""
        return self.consumer.committed.get(tp, 0)


@pytest.fixture(autouse=True)
def _without_threads_and_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads know no virtual time."""

    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def end_offsets(consumer: Consumer, tps: Any) -> dict[TopicPartition, int]:
        return {tp: consumer.end(tp) for tp in tps}

    monkeypatch.setattr(asyncio, "to_thread", run)
    monkeypatch.setattr(kafka, "end_offsets", end_offsets)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: Consumer())


def play(scene: Callable[[Scene], Awaitable[None]]) -> Scene:
    """Run a scene beside a lander, and stop the lander."""

    async def run() -> Scene:
        made = Scene()
        running = asyncio.create_task(made.lander.run(made.stop))
        await asyncio.sleep(0)
        await scene(made)
        made.stop.set()
        await running
        assert made.consumer.is_stopped
        return made

    return virtually(run())


def test_records_are_landed_by_age_and_at_the_end() -> None:
    """Each once. The first files after a start are closed early, in case the process is killed. The
    offsets show the progress."""

    async def scene(s: Scene) -> None:
        s.append(5)
        await asyncio.sleep(5)
        assert 0 < s.landed() <= 5
        assert {} == s.health.reasons
        await asyncio.sleep(FILE_SECONDS)
        assert 5 == s.landed()
        s.append(2)
        await asyncio.sleep(1)
        assert 5 == s.landed()
        assert (True, 0) == (WAITING._value.get() > 0, LAG._value.get())

    assert 7 == play(scene).landed()


def test_a_new_day_closes_the_file() -> None:
    """A file has records of one day."""

    async def scene(s: Scene) -> None:
        s.append(2, day=1)
        s.append(1, day=2)
        await asyncio.sleep(0.5)
        assert 2 == s.landed()

    made = play(scene)
    assert 3 == made.landed()
    assert 2 == len(made.store.files())


def test_a_lake_that_fails_is_tried_again_and_nothing_is_lost() -> None:
    """Health has the reason meanwhile."""

    async def scene(s: Scene) -> None:
        await asyncio.sleep(1)
        s.store.is_away = True
        s.append(4)
        await asyncio.sleep(FILE_SECONDS)
        assert {"lake": "no answer"} == s.health.reasons
        assert 0 == s.landed()
        s.store.is_away = False
        await asyncio.sleep(5)
        assert {} == s.health.reasons
        assert 4 == s.landed()

    play(scene)


def test_partitions_that_come_back_in_a_rebalance_keep_their_records() -> None:
    """Partitions of another process are forgotten, with the records that were read of them."""

    async def scene(s: Scene) -> None:
        await s.consumer.assign(TP, OTHER)
        s.append(1)
        s.append(1, OTHER)
        await asyncio.sleep(0.4)
        await s.consumer.assign(TP)
        await asyncio.sleep(FILE_SECONDS)
        assert (1, 0) == (s.landed(), s.landed(OTHER))
        await s.consumer.assign(OTHER)
        await asyncio.sleep(FILE_SECONDS)
        assert 1 == s.landed(OTHER)

    assert 2 == len(play(scene).store.files())


def test_a_log_that_is_shorter_than_the_lake_stalls_its_partition() -> None:
    """The topic was deleted and created again, for example. The others are landed, and the stalled
    one is tried again."""

    async def scene(s: Scene) -> None:
        s.append(5)
        await asyncio.sleep(FILE_SECONDS)
        records, s.consumer.log[TP] = s.consumer.log[TP], []
        await s.consumer.assign(OTHER)
        await s.consumer.assign(TP, OTHER)
        s.append(1, OTHER)
        await asyncio.sleep(FILE_SECONDS)
        assert "ends at offset 0, and 5 are landed" in s.health.reasons["p.recordings-7"]
        assert 1 == s.landed(OTHER)
        s.consumer.log[TP] = records
        await asyncio.sleep(STALLED_RETRY_S + 2)
        assert {} == s.health.reasons

    play(scene)


def test_offsets_that_cannot_be_committed_stop_nothing() -> None:
    """The lake decides which records are landed; they only show the progress."""

    async def scene(s: Scene) -> None:
        s.consumer.commits_fail = True
        s.append(2)
        await asyncio.sleep(FILE_SECONDS)
        assert (0, 1) == (s.landed(), len(s.store.files()))

    play(scene)


def test_a_round_that_hangs_is_seen_as_stuck() -> None:
    """A disk that hangs raises no error."""
    looks: list[str] = []

    async def scene(s: Scene) -> None:
        released, works = asyncio.Event(), s.store.put_new

        async def hang(key: str, data: bytes) -> bool:
            await released.wait()
            return await works(key, data)

        await asyncio.sleep(1)
        looks.append(s.lander._look()[0])
        s.store.put_new = hang  # type: ignore[method-assign]
        s.append(1)
        await asyncio.sleep(3)
        looks.append(s.lander._look()[0])
        await asyncio.sleep(LONG_ROUND_S)
        looks.append(s.lander._look()[0])
        released.set()
        await asyncio.sleep(1)
        assert 1 == s.landed()

    play(scene)
    assert ["", "", "reading or writing the lake"] == looks
