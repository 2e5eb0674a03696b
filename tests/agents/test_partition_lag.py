"""How far a role is behind, partition by partition."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY

from agents.partition_lag import LOOK_EVERY_S, LagGauges, PartitionLag, read_and_ends
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from schemas.topics import CALLS, TICKS
from tests.virtual_time import virtually

NOW = 1_000_000_000
CALLS_0, CALLS_1 = (TopicPartition(f"p.{CALLS.name}", number) for number in range(2))


def shown(role: str, topic: str, number: int) -> tuple[float | None, float | None]:
    """Return the gauges of a partition: records and seconds; None without a series."""
    labels = {"role": role, "topic": topic, "partition": str(number)}
    records, seconds = (
        REGISTRY.get_sample_value(f"flexcapture_partition_lag_{what}", labels)
        for what in ("records", "seconds")
    )
    return records, seconds


class Log:
    """Timestamps of records by partition and offset."""

    def __init__(self) -> None:
        self.times: dict[tuple[TopicPartition, int], int] = {}
        self.asked: list[dict[TopicPartition, int]] = []

    async def timestamps(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """As `partition_lag.timestamps`."""
        self.asked.append(dict(offsets))
        return {tp: self.times[tp, at] for tp, at in offsets.items() if (tp, at) in self.times}


def lag_of(role: str, log: Log) -> PartitionLag:
    """Return the lag of a role that reads `calls` and `ticks`."""
    settings = Settings(topic_prefix="p.")
    return PartitionLag(settings, role, [CALLS, TICKS], lambda: NOW, log.timestamps)


async def test_the_age_is_that_of_the_first_unread_record() -> None:
    """By the log's clock, also of a backlog from before the role's start; a partition that is read
    to its end has none."""
    log = Log()
    log.times[CALLS_0, 5] = NOW - 90_000
    await lag_of("a", log).show({CALLS_0: 5, CALLS_1: 7}, {CALLS_0: 8, CALLS_1: 7})
    assert (3, 90) == shown("a", "calls", 0)
    assert (0, 0) == shown("a", "calls", 1)


async def test_what_has_just_come_is_not_looked_up() -> None:
    """A role that keeps up costs no look-up, and has no age. One that does not is looked up once
    for each record at which it stands."""
    log = Log()
    lag = lag_of("b", log)
    await lag.show({CALLS_0: 5}, {CALLS_0: 5})
    await lag.show({CALLS_0: 6}, {CALLS_0: 9})
    assert [] == log.asked
    assert (3, 0) == shown("b", "calls", 0)
    log.times[CALLS_0, 6] = NOW - 6_000
    for _ in range(3):
        await lag.show({CALLS_0: 6}, {CALLS_0: 12})
    assert [{CALLS_0: 6}] == log.asked
    assert (6, 6) == shown("b", "calls", 0)
    log.times[CALLS_0, 11] = NOW - 4_000
    await lag.show({CALLS_0: 11}, {CALLS_0: 12})
    assert (1, 4) == shown("b", "calls", 0)
    await lag.show({CALLS_0: 12}, {CALLS_0: 12})
    assert (0, 0) == shown("b", "calls", 0)


async def test_a_partition_that_moves_away_is_no_longer_shown() -> None:
    """Its new owner shows it. One without a leader keeps its values."""
    log = Log()
    log.times[CALLS_0, 5] = NOW - 90_000
    lag = lag_of("c", log)
    places = {CALLS_0: 5, CALLS_1: 0}
    await lag.show(places, {CALLS_0: 8, CALLS_1: 0})
    await lag.show(places, {CALLS_1: 0})
    assert (3, 90) == shown("c", "calls", 0)
    await lag.show({CALLS_1: 0}, {CALLS_1: 0})
    assert (None, None) == shown("c", "calls", 0)
    assert (0, 0) == shown("c", "calls", 1)


def test_it_is_measured_every_few_seconds() -> None:
    """Also after Kafka did not answer."""
    looks = 0

    async def look() -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise KafkaConnectionError
        return {CALLS_0: 1}, {CALLS_0: 1 + looks}

    async def scene() -> None:
        log = Log()
        log.times[CALLS_0, 1] = NOW - 1_000
        measuring = asyncio.create_task(lag_of("d", log).measure(look))
        await asyncio.sleep(2.5 * LOOK_EVERY_S)
        measuring.cancel()

    virtually(scene())
    assert 2 == looks
    assert (2, 1) == shown("d", "calls", 0)


async def test_ends_are_asked_for_before_positions(monkeypatch: Any) -> None:
    """So that a record that comes and is read meanwhile does not count as unread."""

    class Consumer:
        read = 3

        def assignment(self) -> set[TopicPartition]:
            return {CALLS_0, CALLS_1}

        async def position(self, _: TopicPartition) -> int:
            return self.read

    async def end_offsets(consumer: Any, _: Any) -> dict[TopicPartition, int]:
        end, consumer.read = consumer.read, consumer.read + 1
        return {CALLS_0: end}

    monkeypatch.setattr(kafka, "end_offsets", end_offsets)
    consumer: Any = Consumer()
    assert ({CALLS_0: 4}, {CALLS_0: 3}) == await read_and_ends(consumer)


def test_gauges_are_removed_with_their_partitions() -> None:
    """Those that are kept have their values."""
    gauges = LagGauges("e")
    for number in range(3):
        gauges.show("media", number, number, number)
    gauges.keep({("media", 1)})
    assert [(None, None), (1, 1), (None, None)] == [shown("e", "media", n) for n in range(3)]
