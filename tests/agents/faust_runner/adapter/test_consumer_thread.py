"""The thread of the consumer: how it fetches, and fetched records that come too late."""

from dataclasses import dataclass, field
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import ServiceThread

from agents.faust_runner.adapter.consumer_thread import ConsumerThread
from agents.faust_runner.adapter.transport import Consumer
from tests.agents.faust_runner.adapter.consumers import PARTITION, Message, app_in, consumer


async def test_a_gathering_consumer_fetches_large_batches(tmp_path: Path) -> None:
    """A role that tolerates a short delay is not woken for each record."""
    thread = object.__new__(ConsumerThread)
    thread.app = app_in(tmp_path, gathering_s=0.1)
    kafka = thread._create_worker_consumer(None)
    assert (100, 1024 * 1024) == (thread.app.fetching.most_ms, kafka._fetch_min_bytes)


def test_aiokafka_reads_the_longest_wait_of_a_fetch_from_this_attribute() -> None:
    """aiokafka has no setting to change it later, so the attribute must have the name that it
    reads."""
    assert "self._fetch_max_wait_ms" in getsource(Fetcher._get_actions_per_node)


def test_a_hung_consumer_does_not_keep_the_process_alive() -> None:
    """At the end of a process Python waits for all threads but daemons. `Worker` is the name from
    which mode makes the thread."""
    assert "self._thread = self.Worker(self)" in getsource(ServiceThread.start)
    assert ConsumerThread.Worker(object.__new__(ConsumerThread)).daemon


def test_a_partition_with_unread_records_is_no_error() -> None:
    """Five minutes after the start, Faust would report each such partition: it has no sensor for
    events. Faust's consumer asks the thread, under this name. Its own answer would fail here:
    this thread has no consumer."""
    asked = getsource(driver.Consumer.verify_event_path)
    assert "self._thread.verify_event_path(now, tp)" in asked
    thread = object.__new__(ConsumerThread)
    thread.verify_event_path(301.0, PARTITION)


def test_before_the_consumer_exists_nothing_is_assigned() -> None:
    """Faust's consumer counts as started a moment before its thread has one. The checks that run
    beside the agent must not end the role then."""
    thread = object.__new__(ConsumerThread)
    thread._consumer = None
    assert set() == thread.assignment()
    assert (None, None) == thread.position_and_end(PARTITION)
    assert not thread.has_leader(PARTITION)


@pytest.mark.parametrize("flow_active", [True, False])
async def test_what_a_fetch_brings_too_late_is_given_back(
    monkeypatch: pytest.MonkeyPatch, flow_active: bool
) -> None:
    """Its partition was paused meanwhile, or a rebalance began: Faust would throw it away."""
    other = TP("changelog", 3)
    fetched = {PARTITION: [Message(5), Message(6)], other: [Message(0)]}

    async def fetch(*_: Any) -> Any:
        return fetched

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)

    @dataclass
    class Kafka:
        sought: dict[TP, int] = field(default_factory=dict)

        def assignment(self) -> set[TP]:
            return {PARTITION, other}

        def seek(self, tp: TP, offset: int) -> None:
            self.sought[tp] = offset

    thread, kafka = object.__new__(ConsumerThread), Kafka()
    thread.consumer = consumer(Consumer, [], [], [])
    thread.consumer.flow_active, thread.consumer._active_partitions = flow_active, {PARTITION}
    kept = await thread._fetch_records(kafka, {PARTITION, other})
    if flow_active:
        assert ({PARTITION: fetched[PARTITION]}, {other: 0}) == (kept, kafka.sought)
    else:
        assert ({}, {PARTITION: 5, other: 0}) == (kept, kafka.sought)
