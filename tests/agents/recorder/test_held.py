"""Partitions that are not being read: held ones wait for Kafka, stalled ones for an operator."""

from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from agents.recorder.held import RETRY_S, HeldPartitions
from agents.recorder.metrics import HELD_PARTITIONS, STALLED_PARTITIONS


class Consumer:
    """A consumer's positions and paused partitions. `at`: the committed offsets."""

    def __init__(self) -> None:
        self.paused: set[int] = set()
        self.positions: dict[int, int | str] = {}
        self.at: dict[int, int] = {}
        self.is_away = False

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp.partition)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp.partition)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp.partition] = offset

    async def seek_to_beginning(self, tp: TopicPartition) -> None:
        self.positions[tp.partition] = "beginning"

    async def committed(self, tp: TopicPartition) -> int | None:
        if self.is_away:
            raise KafkaConnectionError
        return self.at.get(tp.partition)


@pytest.fixture
def consumer() -> Consumer:
    """A consumer of all partitions."""
    return Consumer()


@pytest.fixture
def partitions(consumer: Consumer) -> HeldPartitions:
    """None is held, and none is stalled."""
    made = HeldPartitions(cast("AIOKafkaConsumer", consumer), "media")
    made.clear()
    return made


def gauges() -> tuple[Any, Any]:
    """Return the number of held and of stalled partitions in the metrics."""
    return HELD_PARTITIONS._value.get(), STALLED_PARTITIONS._value.get()


def test_a_held_partition_is_a_warning_until_it_is_read_again(
    consumer: Consumer, partitions: HeldPartitions
) -> None:
    """It continues at its position. The process stays healthy."""
    partitions.hold(3, 41, "no leader")
    assert ({3}, True, (1, 0)) == (partitions.held, 3 in partitions, gauges())
    assert {3} == consumer.paused
    assert ["partition-3"] == list(partitions.health.warnings)
    assert {} == partitions.health.reasons
    partitions.read_on(3)
    assert (set(), {3: 41}) == (consumer.paused, consumer.positions)
    assert ({}, False, (0, 0)) == (partitions.health.warnings, 3 in partitions, gauges())


def test_a_stalled_partition_is_bad_and_says_what_to_do(
    consumer: Consumer, partitions: HeldPartitions
) -> None:
    """Only an operator can restore its files, or give them up."""
    partitions.stall(5, "segment 3 is missing", 100.0, 70)
    assert ({5}, True, {5}, (0, 1)) == (
        partitions.stalled, 5 in partitions, consumer.paused, gauges(),
    )  # fmt: skip
    reason = partitions.health.reasons["partition-5"]
    assert "segment 3 is missing" in reason
    assert "flexcapture recordings restart --partition 5" in reason


async def test_a_stalled_partition_is_retried_from_its_committed_offset(
    consumer: Consumer, partitions: HeldPartitions
) -> None:
    """After 20 s, and from the beginning if nothing was committed or Kafka does not answer."""
    consumer.at = {5: 60}
    partitions.stall(5, "x", 100.0, 70)
    partitions.stall(6, "x", 110.0, 80)
    assert [] == await partitions.retry(100.0 + RETRY_S - 1)
    assert [5] == await partitions.retry(100.0 + RETRY_S)
    assert ({6}, {5: 60}) == (consumer.paused, consumer.positions)
    consumer.is_away = True
    assert [6] == await partitions.retry(110.0 + RETRY_S)
    assert "beginning" == consumer.positions[6]
    assert frozenset() == partitions.stalled


async def test_a_retry_is_good_once_it_passes_the_place_of_the_trouble(
    partitions: HeldPartitions,
) -> None:
    """Before that the health stays bad: the same records may fail again."""
    partitions.stall(5, "x", 100.0, 70)
    await partitions.retry(100.0 + RETRY_S)
    partitions.works(5, 69)
    partitions.works(7, 1_000)
    assert ["partition-5"] == list(partitions.health.reasons)
    partitions.works(5, 70)
    assert {} == partitions.health.reasons


async def test_partitions_that_are_given_away_are_forgotten(partitions: HeldPartitions) -> None:
    """With their reasons: held, stalled and retried ones."""
    partitions.hold(3, 41, "no leader")
    partitions.stall(5, "x", 0.0, 70)
    await partitions.retry(RETRY_S)
    partitions.stall(6, "x", RETRY_S, 80)
    partitions.clear()
    assert ({}, {}, (0, 0)) == (
        partitions.health.reasons, partitions.health.warnings, gauges(),
    )  # fmt: skip
    assert [] == [n for n in range(9) if n in partitions]
    assert [] == await partitions.retry(1_000.0)
