"""What a role must know from Kafka is asked again until it is answered."""

import asyncio

import pytest
import structlog
from aiokafka.errors import (
    IllegalStateError,
    KafkaConnectionError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    TopicAuthorizationFailedError,
)

from pipeline.error_text import error_text
from pipeline.runtime.kafka_answers import REASON, is_passing, until_answered
from pipeline.runtime.telemetry import Health
from tests.virtual_time import virtually

PASSING = [
    KafkaTimeoutError("Failed to get offsets by times in 12000 ms"),
    KafkaConnectionError("no answer"),
    LeaderNotAvailableError(),
    ConnectionResetError(),
    TimeoutError(),
]
LASTING = [TopicAuthorizationFailedError("policy"), IllegalStateError("moved"), ValueError("x")]


class Asked:
    """Fails with the given errors in turn, then answers. An attempt takes 12 s."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.seen: list[str | None] = []
        self.health = Health()

    async def __call__(self) -> str:
        self.seen.append(self.health.reasons.get(REASON))
        await asyncio.sleep(12)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_failure_that_passes_is_asked_again(error: Exception) -> None:
    """Health meanwhile names the request and the error, even if the error has no text. It is good
    after the answer."""
    asked = Asked(error, error)
    assert "answer" == virtually(until_answered(asked, "the ends of policy", asked.health))
    first, *others = asked.seen
    assert first is None
    assert 2 == len(others)
    start = "no answer from Kafka: the ends of policy: "
    assert {start + error_text(error)} == {*others}
    assert {} == asked.health.reasons
    assert is_passing(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_a_refusal_is_raised(error: Exception) -> None:
    """Asking again does not help, unless the caller says so."""
    asked = Asked(error)
    with pytest.raises(type(error)):
        virtually(until_answered(asked, "x", asked.health))
    assert 1 == len(asked.seen)
    asked = Asked(error)
    virtually(until_answered(asked, "x", asked.health, also=(type(error),)))
    assert 2 == len(asked.seen)


def test_an_attempt_that_takes_too_long_is_given_up() -> None:
    """aiokafka waits for ever for the position of a partition without a leader."""
    attempts = 0

    async def ask() -> int:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(3_600 if attempts < 3 else 0)
        return attempts

    assert 3 == virtually(until_answered(ask, "a position", Health(), attempt_s=30))


def test_a_long_outage_has_one_log_line_a_minute() -> None:
    """About 24 attempts of 12 s and a pause, in five minutes."""
    asked = Asked(*[KafkaConnectionError("away")] * 24)
    with structlog.testing.capture_logs() as logged:
        virtually(until_answered(asked, "offsets", asked.health))
    lines = [line["event"] for line in logged]
    assert 5 <= sum("asking again" in line for line in lines) <= 6
    assert 1 == sum("answers again" in line for line in lines)


async def test_the_wait_can_be_cancelled() -> None:
    """SIGTERM while a role starts cancels it."""
    health = Health()

    async def ask() -> None:
        raise KafkaConnectionError("away")

    waiting = asyncio.create_task(until_answered(ask, "offsets", health))
    await asyncio.sleep(0.01)
    assert REASON in health.reasons
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert {} == health.reasons
