"""The order of commands, and partitions that move."""

import asyncio

import pytest
import stamina
from aiokafka.errors import KafkaTimeoutError

from agents.twilio_adapter.lanes import CallLane, CommandItem, Lanes
from agents.twilio_adapter.service import Adapter
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from schemas.records import (
    StreamCommand,
)
from tests.agents.twilio_adapter.scene import (
    Scene,
    start_command,
    stop,
)


class MovingProducer:
    """Kafka's leader is on the move for the first few sends."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.sent: list[str] = []

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, **_: object) -> None:
        if self.failures:
            self.failures -= 1
            raise KafkaTimeoutError
        self.sent.append(topic)


@pytest.mark.parametrize("failures", [0, 3])
async def test_an_answer_is_written_in_the_end(scene: Scene, failures: int) -> None:
    """The process does not end for a broker that fails now and then."""
    adapter = Adapter(Settings(), scene.commands, scene.health, LogClock(), lambda: None)
    sender = adapter._producer = MovingProducer(failures)
    with stamina.set_testing(True, attempts=5):
        await adapter._carry_out(start_command(), scene.lane)

    assert ["stream.events"] == sender.sent


async def test_a_rebalance_that_fails_ends_the_process(scene: Scene) -> None:
    """The Kafka client suppresses exceptions of its listener: the process must not continue
    idle."""
    adapter = Adapter(Settings(), scene.commands, scene.health, LogClock(), lambda: None)
    await adapter.on_partitions_assigned(set())  # there are no lanes yet
    with pytest.raises(AttributeError):
        await adapter._intact()


class Script:
    """Carries out commands at the test's command."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Condition()

    async def carry_out(self, command: StreamCommand, lane: CallLane) -> None:
        async with self._moved:
            self.begun.append(command.command_id)
            self._moved.notify_all()
        await self._gates.setdefault(command.command_id, asyncio.Event()).wait()
        async with self._moved:
            self.ended.append(command.command_id)
            self._moved.notify_all()

    async def let(self, command_id: str) -> None:
        """The command ends now."""
        self._gates.setdefault(command_id, asyncio.Event()).set()
        await self.until(lambda: command_id in self.ended)

    async def until(self, true: object) -> None:
        async with self._moved:
            await self._moved.wait_for(true)  # type: ignore[arg-type]


async def test_commands_of_a_media_stream_keep_their_order_and_others_do_not_wait() -> None:
    """The second command of a media stream begins after the first; another call's, and that of
    another media stream of the call, at once; only what lies before the first unfinished one may be
    committed."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(CommandItem(start_command(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(CommandItem(stop(task_sid="A", command_id="a2"), 0, 11))
        lanes.put(CommandItem(start_command(task_sid="B", command_id="b1"), 0, 12))
        surplus = stop(task_sid="A", command_id="a3", generation=0, stream_sid="MZ9")
        lanes.put(CommandItem(surplus, 0, 13))
        await script.until(lambda: {"a1", "b1", "a3"} == set(script.begun))
        await script.let("b1")
        await script.let("a3")
        assert {0: 10} == lanes.committable()
        await script.let("a1")
        await script.until(lambda: "a2" in script.begun)
        assert {0: 11} == lanes.committable()
        await script.let("a2")
    assert {0: 14} == lanes.committable()


async def test_a_newer_start_overtakes_even_when_it_is_over_first() -> None:
    """It has a lane of its own, which may have ended before the older one looks again."""
    script, lanes_of = Script(), dict[str, CallLane]()
    old = start_command(task_sid="A", command_id="a1")

    async def carry_out(command: StreamCommand, lane: CallLane) -> None:
        lanes_of[command.command_id] = lane
        await script.carry_out(command, lane)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, carry_out, most=10)
        lanes.put(CommandItem(old, 0, 10))
        await script.until(lambda: "a1" in script.begun)
        newer = start_command(
            task_sid="A", command_id="a2", generation=2, issued_at=old.issued_at + 1
        )
        lanes.put(CommandItem(newer, 0, 11))
        await script.let("a2")
        assert lanes_of["a1"].is_overtaken(old)
        assert not lanes_of["a2"].is_overtaken(newer)
        await script.let("a1")


async def test_partitions_that_are_lost_leave_nothing_behind() -> None:
    """Commands under way for lost partitions are cancelled, and their offsets are not committed. A
    command that had not begun does not block the partition when it comes back."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(CommandItem(start_command(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(CommandItem(start_command(task_sid="B", command_id="b1"), 1, 20))
        await script.until(lambda: 2 == len(script.begun))
        lanes.put(CommandItem(start_command(task_sid="C", command_id="c1"), 0, 11))
        await lanes.keep({1})
        assert {1: 20} == lanes.committable()
        lanes.put(CommandItem(start_command(task_sid="C", command_id="c1"), 0, 11))
        await script.until(lambda: "c1" in script.begun)
        await script.let("b1")
        await script.let("c1")
    assert {1: 21, 0: 12} == lanes.committable()


async def test_a_rebalance_that_leaves_us_a_partition_disturbs_nothing() -> None:
    """Commands under way for a kept partition continue; they are not begun again when their records
    are read again."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        for offset, name in enumerate("ABC", 10):
            lanes.put(CommandItem(start_command(task_sid=name, command_id=name), 0, offset))
        await script.until(lambda: 3 == len(script.begun))
        await script.let("B")
        await lanes.keep({0})
        for offset, name in enumerate("ABCD", 10):
            lanes.put(CommandItem(start_command(task_sid=name, command_id=name), 0, offset))
        await script.until(lambda: "D" in script.begun)
        assert ["A", "B", "C", "D"] == script.begun
        assert {0: 10} == lanes.committable()
        for name in "ACD":
            await script.let(name)
    assert {0: 14} == lanes.committable()
