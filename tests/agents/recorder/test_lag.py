"""The position and the age of the unread records of each partition, by the numbers alone. With a
log: test_watch.py."""

import asyncio
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from agents.partition_lag import ANSWER_SECONDS
from agents.recorder.lag import Lag, committed_offset, first_unread
from agents.recorder.metrics import EXPIRED_RECORDS, LAG_RECORDS, LAG_SECONDS, RETENTION_USED
from schemas.topics import MEDIA
from tests.virtual_time import virtually

NOW = 1_000_000_000
FIRST, SECOND = TopicPartition("media", 1), TopicPartition("media", 2)


def exported(lag: Lag, ends: dict[int, int]) -> tuple[float, float]:
    """Return number and age (s) of the unread records in the metrics."""
    lag.export(ends, NOW)
    return LAG_RECORDS._value.get(), LAG_SECONDS._value.get()


def test_records_that_expired_unread_are_counted() -> None:
    """The offsets of `media` have no gaps: records between two reads are gone. The first read after
    an assignment has none before it."""
    lag, before = Lag(), EXPIRED_RECORDS._value.get()
    lag.read(FIRST, 100, 109, NOW)
    lag.read(FIRST, 110, 119, NOW)
    assert before == EXPIRED_RECORDS._value.get()
    lag.read(FIRST, 127, 130, NOW)
    lag.begin(SECOND, 5)
    lag.read(SECOND, 6, 6, NOW)
    assert before + 7 + 1 == EXPIRED_RECORDS._value.get()
    lag.forget()
    lag.read(FIRST, 500, 500, NOW)
    assert before + 8 == EXPIRED_RECORDS._value.get()


def test_the_lag_is_that_of_all_partitions_and_of_the_oldest_record() -> None:
    """Records without a known time count as 0 s old. Without unread records there is no lag."""
    lag = Lag()
    lag.read(FIRST, 0, 9, NOW - 60_000)
    lag.begin(SECOND, 5)
    assert (0, 0) == exported(lag, {1: 10, 2: 5})
    assert (3, 60) == exported(lag, {1: 13, 2: 5})
    assert (7, 60) == exported(lag, {1: 13, 2: 9})
    lag.note_times({2: 5}, {2: NOW - 90_000})
    assert (7, 90) == exported(lag, {1: 13, 2: 9})
    assert 90_000 / (MEDIA.retention_ms or 1) == RETENTION_USED._value.get()


def test_a_time_is_looked_up_once_for_an_offset() -> None:
    """Not if the last read record has a time, nor if all records are read."""
    lag = Lag()
    lag.read(FIRST, 0, 9, NOW - 60_000)
    lag.begin(SECOND, 5)
    lag.wait_at({3: 7})
    ends = {1: 20, 2: 20, 3: 7}
    assert {2: 5} == lag.untimed(ends)
    assert {2: 5, 3: 7} == lag.untimed({**ends, 3: 8})
    lag.note_times({2: 5, 3: 7}, {2: NOW})
    assert {3: 7} == lag.untimed({**ends, 3: 8})
    lag.begin(SECOND, 6)
    assert {2: 6} == lag.untimed(ends)


def test_a_partition_that_waits_is_unread_from_its_offset() -> None:
    """It counts for the lag and not as work that is under way, until it is read."""
    lag = Lag()
    lag.read(FIRST, 0, 9, NOW - 60_000)
    lag.wait_at({1: 4})
    assert (6, 0) == exported(lag, {1: 10})
    assert 0 == lag.unread({1: 10, 2: 99})
    lag.read(FIRST, 4, 9, NOW - 50_000)
    assert (2, 50) == exported(lag, {1: 12})
    assert 2 == lag.unread({1: 12})


def test_progress_is_a_number_that_grows() -> None:
    """For all partitions. After a rebalance nothing is known about them, and the epoch differs."""
    lag = Lag()
    lag.read(FIRST, 0, 9, NOW)
    before = lag.position()
    lag.read(SECOND, 0, 0, NOW)
    assert before < lag.position()
    assert {3} == lag.not_begun([1, 2, 3])
    lag.forget()
    assert (1, 0, {1, 2}) == (lag.epoch, lag.position(), lag.not_begun([1, 2]))


class Group:
    """The offsets of a consumer group."""

    def __init__(
        self, committed: dict[int, int], seconds: float = 0.0, fails: bool = False
    ) -> None:
        self._committed = committed
        self._seconds = seconds
        self._fails = fails

    async def committed(self, tp: TopicPartition) -> int | None:
        await asyncio.sleep(self._seconds)
        if self._fails:
            raise KafkaConnectionError
        return self._committed.get(tp.partition)

    async def beginning_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 10)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (Group({1: 7}), 7),
        (Group({}), None),
        (Group({1: 7}, fails=True), None),
        (Group({1: 7}, seconds=ANSWER_SECONDS + 1), None),
    ],
)
def test_an_offset_that_kafka_does_not_answer_is_not_known(
    group: Group, expected: int | None
) -> None:
    """The caller does not wait for long, and gets no error."""
    assert expected == virtually(committed_offset(cast("AIOKafkaConsumer", group), FIRST))


def test_the_group_reads_from_its_offset_or_from_the_first_record_that_is_left() -> None:
    """An offset below the first record means that the records between have expired."""
    group = cast("AIOKafkaConsumer", Group({1: 70, 2: 3}))
    third = TopicPartition("media", 3)
    found = virtually(first_unread(group, [FIRST, SECOND, third]))
    assert {FIRST: 70, SECOND: 10, third: 10} == found
    silent = cast("AIOKafkaConsumer", Group({}, seconds=ANSWER_SECONDS))
    with pytest.raises(TimeoutError):
        virtually(first_unread(silent, [FIRST, SECOND]))
