"""Repeat what the recordings store or Kafka failed to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError

from agents.recorder.metrics import (
    FAILURES,
)
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import StoreError

log = structlog.get_logger(__name__)

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
KAFKA_PATIENCE_S = 120.0

T = TypeVar("T")


class GivenUp(Exception):
    """The work was not carried out, because the process ends or loses its partitions."""


class Retry:
    """Repeats actions while the store or Kafka fails, and sets health to bad meanwhile. Once
    `giving_up` is set, it raises `GivenUp` instead. `moved` counts completed attempts, failed ones
    too."""

    def __init__(self, health: Health) -> None:
        self.giving_up = asyncio.Event()
        self.moved = 0
        self._health = health
        self._failing: dict[str, int] = {"recordings-store": 0, "kafka": 0}

    async def persist(self, action: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `action`; retry while the store or Kafka fails.

        Raise `GivenUp` once `giving_up` is set, and errors for which a retry does not help."""
        delay, began, failing = FIRST_DELAY_S, time.monotonic(), ""
        try:
            while True:
                try:
                    return await action()
                except (StoreError, KafkaError) as error:
                    if (
                        isinstance(error, KafkaError)
                        and time.monotonic() - began > KAFKA_PATIENCE_S
                    ):
                        raise
                    failing = self._failed(error, failing)
                if await _is_set_within(self.giving_up, delay):
                    raise GivenUp
                delay = min(2 * delay, LONGEST_DELAY_S)
        finally:
            self.move()
            self._works_again(failing)

    def move(self) -> None:
        """Note that an attempt completed."""
        self.moved += 1

    def _failed(self, error: StoreError | KafkaError, failing: str) -> str:
        self.move()
        where = "kafka" if isinstance(error, KafkaError) else "recordings-store"
        FAILURES.labels(where).inc()
        self._health.bad(where, f"cannot write: {error}")
        log.error("cannot write; retrying", where=where, error=str(error))
        if where != failing:
            self._works_again(failing)
            self._failing[where] += 1
        return where

    def _works_again(self, failing: str) -> None:
        if failing:
            self._failing[failing] -= 1
            if not self._failing[failing]:
                self._health.good(failing)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
