"""The CPU time of a look at the lag of partitions, which each role on Kafka takes every 5 s."""

import asyncio
import time

from aiokafka import TopicPartition
from prometheus_client import generate_latest

from agents.partition_lag import PartitionLag, read_and_ends, timestamps
from benchmarks.local import Local
from benchmarks.machine import cpu_of
from benchmarks.rows import Row
from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas.topics import CALLS, CTI_EVENTS, GATEWAYS_ALIVE, STREAM_EVENTS, TICKS, Topic

TOPICS = (CALLS, STREAM_EVENTS, GATEWAYS_ALIVE, TICKS, CTI_EVENTS)
NUMBERS = (1, 3, 5)
LOOKS, QUICK_LOOKS = 1_000, 200
AGE_LOOKS, QUICK_AGE_LOOKS = 20, 5
_PREFIX = "lag."


def run(here: Local, quick: bool) -> list[Row]:
    """Measure looks at 24 partitions of one, three and five topics; then the search for the age of
    a first unread record, which only partitions that are late need."""
    return asyncio.run(_measured(here, quick))


async def _measured(here: Local, quick: bool) -> list[Row]:
    settings = here.settings(_PREFIX)
    await ensure_topics(settings, TOPICS)
    await _one_record_each(settings)
    rows: list[Row] = []
    ages = QUICK_AGE_LOOKS if quick else AGE_LOOKS
    without = _scrape(ages)
    for number in NUMBERS:
        found = await _looks(here, settings, TOPICS[:number], QUICK_LOOKS if quick else LOOKS)
        found["their part of /metrics"] = _scrape(ages) - without
        what = f"lag: a look at {sum(topic.partitions for topic in TOPICS[:number])} partitions"
        rows += [Row(f"{what}, {name}", "us of CPU", spent) for name, spent in found.items()]
    age = await _ages(settings, ages)
    rows.append(Row(f"lag: the age of records of {CALLS.partitions} partitions", "us of CPU", age))
    return rows


async def _one_record_each(settings: Settings) -> None:
    writer = producer(settings)
    await writer.start()
    for topic in TOPICS:
        for partition in range(topic.partitions):
            await writer.send(settings.prefixed(topic.name), b"x", partition=partition)
    await writer.stop()


async def _looks(
    here: Local, settings: Settings, topics: tuple[Topic, ...], looks: int
) -> dict[str, float]:
    """Return the CPU time of one look (us), by part: to read the offsets from Kafka, to set the
    gauges, and the broker's for the first of both."""
    lag = PartitionLag(settings, "bench", topics, lambda: time.time_ns() // 1_000_000)
    reader = consumer(settings)
    await reader.start()
    try:
        tps = [
            TopicPartition(settings.prefixed(topic.name), number)
            for topic in topics
            for number in range(topic.partitions)
        ]
        reader.assign(tps)
        await reader.seek_to_end(*tps)
        places, ends = await read_and_ends(reader)
        reader.pause(*tps)  # fetches are not part of a look
        begun, of_broker = time.process_time(), cpu_of(here.broker)
        for _ in range(looks):
            places, ends = await read_and_ends(reader)
        read, of_broker = time.process_time() - begun, cpu_of(here.broker) - of_broker
        begun = time.process_time()
        for _ in range(looks):
            await lag.show(places, ends)
        shown = time.process_time() - begun
    finally:
        await reader.stop()
    seconds = {"offsets": read, "gauges": shown, "the broker's share": of_broker}
    return {name: spent * 1_000_000 / looks for name, spent in seconds.items()}


def _scrape(looks: int) -> float:
    """Return the CPU time (us) of one answer to /metrics."""
    begun = time.process_time()
    for _ in range(looks):
        generate_latest()
    return (time.process_time() - begun) * 1_000_000 / looks


async def _ages(settings: Settings, looks: int) -> float:
    """Return the CPU time (us) of looking up the first record of each partition of `calls`."""
    topic = settings.prefixed(CALLS.name)
    first = {TopicPartition(topic, number): 0 for number in range(CALLS.partitions)}
    begun = time.process_time()
    for _ in range(looks):
        await timestamps(settings, first)
    return (time.process_time() - begun) * 1_000_000 / looks
