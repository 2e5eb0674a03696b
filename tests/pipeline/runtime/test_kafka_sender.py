"""A producer that serves the other partitions while one has no leader."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.runtime.kafka_sender import keep_partitions_apart


class Producer:
    """The parts of aiokafka's producer that its sender uses: `refreshed` ends a refresh of the
    metadata, `ready` says that a batch can be sent."""

    def __init__(self) -> None:
        future = asyncio.get_running_loop().create_future
        self.refreshed: asyncio.Future[Any] = future()
        self.ready: asyncio.Future[Any] = future()
        self.client = SimpleNamespace(
            force_metadata_update=lambda: self.refreshed, cluster="the cluster"
        )
        self._message_accumulator = SimpleNamespace(_batch_ttl=40.0, waiter=lambda: self.ready)
        self._sender = SimpleNamespace(client=self.client)

    def wait(self) -> "asyncio.Future[Any]":
        """Return the future for which the sender waits while a leader is missing."""
        keep_partitions_apart(self)
        waiting: asyncio.Future[Any] = self._sender.client.force_metadata_update()
        return waiting


async def test_the_sender_goes_back_to_work_when_a_batch_is_ready() -> None:
    """Although the metadata has not been refreshed yet; the end of the refresh then causes no
    problem."""
    producer = Producer()
    waiting = producer.wait()
    await asyncio.sleep(0)
    assert not waiting.done()
    producer.ready.set_result(None)
    await waiting
    producer.refreshed.set_result(True)
    await asyncio.sleep(0)


async def test_the_sender_continues_after_the_refresh() -> None:
    """With its result, also if the refresh was cancelled."""
    producer = Producer()
    waiting = producer.wait()
    producer.refreshed.set_result("refreshed")
    assert "refreshed" == await waiting
    cancelled = Producer()
    waiting = cancelled.wait()
    cancelled.refreshed.cancel()
    assert await waiting is None


async def test_a_batch_waits_for_a_leader_without_limit() -> None:
    """If it expired, the broker would refuse the later batches of its partition."""
    producer = Producer()
    producer.wait()
    assert float("inf") == producer._message_accumulator._batch_ttl


async def test_the_rest_of_the_client_is_unchanged() -> None:
    """The sender uses other parts of it, too."""
    producer = Producer()
    producer.wait()
    assert "the cluster" == producer._sender.client.cluster
    with pytest.raises(AttributeError):
        _ = producer._sender.client.other
