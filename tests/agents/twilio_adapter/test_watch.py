"""How far the adapter is behind, and which of its work hangs."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.partition_lag import PartitionLag
from agents.stuck_work import end_if_stuck
from agents.twilio_adapter import client
from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.lanes import CallLane, CommandItem, Lanes
from agents.twilio_adapter.metrics import LAG_RECORDS, LAG_SECONDS
from agents.twilio_adapter.service import Adapter
from agents.twilio_adapter.watch import AdapterWatch, Publishing
from pipeline.runtime import kafka
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from schemas.records import StopDuplicateStream
from schemas.topics import STREAM_COMMANDS
from tests.agents.test_partition_lag import shown
from tests.agents.twilio_double import ACCOUNT, TOKEN
from tests.virtual_time import virtually


def stop(number: int) -> StopDuplicateStream:
    """A command."""
    return StopDuplicateStream(f"c{number}", f"WT{number}", "CA1", 1, None, None, 5, 10, "r")


class Consumer:
    """One partition."""

    def assignment(self) -> set[TopicPartition]:
        """It."""
        return {TopicPartition("stream.commands", 3)}

    async def position(self, _: TopicPartition) -> int:
        """All that came is read."""
        return 23


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[TopicPartition, int]:
    """The ends of partitions."""
    found: dict[TopicPartition, int] = {}

    async def end_offsets(*_: Any) -> dict[TopicPartition, int]:
        return found

    monkeypatch.setattr(kafka, "end_offsets", end_offsets)
    return found


def test_lag_and_work_that_does_not_move_are_seen(ends: dict[TopicPartition, int]) -> None:
    """Unread records count as stuck after a while, until they are read."""

    async def written_at(offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        assert {20} == set(offsets.values()), "the first command without an answer"
        return dict.fromkeys(offsets, 4_000)

    async def scene() -> None:
        health, done = Health(), asyncio.Event()

        async def carry_out(*_: Any) -> None:
            await done.wait()

        async with asyncio.TaskGroup() as tasks:
            lanes = Lanes(tasks, carry_out, 100)
            lag = PartitionLag(Settings(), "t", [STREAM_COMMANDS], lambda: 9_000, written_at)
            watch = AdapterWatch(Consumer(), lanes, lambda: None, lambda: 9_000, lag)
            beside = [
                tasks.create_task(watch.measure_lag()),
                tasks.create_task(end_if_stuck(watch.look, health)),
            ]
            lanes.put(CommandItem(stop(1), 3, 20, at=4_000))
            ends[TopicPartition("stream.commands", 3)] = 23
            await asyncio.sleep(6)
            assert LAG_RECORDS._value.get() == 3
            assert LAG_SECONDS._value.get() == 5
            assert (3, 5) == shown("t", STREAM_COMMANDS.name, 3)
            await asyncio.sleep(24)
            assert "wait to be read" in health.reasons["stuck"]
            lanes.put(CommandItem(stop(2), 3, 21, at=5_000))
            lanes.put(CommandItem(stop(3), 3, 22, at=6_000))
            await asyncio.sleep(6)
            assert not health.reasons
            done.set()
            await asyncio.sleep(6)
            assert LAG_RECORDS._value.get() == LAG_SECONDS._value.get() == 0
            assert (0, 0) == shown("t", STREAM_COMMANDS.name, 3)
            for task in beside:
                task.cancel()

    virtually(scene())


async def test_a_request_that_outlives_its_time_out_is_overdue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It hangs without raising an error; an answer or a refusal is no hang."""
    hangs = asyncio.Event()
    monkeypatch.setattr(client, "OVERDUE_S", 0.0)

    async def exchange(*_: Any) -> dict[str, Any]:
        await hangs.wait()
        raise TwilioError(500, None, "at last")

    async with TwilioApi(
        ACCOUNT, (ACCOUNT, TOKEN), TOKEN, "http://127.0.0.1:1", 0.01, clock=time.time
    ) as api:
        assert api.overdue() is None
        monkeypatch.setattr(api, "_exchange", exchange)
        asking = asyncio.create_task(api.check_account())
        await asyncio.sleep(0.05)
        number = api.overdue()
        assert number is not None
        assert number == api.overdue()
        hangs.set()
        with pytest.raises(TwilioError):
            await asking
        assert api.overdue() is None


async def test_a_dead_letter_without_a_leader_holds_no_command_back() -> None:
    """An unreadable record is not committed before its dead letter is written; later commands are
    carried out meanwhile."""
    elected = asyncio.Event()
    carried_out: list[str] = []

    class Producer:
        async def send_and_wait(self, topic: str, *_: Any, **__: Any) -> None:
            assert topic == "cti.dead-letters"
            await elected.wait()

    async def carry_out(command: Any, _: CallLane) -> None:
        carried_out.append(command.command_id)

    class Record:
        value, key, offset, timestamp = b"rubbish", b"k", 7, 5

    adapter = Adapter(Settings(), None, Health(), LogClock(), lambda: None)  # type: ignore[arg-type]
    adapter._producer = Producer()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = adapter._lanes = Lanes(tasks, carry_out, 100)
        adapter._take(3, Record())
        lanes.put(CommandItem(stop(1), 3, 8))
        while not carried_out:  # noqa: ASYNC110 - they have no event
            await asyncio.sleep(0)
        assert lanes.committable() == {3: 7}
        elected.set()
        while lanes.committable() != {3: 9}:  # noqa: ASYNC110 - nor have offsets
            await asyncio.sleep(0)


def test_answers_that_kafka_does_not_take_are_a_warning() -> None:
    """Not bad health: the others are taken."""
    now = [0.0]
    publishing, health = Publishing(lambda: now[0]), Health()
    with publishing.to("stream.events"):
        now[0] = 11
        publishing.show(health)
        assert "stream.events" in health.warnings["kafka-partitions"]
    publishing.show(health)
    assert not health.warnings
    assert not health.reasons
