"""A store that refuses, and Kafka that is away: nothing is dropped."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from obstore.store import MemoryStore

from agents.recorder import retry
from agents.recorder.retry import GivenUp
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from schemas.records import RecordingCompleted
from tests.agents.recorder.parts import FRAMES, FakeProducer, effects_on, story
from tests.pipeline.recordings.logs import by_the_contract


class FailingStore(AudioStore):
    """A store in memory that fails a given number of times, and calls a hook before each time."""

    def __init__(self, times: int, asked: Callable[[], None]) -> None:
        super().__init__(MemoryStore())
        self.times = times
        self.asked = asked

    async def put(self, key: str, data: bytes) -> None:
        """Or not."""
        if self.times:
            self.times -= 1
            self.asked()
            raise StoreError("No space left on device")
        await super().put(key, data)


async def test_a_refusing_store_is_an_alarm_and_nothing_is_dropped():
    """It is tried again in place, unhealthy meanwhile; no checkpoint says more than is stored."""
    health, producer, seen = Health(), FakeProducer(), []
    store = FailingStore(3, lambda: seen.append((dict(health.reasons), len(producer.sent))))
    await effects_on(store, producer, health).carry_out(story())
    assert [{}, "recordings-store", "recordings-store"] == [
        next(iter(reasons), {}) for reasons, _ in seen
    ]
    assert {1} == {sent for _, sent in seen}
    assert {} == health.reasons
    assert by_the_contract(FRAMES).received == producer.sent[-2][1].received


async def test_kafka_away_for_a_while():
    """Reports are repeated while Kafka is unavailable, like stored files."""
    failures: Iterator[Exception] = iter([KafkaTimeoutError(), KafkaTimeoutError()])
    health, producer = Health(), FakeProducer(failures=failures)
    await effects_on(AudioStore(MemoryStore()), producer, health).carry_out(story())
    assert isinstance(producer.sent[-2][1], RecordingCompleted)
    assert {} == health.reasons


async def test_kafka_away_for_too_long(monkeypatch):
    """The process ends if Kafka is unavailable for too long; its supervisor restarts it."""
    monkeypatch.setattr(retry, "KAFKA_PATIENCE_S", -1.0)
    producer = FakeProducer(failures=iter([TopicAuthorizationFailedError()]))
    with pytest.raises(ExceptionGroup) as raised:
        await effects_on(AudioStore(MemoryStore()), producer, Health()).carry_out(story())
    assert raised.group_contains(TopicAuthorizationFailedError)


async def test_giving_up():
    """A rebalance does not wait for a store that refuses."""
    health = Health()
    store = FailingStore(10**9, lambda: None)
    effects = effects_on(store, FakeProducer(), health)
    store.asked = effects.retry.giving_up.set
    async with asyncio.timeout(10):
        with pytest.raises(GivenUp):
            await effects.carry_out(story())
    assert {} == health.reasons
