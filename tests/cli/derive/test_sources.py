"""The live topics of a derivation, merged by log time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.derive import sources as module
from cli.derive.sources import NoSource, Sources
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Tick
from schemas.topics import CALLS, CTI_EVENTS, TICKS, Topic
from tests.examples import examples
from tests.pipeline.runtime.log_consumers import Kafka

SETTINGS = Settings(topic_prefix="p.")
RECORDS = {CTI_EVENTS.name: frozenset({"CtiEvent"}), CALLS.name: frozenset({"Call", "Tick"})}


def partition(topic: Topic, number: int = 0) -> TopicPartition:
    """Return a partition of a live topic."""
    return TopicPartition(f"p.{topic.name}", number)


def kafka(**records: dict[int, int]) -> Kafka:
    """Return the topic `cti.events` with records on the partitions in the names (`p3`): their times
    by offset."""
    empty = {partition(CTI_EVENTS, n): dict[int, int]() for n in range(CTI_EVENTS.partitions)}
    filled = {partition(CTI_EVENTS, int(n[1:])): times for n, times in records.items()}
    return Kafka(empty | filled)


async def started(on: Kafka, patch: pytest.MonkeyPatch) -> Sources:
    """Return connected sources on these topics."""
    patch.setattr(module, "consumer", on.consumer)
    made = Sources(SETTINGS, RECORDS)
    await made.start()
    return made


async def test_a_topic_that_does_not_exist_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """If none exists, there is nothing to derive. The partitions are named without the prefix."""
    made = await started(kafka(p3={5: 100}), monkeypatch)
    found = await made.beginnings(None)
    assert {f"cti.events-{n}" for n in range(CTI_EVENTS.partitions)} == set(found)
    assert (True, False) == (await made.has(CTI_EVENTS), await made.has(CALLS))
    with pytest.raises(NoSource, match=r"p\.cti\.events, p\.calls"):
        await started(Kafka({}), monkeypatch)


async def test_beginnings_and_ends_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time after the last record is the end; so is one within an open transaction."""
    on = kafka(p0={5: 100, 6: 200, 7: 300})
    on.ends[partition(CTI_EVENTS)] = 7
    made = await started(on, monkeypatch)
    begins = [(await made.beginnings(at))["cti.events-0"] for at in (None, 150, 300, 900)]
    assert [5, 6, 7, 7] == begins
    ends = [(await made.ends(at))["cti.events-0"] for at in (None, 150, 300, 900)]
    assert [7, 6, 7, 7] == ends


@pytest.mark.parametrize(("first", "expected"), [(0, 0), (5, 1_000)])
async def test_records_that_have_expired_are_known(
    monkeypatch: pytest.MonkeyPatch, first: int, expected: int
) -> None:
    """Before the retention of the topic the derivation is not complete."""
    retention = CALLS.retention_ms or 0
    monkeypatch.setattr(
        module, "time", SimpleNamespace(time_ns=lambda: (retention + 1_000) * 1_000_000)
    )
    made = await started(kafka(p0={first: 100}), monkeypatch)
    assert expected == await made.complete_from()


times = st.lists(st.integers(0, 30), max_size=5).map(sorted)


@given(st.lists(times, min_size=1, max_size=3), st.integers(0, 30))
@settings(max_examples=examples(30))
def test_records_come_by_log_time(partitions: list[list[int]], until: int) -> None:
    """Each once, up to the ends. Those after `until` come with the next call."""
    on = kafka(**{f"p{n}": dict(enumerate(times)) for n, times in enumerate(partitions)})

    async def run(patch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
        made = await started(on, patch)
        made.begin(await made.beginnings(None))
        made.extend(await made.ends())
        first = [record.timestamp async for _, record in made.read(until)]
        second = [record.timestamp async for _, record in made.read()]
        await made.stop()
        return first, second

    with pytest.MonkeyPatch.context() as patch:
        first, second = asyncio.run(run(patch))
    assert all(at <= until for at in first)
    assert sorted(at for each in partitions for at in each) == [*first, *second]
    assert not any(each.is_running for each in on.consumers)


async def test_reading_continues_at_a_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """And passes over marks of transactions."""
    on = kafka(p0={0: 10, 1: 20, 4: 30})
    on.ends[partition(CTI_EVENTS)] = 6
    made = await started(on, monkeypatch)
    made.begin(await made.beginnings(None) | {"cti.events-0": 1})
    made.extend(await made.ends())
    found = [(name, record.offset) async for name, record in made.read()]
    assert [("cti.events-0", 1), ("cti.events-0", 4)] == found


async def test_only_some_record_types_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By topic. A record without a key, or a deletion, belongs to no call."""
    on = Kafka({partition(CALLS): {0: 1}, partition(CTI_EVENTS): {0: 1}})
    made = await started(on, monkeypatch)

    def wanted(topic: Topic, value: bytes | None, key: bytes | None = b"WT1") -> bool:
        on.values[partition(topic), 0] = value
        record: Any = on.record(partition(topic), 0)
        record.key = key
        return made.is_wanted(record)

    tick = encode(Tick(1))
    assert wanted(CALLS, tick)
    assert not wanted(CTI_EVENTS, tick)
    assert not wanted(CALLS, b"no record")
    assert not wanted(CALLS, tick, None)
    assert not wanted(CALLS, None)


async def test_the_last_tick_is_the_time_of_the_live_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest of all partitions; 0 without any."""
    on = kafka(p0={0: 1})
    made = await started(on, monkeypatch)
    assert 0 == await made.last_tick()
    on.partitions |= {partition(TICKS, n): {} for n in range(TICKS.partitions)}
    assert 0 == await made.last_tick()
    on.partitions |= {partition(TICKS, 3): {7: 100, 8: 250}, partition(TICKS, 5): {2: 200}}
    assert 250 == await made.last_tick()
    assert 2 == sum(each.is_running for each in on.consumers)  # those of the sources
