"""Repeat a request to Kafka until it is answered: for information that a role needs before it can
work, at its start and after an outage. aiokafka fails such a request after its request time-out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import (
    BrokerNotAvailableError,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    ReplicaNotAvailableError,
    UnknownError,
)

from pipeline.error_text import error_text
from pipeline.runtime.state_log import Lasting
from pipeline.runtime.telemetry import Health

REASON = "kafka-answers"
"""The name of the reason in a role's health."""
AGAIN_S = 0.5
_PASSING = (
    BrokerNotAvailableError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    ReplicaNotAvailableError,
    UnknownError,
)

T = TypeVar("T")


def is_passing(error: BaseException) -> bool:
    """Return whether the same request may succeed later, because Kafka or a partition's leader is
    unavailable or slow. A refusal (no permission, not assigned) is not passing."""
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, _PASSING)
    return isinstance(error, OSError)  # TimeoutError is one


async def until_answered(
    ask: Callable[[], Awaitable[T]],
    what: str,
    health: Health,
    *,
    attempt_s: float | None = None,
    also: tuple[type[Exception], ...] = (),
) -> T:
    """Return the result of `ask`. Repeat it after a failure that may pass, or that is one of
    `also`.

    Meanwhile `health` has the reason `kafka-answers` with `what`, and there is one log line a
    minute. `attempt_s`: limit of one attempt (s); by default, the client's own limits apply. The
    wait ends with an answer, with cancellation, or with an error that does not pass.
    """
    loop = asyncio.get_running_loop()
    said = Lasting("Kafka does not answer; asking again", "Kafka answers again")
    try:
        while True:
            try:
                async with asyncio.timeout(attempt_s):
                    answer = await ask()
            except Exception as error:
                if not is_passing(error) and not isinstance(error, also):
                    raise
                reason = f"no answer from Kafka: {what}: {error_text(error)}"
            else:
                said.ends()
                return answer
            health.bad(REASON, reason)
            said.lasts(loop.time(), reason)
            await asyncio.sleep(AGAIN_S)
    finally:
        health.good(REASON)
