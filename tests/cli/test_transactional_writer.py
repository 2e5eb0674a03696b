"""Transactions of a command are complete or not committed. With Kafka: tests/integration."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from cli import transactional_writer
from cli.transactional_writer import TransactionalWriter, TransactionLimits
from pipeline.runtime.settings import Settings
from tests.virtual_time import virtually


class Producer:
    """A producer that answers each record with the next of `answers`; None: never."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.steps: list[str] = []

    async def begin_transaction(self) -> None:
        self.steps.append("begin")

    async def commit_transaction(self) -> None:
        self.steps.append("commit")

    async def send(self, topic: str, value: bytes) -> "asyncio.Future[object]":
        self.steps.append(f"{topic} {value.decode()}")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        match self.answers.pop(0):
            case Exception() as error:
                future.set_exception(error)
            case None:
                pass
            case answer:
                future.set_result(answer)
        return future


class Letters(TransactionalWriter):
    """Writes texts."""

    async def write(self, *texts: bytes) -> None:
        async with self._transaction() as sent:
            for text in texts:
                sent.append(await self._send("texts", text))


def writer(monkeypatch: pytest.MonkeyPatch, producer: Producer) -> Letters:
    def made(*_: Any, **arguments: Any) -> Producer:
        assert ("test.texts-writer", 5_000) == (
            arguments["transactional_id"],
            arguments["transaction_timeout_ms"],
        )
        return producer

    monkeypatch.setattr(transactional_writer, "producer", made)
    limits = TransactionLimits(5_000, start_s=1.0, write_s=4.0)
    settings = Settings(topic_prefix="test.")
    return Letters(settings, "texts", "texts-writer", limits, linger_ms=0)


def test_all_records_are_committed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last one was acknowledged, under the prefix of the settings."""
    producer = Producer("at 1", "at 2")
    virtually(writer(monkeypatch, producer).write(b"a", b"b"))
    assert ["begin", "test.texts a", "test.texts b", "commit"] == producer.steps


def test_a_refused_record_prevents_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit does not check this itself: the other records would be there without it."""
    producer = Producer(MessageSizeTooLargeError("too large"), "at 2")
    with pytest.raises(MessageSizeTooLargeError):
        virtually(writer(monkeypatch, producer).write(b"a", b"b"))
    assert "commit" not in producer.steps


def test_a_record_without_an_answer_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer gives up before the broker aborts the transaction."""
    producer = Producer("at 1", None)
    with pytest.raises(TimeoutError):
        virtually(writer(monkeypatch, producer).write(b"a", b"b"))
    assert "commit" not in producer.steps
