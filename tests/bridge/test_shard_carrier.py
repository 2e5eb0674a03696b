"""A shard is carried exactly once and in order, despite failures and other carriers."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.kinesis_reader import Batch
from bridge.shard_carrier import CarrierWorld, CarryEnd, ShardCarrier
from pipeline.kinesis.messages import KinesisRecord, Message
from pipeline.kinesis.period import Period
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.telemetry import Health
from schemas.codec import decode
from schemas.records import BridgeCheckpoint
from tests.bridge.fakes import FakeKafka, FakeKinesis, FakeReader, FakeWriter, Fate, world
from tests.bridge.outside import event, number_of
from tests.examples import examples
from tests.virtual_time import virtually

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
@given(st.sampled_from(["read", "write", "start", "checkpoint"]), st.integers(1, 9))
def test_a_stop_is_between_transactions(moment: str, times: int) -> None:
    """A carrier that is stopped completes the transaction under way and begins no other; the next
    carrier continues from its position."""
    kafka, source, script = FakeKafka(), kinesis(), Counter[str]()

    def fate(now: str) -> str:
        script[now] += 1
        if script[moment] == times:
            first.stop.set()
        return ""

    first = ShardCarrier(world(kafka, source, fate, Health()), PLACE)
    ended = asyncio.run(first.run())
    if script[moment] >= times:
        assert CarryEnd.STOPPED is ended
        assert times == script[moment]
        assert (times if moment == "write" else script["write"]) == len(kafka.log)
    assert (0, 0) == (kafka.open_writers, source.open_readers)
    if ended is CarryEnd.STOPPED:
        second = ShardCarrier(world(kafka, source, fate_of([]), Health()), PLACE)
        assert CarryEnd.FINISHED is asyncio.run(second.run())
    assert list(range(COUNT)) == numbers(kafka)


def test_a_stop_ends_a_read_and_a_pause() -> None:
    """Neither a read without an answer nor a pause after a failure delays the end."""
    for script in ("hang", "before"):
        carrier = ShardCarrier(_waiting_world(script), PLACE)

        async def stopped(running: ShardCarrier = carrier) -> CarryEnd:
            task = asyncio.ensure_future(running.run())
            await asyncio.sleep(1)
            assert not task.done()
            running.stop.set()
            return await task

        assert CarryEnd.STOPPED is virtually(stopped())


def _waiting_world(script: str) -> CarrierWorld:
    """A world in which reads take an hour ("hang") or fail, and each pause takes an hour."""

    class Slow(FakeReader):
        async def read(self) -> Batch:
            if script == "hang":
                await asyncio.sleep(3_600)
            return await super().read()

    async def reader(_: Place, position: str | None, __: int | None) -> FakeReader:
        return Slow(kinesis(), position, fate_of([script] * 9))

    made = world(FakeKafka(), kinesis(), fate_of([]), Health())
    return replace(made, reader=reader, pause=lambda _: asyncio.sleep(3_600))


def test_a_closed_shard_that_never_says_so_is_finished() -> None:
    """An emulator gives a closed shard an iterator for ever: the answer of ListShards is enough."""
    kafka = FakeKafka()
    carrier = ShardCarrier(world(kafka, kinesis(endless=True), fate_of([]), Health()), PLACE)
    carrier.closed = True
    assert CarryEnd.FINISHED is asyncio.run(carrier.run())
    assert list(range(COUNT)) == numbers(kafka)
    assert kafka.checkpoints[PLACE.key].finished


@pytest.mark.parametrize(("closed", "behind_ms"), [(False, 0), (True, 1)])
def test_a_shard_is_read_on_however_often_it_is_empty(closed: bool, behind_ms: int) -> None:
    """Only empty reads of a closed shard finish it, and only at its tip."""
    kafka, left = FakeKafka(), 40

    def fate(moment: str) -> str:
        nonlocal left
        left -= moment == "read"
        if left == 0:
            carrier.stop.set()
        return ""

    source = FakeKinesis(RECORDS, STREAM, endless=True, behind_ms=behind_ms)
    carrier = ShardCarrier(world(kafka, source, fate, Health()), PLACE)
    if closed:
        carrier.closed = True
    assert CarryEnd.STOPPED is asyncio.run(carrier.run())
    assert list(range(COUNT)) == numbers(kafka)
    assert not kafka.checkpoints[PLACE.key].finished


def test_a_failing_shard_is_unhealthy_and_tried_ever_more_rarely() -> None:
    """Pauses of 0.5 to 5 s; the health names the failure until a read succeeds, and the next
    failure begins with the shortest pause again."""
    health = Health()
    pauses: list[float] = []
    found: list[list[str]] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        found.append(list(health.reasons.values()))

    def fate(moment: str) -> str:
        if moment == "write":
            found.append(list(health.reasons.values()))
        return next(rest, "")

    # start, checkpoint, six failing reads; then a good read, its four writes, and a failing read
    rest = iter(["", "", *["before"] * 6, "", *[""] * 4, "before"])
    made = replace(world(FakeKafka(), kinesis(), fate, health), pause=pause)
    assert CarryEnd.FINISHED is asyncio.run(ShardCarrier(made, PLACE).run())
    assert [0.5, 1, 2, 4, 5, 5, 0.5] == pauses
    failing = ["KinesisUnavailable: no answer"]
    assert [failing] * 6 == found[:6]
    assert failing == found[10]
    assert [] == found[-1]
    assert {} == health.reasons


def test_a_carrier_that_was_fenced_pauses_longer() -> None:
    """Long enough for the group to report the other owner: 2.5 s at least."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    def fate(moment: str) -> str:
        if moment == "write" and not pauses:
            kafka.epochs[PLACE.transactional_id] += 1
        return ""

    kafka = FakeKafka()
    made = replace(world(kafka, kinesis(), fate, Health()), pause=pause)
    assert CarryEnd.FINISHED is asyncio.run(ShardCarrier(made, PLACE).run())
    assert [2.5] == pauses
    assert list(range(COUNT)) == numbers(kafka)


