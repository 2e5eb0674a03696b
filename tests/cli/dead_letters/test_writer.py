"""The records of a retry and its mark are written in one transaction, or not at all."""

from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from cli.dead_letters.retrying import LetterRetry, Put
from cli.dead_letters.writer import TRANSACTIONAL_ID, RetryWriter
from pipeline.kinesis.messages import Message
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import DeadLetterRetried
from tests.cli.dead_letters.letters import letter
from tests.cli.transactions import next_producer
from tests.transactional_producer import TransactionalProducer
from tests.virtual_time import virtually

RETRY = LetterRetry((Put(Message("cti.events", b"WT1", b"event", (("h", b"1"),)), 7),))


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> TransactionalProducer:
    """The producer of the next writer."""
    return next_producer(monkeypatch)


def write(retry: LetterRetry = RETRY) -> None:
    """Write a retry of the letter 3-14."""

    async def run() -> None:
        made = RetryWriter(Settings(topic_prefix="p."))
        await made.start()
        await made.write(letter(), retry, 5_000)

    virtually(run())


def test_the_mark_is_written_with_the_records(kafka: TransactionalProducer) -> None:
    """On the letter's partition, under its ID, before the commit."""
    write()
    begin, event, (topic, value, key, more), commit = kafka.steps
    assert ("begin", "commit") == (begin, commit)
    assert ("p.cti.events", b"event", b"WT1") == event[:3]
    assert {"partition": 7, "headers": (("h", b"1"),)} == event[3]
    assert ("p.cti.dead-letters.retried", b"3-14", 3) == (topic, key, more["partition"])
    assert DeadLetterRetried(3, 14, 900, 5_000, "put-back", 1) == decode(value)


def test_a_letter_without_records_is_only_marked(kafka: TransactionalProducer) -> None:
    """So that it is not retried again."""
    write(LetterRetry(()))
    assert 3 == len(kafka.steps)
    assert "nothing-to-write" == decode(kafka.steps[1][1]).outcome


@pytest.mark.parametrize("topic", ["p.cti.events", "p.cti.dead-letters.retried"])
@pytest.mark.parametrize("fate", [MessageSizeTooLargeError(), "silent"], ids=["refused", "silent"])
def test_nothing_is_committed_unless_all_is_acknowledged(
    kafka: TransactionalProducer, topic: str, fate: Any
) -> None:
    """A commit would write the others."""
    kafka.fate[topic] = fate
    with pytest.raises((MessageSizeTooLargeError, TimeoutError)):
        write()
    assert "commit" not in kafka.steps


def test_there_is_one_writer_of_retries(kafka: TransactionalProducer) -> None:
    """All have the same transactional id, so a later one fences the others. A start that has no
    answer is given up."""
    write()
    assert f"p.{TRANSACTIONAL_ID}" == kafka.arguments["transactional_id"]
    kafka.fate["start"] = "silent"
    with pytest.raises(TimeoutError):
        write()
