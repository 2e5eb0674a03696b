"""A shard is carried exactly once and in order, despite failures and other carriers."""

import asyncio
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.shard_carrier import CarryEnd, ShardCarrier
from pipeline.kinesis.messages import KinesisRecord
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.telemetry import Health
from schemas.codec import decode
from tests.bridge.fakes import FakeKafka, FakeKinesis, Fate, world
from tests.bridge.outside import event, number_of
from tests.examples import examples

STREAM = Incarnation("flex-events", 1)
PLACE = Place(STREAM.kinesis_stream, STREAM.created_at, "shardId-0")

COUNT = 9
HELD = [[0], [1, 2, 3], [4], [5, 6], [7], [8]]
"""The numbers of the events in each record; a transaction carries one event (`fakes.world`)."""

RECORDS = [
    KinesisRecord(str(n + 1), 1_000 + n, b"[" + b",".join(event(e, "a") for e in held) + b"]")
    for n, held in enumerate(HELD)
]

fates = st.lists(st.sampled_from(["", "", "slow", "before", "after"]), max_size=30)


def fate_of(script: list[str]) -> Fate:
    """Goes through the script once, then all goes well."""
    rest: Iterator[str] = iter(script)
    return lambda _: next(rest, "")


def numbers(kafka: FakeKafka) -> list[int]:
    """Return the numbers of the events on cti.events."""
    return [number_of(decode(message.value)) for message in kafka.log]


def kinesis(*, endless: bool = False) -> FakeKinesis:
    """The shard with all records."""
    return FakeKinesis(RECORDS, STREAM, endless)


@settings(deadline=None)
@given(fates)
def test_whatever_fails_each_event_is_written_once(script: list[str]) -> None:
    """Failures anywhere, commits of unknown outcome among them: each event once, in order, and
    the shard is finished at the end, healthy."""
    kafka, health = FakeKafka(), Health()
    carrier = ShardCarrier(world(kafka, kinesis(), fate_of(script), health), PLACE)
    assert CarryEnd.FINISHED is asyncio.run(carrier.run())
    assert list(range(COUNT)) == numbers(kafka)
    checkpoint = kafka.checkpoints[PLACE.key]
    assert (True, str(len(HELD)), 0) == (
        checkpoint.finished, checkpoint.sequence_number, checkpoint.elements,
    )  # fmt: skip
    assert {} == health.reasons


@settings(max_examples=examples(150), deadline=None)
@given(fates, fates)
def test_two_that_believe_they_own_it_write_each_event_once(a: list[str], b: list[str]) -> None:
    """Two carriers of one shard at the same time fence each other, and write nothing twice."""
    kafka = FakeKafka()

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for script in (a, b):
                made = world(kafka, kinesis(), fate_of(script), Health())
                group.create_task(ShardCarrier(made, PLACE).run())

    asyncio.run(both())
    assert list(range(COUNT)) == numbers(kafka)


@settings(deadline=None)
@given(st.integers(1, 12))
def test_a_stop_is_between_transactions(reads: int) -> None:
    """A carrier that is stopped at any time ends, and the next one continues from its position."""
    kafka = FakeKafka()
    left = reads

    def fate(moment: str) -> str:
        nonlocal left
        left -= moment == "read"
        if left == 0:
            first.stop.set()
        return ""

    first = ShardCarrier(world(kafka, kinesis(), fate, Health()), PLACE)
    ended = asyncio.run(first.run())
    if ended is CarryEnd.STOPPED:
        second = ShardCarrier(world(kafka, kinesis(), fate_of([]), Health()), PLACE)
        assert CarryEnd.FINISHED is asyncio.run(second.run())
    assert list(range(COUNT)) == numbers(kafka)


def test_a_closed_shard_that_never_says_so_is_finished() -> None:
    """An emulator gives a closed shard an iterator for ever: ListShards' word is enough."""
    kafka = FakeKafka()
    carrier = ShardCarrier(world(kafka, kinesis(endless=True), fate_of([]), Health()), PLACE)
    carrier.closed = True
    assert CarryEnd.FINISHED is asyncio.run(carrier.run())
    assert list(range(COUNT)) == numbers(kafka)
    assert kafka.checkpoints[PLACE.key].finished


def test_another_incarnation_is_not_read_on() -> None:
    """Once Kinesis did not answer, nothing is read before the stream is known to be the same."""
    for now in (None, Incarnation(STREAM.kinesis_stream, 2)):
        kafka, other = FakeKafka(), kinesis()
        other.incarnation = now
        script = ["", "", "before"]  # the first read fails
        carrier = ShardCarrier(world(kafka, other, fate_of(script), Health()), PLACE)
        assert CarryEnd.GONE is asyncio.run(carrier.run())
        assert [] == numbers(kafka)


def test_a_finished_shard_is_not_read_again() -> None:
    """Taking over what another has finished ends at once."""
    kafka = FakeKafka()
    for _ in range(2):
        carrier = ShardCarrier(world(kafka, kinesis(), fate_of([]), Health()), PLACE)
        assert CarryEnd.FINISHED is asyncio.run(carrier.run())
    assert list(range(COUNT)) == numbers(kafka)
