"""The recovery of a table while Kafka does not answer, against Faust's own, which does it wrong."""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaTimeoutError
from faust.tables.recovery import Recovery as FaustRecovery
from faust.tables.recovery import ServiceStopped
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread as FaustThread
from faust.types import TP

from agents.faust_runner.adapter.consumer_thread import ConsumerThread
from agents.faust_runner.adapter.tables import TableManager, TableRecovery
from pipeline.runtime.kafka_answers import REASON
from pipeline.runtime.telemetry import Health
from tests.agents.faust_runner.adapter.consumers import app_in
from tests.virtual_time import virtually

CHANGELOG = TP("tracker-table-changelog", 3)


class Late:
    """A consumer that fails twice after the request time-out, like aiokafka's, and then answers."""

    def __init__(self, health: Health) -> None:
        self.failures = 2
        self.health = health
        self.reasons: list[set[str]] = []
        self.sought: dict[TP, int] = {}

    async def _answer(self) -> None:
        self.reasons.append(set(self.health.reasons))
        if self.failures:
            self.failures -= 1
            await asyncio.sleep(12.0)
            raise KafkaTimeoutError("Failed to get offsets by times in 12000 ms")

    async def highwaters(self, *tps: TP) -> dict[TP, int]:
        """The ends: 40 records."""
        await self._answer()
        return dict.fromkeys(tps, 40)

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        """The first offsets: 10 records have been compacted."""
        await self._answer()
        return dict.fromkeys(tps, 10)

    async def seek_wait(self, offsets: dict[TP, int]) -> None:
        """Seek."""
        await self._answer()
        self.sought = offsets


def recovery(kind: Any) -> Any:
    """A recovery service that was never started, in an app that has only a health."""
    made = object.__new__(kind)
    made.app = SimpleNamespace(health=Health())
    made.log = SimpleNamespace(info=lambda *_, **__: None, dev=lambda *_, **__: None)
    return made


STEPS = ["_build_highwaters", "_build_offsets", "_seek_offsets"]


async def step(made: Any, consumer: Late, name: str) -> Counter[TP]:
    """Run a step of the recovery on one partition."""
    counter: Any = {CHANGELOG: None if name != "_seek_offsets" else 9}
    counter = Counter(counter)
    await getattr(made, name)(consumer, {CHANGELOG}, counter, "active")
    return counter


@pytest.mark.parametrize("name", STEPS)
def test_a_recovery_waits_for_an_answer(name: str) -> None:
    """Faust's fails, and its app crashes with it."""
    theirs = recovery(FaustRecovery)
    with pytest.raises(KafkaTimeoutError):
        virtually(step(theirs, Late(theirs.app.health), name))
    ours = recovery(TableRecovery)
    consumer = Late(ours.app.health)
    counter = virtually(step(ours, consumer, name))
    assert [set(), {REASON}, {REASON}] == consumer.reasons
    assert {} == ours.app.health.reasons
    match name:
        case "_build_highwaters":
            assert {CHANGELOG: 39} == counter
        case "_build_offsets":
            assert {CHANGELOG: 9} == counter
        case _:
            assert {CHANGELOG: 9} == consumer.sought


def test_partitions_that_moved_end_the_recovery() -> None:
    """Faust begins a new one then."""
    ours = recovery(TableRecovery)

    async def moved(*_: TP) -> None:
        raise IllegalStateError("not assigned")

    consumer: Any = SimpleNamespace(highwaters=moved)
    with pytest.raises(IllegalStateError):
        virtually(step(ours, consumer, "_build_highwaters"))


async def test_a_slow_step_does_not_end_the_recovery(tmp_path: Path) -> None:
    """Faust takes the end of its time limit for the end of the service: nothing is restored, and
    nothing is read, until the watchdog ends the process."""
    loop = asyncio.get_running_loop()
    with pytest.raises(ServiceStopped):
        await FaustRecovery(app_in(tmp_path), None, loop=loop)._wait(asyncio.sleep(9), timeout=0.01)
    answered = False

    async def slow() -> None:
        nonlocal answered
        await asyncio.sleep(0.2)
        answered = True

    await TableRecovery(app_in(tmp_path), None, loop=loop)._wait(slow(), timeout=0.01)
    assert answered


async def test_the_tables_are_restored_by_this_recovery(tmp_path: Path) -> None:
    """Faust's table manager makes its own."""
    made = TableManager(app_in(tmp_path), loop=asyncio.get_running_loop())
    assert type(made.recovery) is TableRecovery
    assert made.recovery is made.recovery


async def test_a_recovery_is_as_silent_as_fausts_own(tmp_path: Path) -> None:
    """Faust logs under the name of the class's module: each step, on 24 partitions."""
    app_in(tmp_path)
    assert logging.WARNING == logging.getLogger(TableRecovery.__module__).level


class Joining:
    """A consumer that cannot connect at first."""

    def __init__(self) -> None:
        self.failures = 3

    async def start(self) -> None:
        """Connect, and join the group."""
        if self.failures:
            self.failures -= 1
            raise KafkaConnectionError("no answer from any of 127.0.0.1:9")


@pytest.mark.parametrize("kind", [FaustThread, ConsumerThread])
def test_a_start_waits_for_kafka(kind: Any) -> None:
    """Faust's thread fails, and with it the app."""
    thread, joining = object.__new__(kind), Joining()
    thread.app = SimpleNamespace(health=Health())
    thread.thread_loop = None
    thread._create_consumer = lambda **_: joining
    if kind is FaustThread:
        with pytest.raises(KafkaConnectionError):
            virtually(thread.on_start())
    else:
        virtually(thread.on_start())
        assert 0 == joining.failures
        assert thread._consumer is joining


async def test_a_table_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's table manager sleeps for a second before anything else begins."""
    begun: list[str] = []

    async def begin() -> None:
        begun.append("begun")

    async def sleep(*_: Any) -> None:
        begun.append("slept")

    ours = object.__new__(TableManager)
    monkeypatch.setattr(TableManager, "sleep", sleep)
    monkeypatch.setattr(TableManager, "recovery", SimpleNamespace(start=begin))
    monkeypatch.setattr(TableManager, "_update_channels", lambda _: begin())
    await ours.on_start()
    assert ["begun", "begun"] == begun


async def test_a_key_goes_with_its_partition(tmp_path: Path) -> None:
    """Faust's store notes a key's partition in recovery only: a key that was set by an event would
    stay after its partition went to another process, and come back, old, with the partition."""
    app = app_in(tmp_path)
    table = app.Table("table", key_type=bytes, value_type=bytes, partitions=24)
    table.keep(b"gone", b"1", 3)
    table.keep(b"kept", b"2", 4)
    table.keep(b"deleted", b"3", 4)
    del table[b"deleted"]
    await table.data.on_recovery_completed({TP("changelog", 4)}, set())
    assert {b"kept": b"2"} == dict(table.data.data)
    assert {b"kept": 4} == table.data._key_partition
