"""Reading checkpoints while Kafka does not answer. The contents: tests/integration."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from agents.recorder.checkpoints import read_checkpoints
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from tests.virtual_time import virtually


class Consumer:
    """A consumer that fails at its start. `stopped`: how often it was stopped."""

    stopped = 0

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def start(self) -> None:
        """Fail, or never end."""
        if self.error is None:
            await asyncio.sleep(1_000_000)
        else:
            raise self.error

    async def stop(self) -> None:
        """Disconnect."""
        self.stopped += 1


@pytest.mark.parametrize(
    "error", [KafkaConnectionError("away"), KafkaTimeoutError("12000 ms"), None], ids=repr
)
def test_partitions_that_cannot_be_read_now_are_left_out(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder pauses them and tries again; it does not end."""
    consumer = Consumer(error)
    monkeypatch.setattr(kafka, "consumer", lambda _: consumer)
    assert {} == virtually(read_checkpoints(Settings(), [3, 4]))
    assert 1 == consumer.stopped


def test_a_refusal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again does not help."""
    consumer: Any = Consumer(TopicAuthorizationFailedError("recorder.checkpoints"))
    monkeypatch.setattr(kafka, "consumer", lambda _: consumer)
    with pytest.raises(TopicAuthorizationFailedError):
        virtually(read_checkpoints(Settings(), [3]))
    assert 1 == consumer.stopped
