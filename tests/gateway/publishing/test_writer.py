"""The writer, with producers that fail in all ways."""

import asyncio

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    for_code,
)

from schemas import codec
from schemas.records import MediaBatch, MediaDropped, Run, Tick, TrackBatch
from tests.gateway.publishing.producers import FakeProducer, taken, writing
from tests.virtual_time import VirtualPolicy


@pytest.fixture
def event_loop_policy() -> VirtualPolicy:
    """The writer's pauses pass at once."""
    return VirtualPolicy()


async def test_records_go_out_in_order():
    """And `flushed` is true once all were acknowledged."""
    producer = FakeProducer(taken)
    async with writing(producer) as publisher:
        for number in range(20):
            assert publisher.publish("t", b"k", Tick(number))
        assert await publisher.flushed(5)
    assert list(range(20)) == producer.sent
    assert producer.stopped
    assert publisher.waiting_for() == 0
    assert publisher.filled() == 0


async def test_a_producer_that_gives_up_is_replaced_and_all_goes_out_again_in_order():
    """Acknowledged records are not sent again."""
    answers = {2: OutOfOrderSequenceNumber(), 3: "later", 4: "later"}
    first = FakeProducer(lambda tick: answers.get(tick.at))
    second = FakeProducer(taken)
    async with writing(first, second) as publisher:
        for number in range(5):
            publisher.publish("t", b"k", Tick(number))
        assert await publisher.flushed(5)
    assert [0, 1, 2] == first.sent[:3]
    assert [2, 3, 4] == second.sent
    assert first.stopped


async def test_a_producer_that_cannot_start_is_tried_again():
    """Kafka may be away when the gateway comes up."""
    second = FakeProducer(taken)
    async with writing(FakeProducer(taken, KafkaConnectionError("away")), second) as publisher:
        publisher.publish("t", b"k", Tick(1))
        assert await publisher.flushed(5)
    assert [1] == second.sent


async def test_a_full_producer_holds_the_writer_and_loses_nothing():
    """A time-out of `send` says that the record was not taken: the same one is sent again."""
    refusals = [KafkaTimeoutError(), KafkaTimeoutError()]
    producer = FakeProducer(lambda tick: refusals.pop() if tick.at == 1 and refusals else None)
    async with writing(producer) as publisher:
        for number in range(3):
            publisher.publish("t", b"k", Tick(number))
        assert await publisher.flushed(5)
    assert [0, 1, 2] == producer.sent


def batch(number: int, size: int = 160) -> MediaBatch:
    track = TrackBatch("inbound", (Run(20 * number, 1, 20, size),), 0, bytes(size))
    return MediaBatch("MZ1", "CA1", "WT1", "gateway-0", 7, number, 5, None, None, (track,))


class PickyProducer:
    """A producer to a topic that takes no record of more than `most` bytes, in producer batches of
    `together`: as a broker does, it refuses a whole one for one record. After that every other is
    out of order. `by_itself`: it refuses such a record at once, as aiokafka does for very large
    ones."""

    def __init__(self, log: list[bytes], *, together: int = 3, by_itself: bool = False) -> None:
        self.log = log
        self.most = 2_000
        self._together = together
        self._by_itself = by_itself
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._broken = False

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def send(self, topic, value, *, key, partition):
        if self._by_itself and len(value) > self.most:
            raise MessageSizeTooLargeError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, future))
        if len(self._waiting) == self._together:
            self._deliver()
        else:
            asyncio.get_running_loop().call_later(0.01, self._deliver)
        return future

    def _deliver(self) -> None:
        waiting, self._waiting = self._waiting, []
        error: Exception | None = OutOfOrderSequenceNumber() if self._broken else None
        if any(len(value) > self.most for value, _ in waiting):
            error = MessageSizeTooLargeError()
        for value, future in waiting:
            if error is None:
                self.log.append(value)
                future.set_result(None)
            else:
                self._broken = True
                future.set_exception(error)


@pytest.mark.parametrize("by_itself", [True, False])
@pytest.mark.parametrize("bad", [{4}, {0}, {9}, {3, 4, 8}])
async def test_a_record_that_kafka_refuses_for_good_is_reported_in_its_place(bad, by_itself):
    """Nothing else is lost, though a whole producer batch is refused for it; and the line goes
    on."""
    log: list[bytes] = []
    producers = [PickyProducer(log, by_itself=by_itself) for _ in range(9)]
    async with writing(*producers, limit=100_000) as publisher:
        for number in range(10):
            publisher.publish("media", b"k", batch(number, 4_000 if number in bad else 160))
        assert await publisher.flushed(20)
        publisher.publish("media", b"k", batch(10))
        assert await publisher.flushed(20)
    found = [codec.decode(value) for value in log]
    assert list(range(11)) == [
        record.first_number if isinstance(record, MediaDropped) else record.number
        for record in found
    ]
    dropped = [record for record in found if isinstance(record, MediaDropped)]
    assert sorted(bad) == [record.last_number for record in dropped]
    assert {"refused"} == {record.reason for record in dropped}
    assert [(20 * n, 1, 4_000) for n in sorted(bad)] == [
        (run.timestamp, run.frames, run.size) for record in dropped for run in record.tracks[0].runs
    ]


async def test_another_record_that_kafka_refuses_for_good_is_dropped():
    """Nothing can take its place."""
    answers = {2: for_code(87)(), 3: "later", 4: "later"}
    first = FakeProducer(lambda tick: answers.get(tick.at))
    second = FakeProducer(lambda tick: answers.get(tick.at))
    third = FakeProducer(taken)
    async with writing(first, second, third) as publisher:
        for number in range(5):
            publisher.publish("t", b"k", Tick(number))
        assert await publisher.flushed(5)
        assert 0 == publisher._lanes.room.used
    assert [2] == second.sent
    assert [3, 4] == third.sent


async def test_what_an_administrator_can_allow_is_not_refused_for_good():
    """The record waits, and all behind it."""
    first = FakeProducer(lambda tick: TopicAuthorizationFailedError())
    async with writing(first, FakeProducer(taken)) as publisher:
        publisher.publish("t", b"k", Tick(1))
        assert await publisher.flushed(5)
