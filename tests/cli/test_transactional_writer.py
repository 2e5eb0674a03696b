"""Transactions of a command are complete or not committed. With Kafka: tests/integration."""

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from cli.transactional_writer import TransactionalWriter, TransactionLimits
from pipeline.runtime.settings import Settings
from tests.cli.transactions import next_producer
from tests.transactional_producer import TransactionalProducer
from tests.virtual_time import virtually

TEXTS = "p.texts"


class Texts(TransactionalWriter):
    """Writes texts."""

    def __init__(self) -> None:
        limits = TransactionLimits(5_000, start_s=1.0, write_s=4.0)
        super().__init__(Settings(topic_prefix="p."), "texts", "writer", limits, linger_ms=0)

    async def write(self, *texts: bytes) -> None:
        """Write the texts in one transaction."""
        async with self._transaction() as sent:
            for text in texts:
                sent.append(await self._send("texts", text, None))


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> TransactionalProducer:
    """The producer of the next writer."""
    return next_producer(monkeypatch)


def test_all_records_are_committed_together(kafka: TransactionalProducer) -> None:
    """After the last one, under the prefix of the settings."""
    virtually(Texts().write(b"a", b"b"))
    assert ["begin", (TEXTS, b"a", None, {}), (TEXTS, b"b", None, {}), "commit"] == kafka.steps
    assert "p.writer" == kafka.arguments["transactional_id"]
    assert 5_000 == kafka.arguments["transaction_timeout_ms"]


def test_a_refused_record_prevents_the_commit(kafka: TransactionalProducer) -> None:
    """A commit does not check this itself: the other records would be written without it."""
    kafka.fate[TEXTS] = MessageSizeTooLargeError("too large")
    with pytest.raises(MessageSizeTooLargeError):
        virtually(Texts().write(b"a", b"b"))
    assert "commit" not in kafka.steps


def test_a_record_without_an_answer_is_a_time_out(kafka: TransactionalProducer) -> None:
    """The writer gives up before the broker aborts the transaction."""
    kafka.fate[TEXTS] = "silent"
    with pytest.raises(TimeoutError):
        virtually(Texts().write(b"a"))
    assert "commit" not in kafka.steps


def test_a_start_without_an_answer_is_a_time_out(kafka: TransactionalProducer) -> None:
    """The command ends with this error."""
    kafka.fate["start"] = "silent"
    with pytest.raises(TimeoutError):
        virtually(Texts().start())


def test_a_closed_writer_is_disconnected(kafka: TransactionalProducer) -> None:
    """Its transactional id is free at once."""
    virtually(Texts().close())
    assert ["stop"] == kafka.steps


def test_a_writer_whose_records_cannot_be_sent_is_closed(kafka: TransactionalProducer) -> None:
    """As if their topic was deleted: the producer would wait for them for ever."""
    kafka.fate["stop"] = "silent"
    virtually(Texts().close())
    assert ["stop"] == kafka.steps
