"""Consumers and producers, apart from a broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError

from pipeline.runtime import kafka
from pipeline.runtime.kafka import consumer, started_producer
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from tests.virtual_time import virtually


class _Waiting:
    """A started consumer's fetcher, with fetches that failed and wait to be repeated."""

    def __init__(self, count: int) -> None:
        create = asyncio.get_running_loop().create_task
        self._fetch_task = create(asyncio.sleep(60))
        self._fetch_waiters: set[Any] = set()
        self._pending_tasks = {create(asyncio.sleep(60)) for _ in range(count)}

    async def close(self) -> None:
        await Fetcher.close(self)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_consumer_stops_although_fetches_have_just_failed(count: int) -> None:
    """Its caller is not cancelled, no fetch stays behind, and the connections are closed."""
    made, fetcher, closed = await _started(count)
    await made.stop()
    assert closed.is_set()
    assert all(task.done() for task in fetcher._pending_tasks)


async def test_a_stop_that_is_cancelled_ends() -> None:
    """The caller's own cancellation is passed on."""
    made, _, _ = await _started(0)
    closing = asyncio.Event()

    async def close() -> None:
        closing.set()
        await asyncio.Event().wait()

    made._client = SimpleNamespace(close=close)
    stopping = asyncio.create_task(made.stop())
    await closing.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


async def _started(count: int) -> tuple[Any, _Waiting, asyncio.Event]:
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    made = consumer(Settings(kafka_bootstrap_servers="127.0.0.1:1"))
    fetcher = _Waiting(count)
    await asyncio.sleep(0)
    made._closed, made._coordinator, made._fetcher = False, None, fetcher
    made._client = SimpleNamespace(close=close)
    return made, fetcher, closed


class _Producer:
    """A producer that finds no broker at first. `steps`: its calls."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.steps: list[str] = []

    async def start(self) -> None:
        self.steps.append("start")
        if self.steps.count("start") <= self.failures:
            raise KafkaConnectionError("no broker")

    async def stop(self) -> None:
        self.steps.append("stop")


async def _used(made: _Producer, health: Health | None) -> None:
    async with started_producer(Settings(), "tracker", health):
        made.steps.append("block")


@pytest.mark.parametrize("failures", [0, 2])
def test_a_role_waits_until_its_producer_is_started(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """The block begins once Kafka answers, and the producer is stopped after it."""
    made = _Producer(failures)
    monkeypatch.setattr(kafka, "producer", lambda *_, **__: made)
    virtually(_used(made, Health()))
    assert ["start"] * (failures + 1) + ["block", "stop"] == made.steps


def test_a_command_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a health, Kafka's error is raised; the producer's connections are closed."""
    made = _Producer(1)
    monkeypatch.setattr(kafka, "producer", lambda *_, **__: made)
    with pytest.raises(KafkaConnectionError):
        virtually(_used(made, None))
    assert ["start", "stop"] == made.steps
