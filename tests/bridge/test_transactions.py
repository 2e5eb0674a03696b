"""A portion and its checkpoint are written in one transaction, or not at all."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from bridge import transactions
from bridge.checkpoints import checkpoint_partition
from bridge.metrics import EVENTS_TRIMMED, TRANSACTIONS
from bridge.transactions import ShardWriter, written
from pipeline.kinesis.messages import TRIMMED_HEADER, Message, SizeLimits
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.topics import CTI_EVENTS
from tests.bridge.tables import checkpoint, place
from tests.transactional_producer import TransactionalProducer
from tests.virtual_time import virtually

SHARD = place("shardId-1")
CHECKPOINT = checkpoint(SHARD)


def event(key: bytes | None = b"WT1", **more: Any) -> Message:
    """Return an event."""
    return Message(CTI_EVENTS.name, key, b"event", (), **more)


class Producer(TransactionalProducer):
    """It also notes its start. `commits`: whether a commit is answered. `stops`: whether `stop`
    returns."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = True
        self.stops = True
        self.is_closed = False
        self._message_accumulator = SimpleNamespace(_batches={})
        self._txn_manager = SimpleNamespace(_transaction_waiter=None)
        self._sender = SimpleNamespace(sender_task=None)
        self.client = SimpleNamespace(close=self._close)

    async def start(self) -> None:
        self.steps.append("start")
        await super().start()

    async def commit_transaction(self) -> None:
        if not self.commits:
            await asyncio.sleep(3_600)
        await super().commit_transaction()

    async def stop(self) -> None:
        await super().stop()
        if not self.stops:
            await asyncio.sleep(3_600)

    async def _close(self) -> None:
        self.is_closed = True


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Producer:
    """The producer of the next writer."""
    made = Producer()

    def producer(_: Settings, **arguments: Any) -> Producer:
        made.arguments = arguments
        return made

    monkeypatch.setattr(transactions, "producer", producer)
    return made


def writer(limits: SizeLimits | None = None) -> ShardWriter:
    """Return the writer of the shard."""
    return ShardWriter(Settings(topic_prefix="p."), SHARD, limits or SizeLimits())


def test_the_checkpoint_is_in_the_transaction_of_its_events(kafka: Producer) -> None:
    """Events go to the partition of their key, dead letters to theirs, in order; the checkpoint is
    the last one before the commit."""
    letter = Message("cti.dead-letters", None, b"letter", (("h", b"1"),), reason="too-large")
    virtually(writer().write((event(), letter), CHECKPOINT))
    begin, first, second, (topic, value, key, more), commit = kafka.steps
    assert ("begin", "commit") == (begin, commit)
    number = partition_of(b"WT1", CTI_EVENTS.partitions)
    assert ("p.cti.events", b"event", b"WT1", number) == (*first[:3], first[3]["partition"])
    assert ("p.cti.dead-letters", b"letter", None) == second[:3]
    assert {"partition": None, "headers": (("h", b"1"),)} == second[3]
    assert ("p.bridge.checkpoints", SHARD.key.encode(), CHECKPOINT) == (topic, key, decode(value))
    assert checkpoint_partition(SHARD) == more["partition"]


@pytest.mark.parametrize("topic", ["p.cti.events", "p.bridge.checkpoints"])
@pytest.mark.parametrize("fate", [MessageSizeTooLargeError(), "silent"], ids=["refused", "silent"])
def test_nothing_is_committed_unless_all_is_acknowledged(
    kafka: Producer, topic: str, fate: Any
) -> None:
    """A commit would write the others. None of them counts as written."""
    kafka.fate[topic] = fate
    before, aborted = written(), TRANSACTIONS.labels("aborted")._value.get()
    with pytest.raises((MessageSizeTooLargeError, TimeoutError)):
        virtually(writer().write((event(),), CHECKPOINT))
    assert "commit" not in kafka.steps
    assert (before, aborted + 1) == (written(), TRANSACTIONS.labels("aborted")._value.get())


def test_a_commit_without_an_answer_has_an_unknown_outcome(kafka: Producer) -> None:
    """It is given up before the broker aborts the transaction."""
    kafka.commits = False

    async def run() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await writer().write((), CHECKPOINT)
        return asyncio.get_running_loop().time() - began

    assert virtually(run()) * 1_000 < kafka.arguments["transaction_timeout_ms"]


def test_committed_messages_are_counted(kafka: Producer) -> None:
    """Events and dead letters apart, and shortened events."""
    events, letters = written()
    trimmed = EVENTS_TRIMMED._value.get()
    short = Message(CTI_EVENTS.name, b"WT1", b"x", ((TRIMMED_HEADER, b"1"),))
    letter = Message("cti.dead-letters", None, b"x", (), reason="too-large", task_sid="WT1")
    virtually(writer().write((event(), short, letter), CHECKPOINT))
    assert (events + 2, letters + 1) == written()
    assert trimmed + 1 == EVENTS_TRIMMED._value.get()


def test_every_process_has_the_same_transactional_id(kafka: Producer) -> None:
    """So that a later one fences an earlier one. No batch is larger than a topic accepts."""
    writer(SizeLimits(event_bytes=5_000, dead_letter_bytes=3_000))
    assert f"p.{SHARD.transactional_id}" == kafka.arguments["transactional_id"]
    assert 3_000 == kafka.arguments["max_batch_size"]


def test_a_start_without_an_answer_is_given_up(kafka: Producer) -> None:
    """The caller tries again."""
    kafka.fate["start"] = "silent"
    with pytest.raises(TimeoutError):
        virtually(writer().start())


def test_a_producer_that_does_not_stop_is_closed(kafka: Producer) -> None:
    """Its sender repeats records that a lost broker never accepts: it is cancelled, as often as it
    takes, and the connections are closed."""
    kafka.stops = False

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                continue

    async def run() -> bool:
        kafka._sender.sender_task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await writer().close()
        return bool(kafka._sender.sender_task.done())

    assert virtually(run())
    assert kafka.is_closed


def test_errors_of_a_discarded_writer_are_not_logged_by_the_loop(kafka: Producer) -> None:
    """They are read when it is closed."""
    kafka.fate["p.cti.events"] = KafkaConnectionError("away")
    seen: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        made = writer()
        kafka.fate["p.bridge.checkpoints"] = KafkaConnectionError("away")
        made._sent = [await kafka.send("p.cti.events", b"", None)]
        await made.close()
        made._sent = []

    virtually(run())
    assert [] == seen
