"""The publisher: the limits of its buffer in memory and on disk."""

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaTimeoutError

from gateway.publishing.spill import Spills
from schemas import codec
from schemas.records import Tick
from tests.gateway.publishing.producers import FakeProducer, taken, writing


async def until(holds: Callable[[], bool]) -> None:
    """Waits for it."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - it is no event of ours
            await asyncio.sleep(0.005)


async def test_a_full_buffer_refuses_batches_and_nothing_else():
    """The caller learns of it at once; records that must not be dropped are still accepted."""
    async with writing(FakeProducer(lambda _: "later"), limit=40) as publisher:
        size = len(codec.encode(Tick(1_700_000_000_000)))
        room = 40 // size
        accepted = [
            publisher.publish("t", b"k", Tick(1_700_000_000_000), droppable=True)
            for _ in range(room + 2)
        ]
        assert [True] * room + [False, False] == accepted
        assert publisher.publish("t", b"k", Tick(1_700_000_000_000))
        assert not await publisher.flushed(0.05)


async def test_what_kafka_does_not_take_goes_to_disk_and_follows_in_order(tmp_path):
    """Though it is many times what memory holds; and nothing is left on disk in the end."""
    takes = False
    producer = FakeProducer(lambda tick: None if takes else KafkaTimeoutError())
    spills = Spills(tmp_path, 10**6)
    async with writing(producer, limit=2_000, spills=spills) as publisher:
        for at in range(1_000):
            await until(lambda: publisher._lanes.room.used < 1_500)
            assert publisher.publish("ticks", None, Tick(at), droppable=True)
        assert publisher._lanes.room.used < 2_000 < spills.size
        takes = True
        assert await publisher.flushed(20)
        await until(lambda: not spills.size)
    assert list(range(1_000)) == producer.sent


async def test_what_a_stopped_process_could_not_send_is_sent_by_the_next(tmp_path):
    """Before anything of its own."""
    never = FakeProducer(lambda tick: KafkaTimeoutError())
    async with writing(never, limit=10_000, spills=Spills(tmp_path, 10**6)) as publisher:
        for at in range(100):
            assert publisher.publish("ticks", None, Tick(at))
    producer = FakeProducer(taken)
    async with writing(producer, limit=10_000, spills=Spills(tmp_path, 10**6)) as publisher:
        assert publisher.publish("ticks", None, Tick(100))
        assert await publisher.flushed(20)
    assert list(range(101)) == producer.sent


async def test_a_full_disk_is_a_reason_to_drop_and_is_reported(tmp_path):
    """Memory takes as much as it can."""
    spills = Spills(tmp_path, 1_000)
    never = FakeProducer(lambda tick: KafkaTimeoutError())
    async with writing(never, limit=2_000, spills=spills) as publisher:
        at = 0
        while publisher.publish("ticks", None, Tick(at), droppable=True) or not spills.is_full:
            at += 1
            await asyncio.sleep(0)
        assert "spill-full" == publisher.why_full
        assert publisher.filled() >= 1
        assert not publisher.has_room("ticks", b"")
        assert publisher.publish("ticks", None, Tick(at)), "a report of it is taken"
