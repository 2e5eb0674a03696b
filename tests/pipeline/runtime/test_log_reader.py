"""Parts of partitions, read from one offset to another."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.runtime import log_reader
from pipeline.runtime.log_reader import Log, ProgressPrinter, Span
from pipeline.runtime.settings import Settings
from schemas.topics import CALLS, POLICY
from tests.examples import examples
from tests.pipeline.runtime.log_consumers import Kafka

PREFIX = "test."
POLICY_0 = TopicPartition(PREFIX + POLICY.name, 0)


def log_of(kafka: Kafka, patch: pytest.MonkeyPatch, progress: Any = lambda *_: None) -> Log:
    """Return a log on this Kafka."""
    patch.setattr(log_reader, "consumer", kafka.consumer)
    return Log(Settings(topic_prefix=PREFIX), progress)


def policy(*times: int, end: int | None = None) -> Kafka:
    """The topic `policy` with a record at each of these times, from offset 10 on."""
    ends = {} if end is None else {POLICY_0: end}
    return Kafka({POLICY_0: {10 + n: at for n, at in enumerate(times)}}, ends)


@pytest.mark.parametrize(
    ("since", "until", "start", "end"),
    [
        (None, None, 10, 14),
        (200, None, 11, 14),
        (150, None, 11, 14),
        (None, 300, 10, 12),  # `until` is exclusive
        (None, 301, 10, 13),
        (200, 300, 11, 12),
        (900, None, 14, 14),  # nothing is that late
        (None, 50, 10, 10),
        (400, 200, 13, 13),  # no negative span
    ],
)
async def test_a_span_between_two_times(
    since: int | None, until: int | None, start: int, end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with the first record at `since` or later, and ends before the first at `until`."""
    log = log_of(policy(100, 200, 300, 400), monkeypatch)
    assert Span(POLICY_0, start, end) == await log.span(POLICY, 0, since=since, until=until)


async def test_a_span_ends_at_the_last_committed_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of an open transaction may be found by its time, but not be read."""
    log = log_of(policy(100, 200, 300, end=11), monkeypatch)
    assert Span(POLICY_0, 10, 11) == await log.span(POLICY, 0, until=250)
    assert Span(POLICY_0, 11, 11) == await log.span(POLICY, 0, since=250)


async def test_the_spans_of_a_topic_are_its_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, in order, under the prefix."""
    calls = [TopicPartition(PREFIX + CALLS.name, n) for n in range(CALLS.partitions)]
    kafka = Kafka({each: {each.partition: 1} for each in calls})
    log = log_of(kafka, monkeypatch)
    assert [Span(each, n, n + 1) for n, each in enumerate(calls)] == await log.spans(CALLS)
    assert await log.has(CALLS)
    assert not await log.has(POLICY)


OFFSETS = st.sets(st.integers(0, 12)).map(lambda offsets: dict.fromkeys(offsets, 1))


@given(st.lists(st.tuples(OFFSETS, st.integers(0, 14), st.integers(0, 14)), max_size=3))
@settings(max_examples=examples(30))
def test_each_record_of_the_spans_is_read_once(
    partitions: list[tuple[dict[int, int], int, int]],
) -> None:
    """In order, and none outside of the spans, also if they end in marks of transactions. The
    consumer is stopped, and the progress reaches the end of each span."""
    names = [TopicPartition("x", n) for n in range(len(partitions))]
    kafka = Kafka(
        {name: offsets for name, (offsets, _, _) in zip(names, partitions, strict=True)},
        dict.fromkeys(names, 15),
    )
    progress: dict[str, tuple[int, int]] = {}
    spans = [Span(n, start, end) for n, (_, start, end) in zip(names, partitions, strict=True)]

    async def run(patch: pytest.MonkeyPatch) -> dict[TopicPartition, list[int]]:
        log = log_of(kafka, patch, lambda name, *done: progress.update({name: done}))
        found: dict[TopicPartition, list[int]] = {name: [] for name in names}
        async for record in log.read_all(spans):
            found[record.partition].append(record.offset)
        return found

    with pytest.MonkeyPatch.context() as patch:
        found = asyncio.run(run(patch))
    for span in spans:
        records = kafka.partitions[span.partition]
        assert [n for n in sorted(records) if span.start <= n < span.end] == found[span.partition]
        if span.start < span.end:
            assert (span.end - span.start,) * 2 == progress[span.name]
    assert not any(each.is_running for each in kafka.consumers)


async def test_a_reader_that_stops_early_leaves_no_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its consumer is stopped when the iteration is closed."""
    kafka = policy(100, 200, 300)
    reading = log_of(kafka, monkeypatch).read(Span(POLICY_0, 11, 13))
    assert 11 == (await anext(reading)).offset
    await reading.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    assert not any(each.is_running for each in kafka.consumers)


def test_progress_is_printed_at_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 2 s, and not for a span that is read."""
    now = [0.0]
    monkeypatch.setattr(log_reader, "time", SimpleNamespace(monotonic=lambda: now[0]))
    printer = ProgressPrinter()
    for now[0], done in ((1.9, 1_000), (2.0, 2_000), (3.0, 3_000), (4.0, 4_000), (9.0, 5_000)):
        printer("calls, partition 3", done, 5_000)
    lines = capsys.readouterr().err.splitlines()
    assert [f"flexcapture: calls, partition 3: {n},000 of 5,000 read" for n in (2, 4)] == lines