def test_only_the_period_is_carried() -> None:
    """Reading starts at its beginning, records outside of it are skipped, and a shard that has
    passed its end is finished."""
    kafka, source = FakeKafka(), kinesis(endless=True)
    made = world(kafka, source, fate_of([]), Health())
    carrier = ShardCarrier(made, PLACE, Period(1_001, 1_003))
    carrier.closed = True
    assert CarryEnd.FINISHED is asyncio.run(carrier.run())
    assert [1, 2, 3, 4] == numbers(kafka)
    assert [(None, 1_001)] == source.read_from


def test_the_checkpoint_says_how_far_which_bridge_is() -> None:
    """In the middle of a record, after its last event, and when the shard is finished."""
    kafka = FakeKafka()
    written: list[BridgeCheckpoint] = []

    class Writer(FakeWriter):
        async def write(self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint) -> None:
            written.append(checkpoint)
            await super().write(messages, checkpoint)

    made = replace(
        world(kafka, FakeKinesis(RECORDS[:2], STREAM), fate_of([]), Health()),
        writer=lambda place, _: Writer(kafka, place, fate_of([])),
        now=lambda: 5_000,
    )
    asyncio.run(ShardCarrier(made, PLACE).run())
    assert [
        ("1", 0, 1_000, False),
        ("1", 1, 1_000, False),
        ("1", 2, 1_000, False),
        ("2", 0, 1_001, False),
        ("2", 0, 1_001, True),
    ] == [(c.sequence_number, c.elements, c.arrived_at, c.finished) for c in written]
    lease = (PLACE.name, STREAM.kinesis_stream, STREAM.created_at, "shardId-0", "bridge-0", 5_000)
    assert {lease} == {
        (c.name, c.kinesis_stream, c.stream_created_at, c.shard_id, c.instance, c.at)
        for c in written
    }


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
