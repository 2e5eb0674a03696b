"""Partitions of a compacted topic are read one after the other, and finished ones are kept."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime import kafka
from pipeline.runtime.partition_reading import READ_AGAIN_S, ReadingOrder, read_partitions
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.topics import RETRIEVALS
from tests.virtual_time import virtually


@dataclass
class Broker:
    """A consumer that returns one record per fetch, after `seconds`. `silent`: partitions that
    never answer; `error`: raised by a fetch of partition 2."""

    records: dict[int, int]
    seconds: float = 1.0
    silent: Collection[int] = ()
    error: Exception | None = None
    leaders: Collection[int] = range(24)
    stops: int = 0
    _at: dict[TopicPartition, int] = field(default_factory=dict)
    _assigned: TopicPartition | None = None

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""
        self.stops += 1

    async def beginning_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        """Return the first offsets."""
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        """Return the end offsets."""
        return {tp: self.records[tp.partition] for tp in tps}

    def assign(self, tps: list[TopicPartition]) -> None:
        """Read one partition."""
        [self._assigned] = tps

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read from here."""
        self._at[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        """Return the offset of the next record."""
        return self._at[tp]

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        """Return the next record."""
        tp = self._assigned
        assert tp is not None
        if tp.partition in self.silent:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        await asyncio.sleep(self.seconds)
        if tp.partition == 2 and self.error is not None:
            raise self.error
        self._at[tp] += 1
        return {tp: [SimpleNamespace(partition=tp.partition, offset=self._at[tp] - 1)]}


def read(
    broker: Broker, partitions: list[int], monkeypatch: pytest.MonkeyPatch
) -> tuple[set[int], list[tuple[int, int]], int]:
    """Return the partitions that were read, the records, and how often something arrived."""
    taken: list[tuple[int, int]] = []
    moves: list[None] = []

    async def with_leader(_: object, tps: Any) -> set[TopicPartition]:
        return {tp for tp in tps if tp.partition in broker.leaders}

    monkeypatch.setattr(kafka, "consumer", lambda _: broker)
    monkeypatch.setattr(kafka, "with_leader", with_leader)
    done = virtually(
        read_partitions(
            Settings(), RETRIEVALS, partitions, lambda r: taken.append((r.partition, r.offset)),
            said=Lasting("cannot be read", "can be read"), moved=lambda: moves.append(None),
        )
    )  # fmt: skip
    assert 1 == broker.stops
    return done, taken, len(moves)


def test_a_large_partition_takes_as_long_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on silence: a minute is no failure while records arrive. Each arrival is a sign
    of life. Then the round ends, and the partition is kept."""
    done, taken, moves = read(Broker({0: 60, 1: 1}), [0, 1], monkeypatch)
    assert {0} == done
    assert [(0, n) for n in range(60)] == taken
    assert moves >= 60


def test_many_partitions_are_read_at_once_if_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the given order; those without a leader are left out, empty ones are read."""
    broker = Broker({0: 1, 1: 0, 2: 2, 3: 1}, 0.01, leaders=(0, 1, 2))
    done, taken, _ = read(broker, [2, 0, 1, 3], monkeypatch)
    assert {0, 1, 2} == done
    assert [(2, 0), (2, 1), (0, 0)] == taken


@pytest.mark.parametrize("broker", [
    Broker({0: 1, 1: 1, 2: 1}, silent=(2,)),
    Broker({0: 1, 1: 1, 2: 1}, error=KafkaConnectionError("away")),
], ids=["silent", "error"])  # fmt: skip
def test_what_was_read_before_a_failure_is_kept(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the reason."""
    with structlog.testing.capture_logs() as logged:
        done, _, _ = read(broker, [0, 1, 2], monkeypatch)
    assert {0, 1} == done
    assert ["cannot be read"] == [line["event"] for line in logged]


def test_a_refusal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller cannot do without the answer."""
    broker = Broker({2: 1}, error=TopicAuthorizationFailedError("retrievals"))
    with pytest.raises(TopicAuthorizationFailedError):
        read(broker, [2], monkeypatch)


def test_a_partition_that_fails_comes_last() -> None:
    """And if none could be read, there is a pause."""
    order = ReadingOrder()
    assert [0, 1, 2] == order.due({2, 0, 1}, 0.0)
    order.read([0, 1, 2], {0}, 1.0)
    assert [1, 2] == order.due([1, 2], 1.0)
    order.read([1, 2], (), 2.0)
    assert [] == order.due([1, 2], 2.0)
    assert [2, 1] == order.due([1, 2], 2.0 + READ_AGAIN_S)
    order.forget()
    assert [1, 2] == order.due([1, 2], 3.0)


@given(st.sets(st.integers(0, 5)))
def test_every_partition_that_can_be_read_is_read(able: set[int]) -> None:
    """One that cannot blocks those behind it in its round only."""
    order, missing, now = ReadingOrder(), set(range(6)), 0.0
    for _ in range(13):
        asked = order.due(missing, now)
        found = set(takewhile(able.__contains__, asked))
        order.read(asked, found, now)
        missing -= found
        now += READ_AGAIN_S
    assert set(range(6)) - able == missing
