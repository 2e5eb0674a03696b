"""Carry out commands in order per media stream, and concurrently across media streams.

Each media stream with commands under way has a lane.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.twilio_adapter.metrics import COMMANDS_UNDER_WAY
from pipeline.streams.offset_tracker import UnfinishedOffsets
from schemas.records import (
    FetchLeg,
    FindConference,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
    VerifyLeg,
)


@dataclass(frozen=True, slots=True)
class CommandItem:
    """A command and its position on `stream.commands`."""

    command: StreamCommand
    partition: int
    offset: int
    at: int = 0
    """When it was written (ms)."""


class CallLane:
    """The commands of one media stream, in order. `beside`: all lanes of the same call, this one
    included."""

    def __init__(self, beside: Mapping[str, "CallLane"] | None = None) -> None:
        self.items: deque[CommandItem] = deque()
        self.current: CommandItem | None = None
        self._beside = beside if beside is not None else {"": self}
        self._came = asyncio.Event()
        self._overtaken = False

    def put(self, item: CommandItem) -> None:
        """Add a command, and notify all lanes of the call."""
        self.items.append(item)
        for lane in self._beside.values():
            lane.notify(item.command)

    def is_overtaken(self, command: StartDuplicateStream) -> bool:
        """Return whether a later command makes this start pointless: the stop of the same media
        stream, or a newer start."""
        return self._overtaken or any(_overtakes(other, command) for other in self._others())

    def take(self) -> CommandItem:
        """Make the next command the current one, and return it."""
        self._came.clear()
        self._overtaken = False
        self.current = self.items.popleft()
        return self.current

    def wake(self) -> None:
        """End the current `pause`, or else the next one."""
        self._came.set()

    async def pause(self, seconds: float) -> None:
        """Return after that time, or at once if, since the last pause, a command of the call
        arrived or `wake` was called."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        self._came.clear()

    def notify(self, command: StreamCommand) -> None:
        """Note that a command of the call arrived, for this lane or one beside it."""
        # Remember it: the newer start may be done and gone before this lane checks again.
        current = self.current.command if self.current else None
        if isinstance(current, StartDuplicateStream) and _overtakes(command, current):
            self._overtaken = True
        self.wake()

    def _others(self) -> Iterator[StreamCommand]:
        for lane in self._beside.values():
            if lane.current is not None:
                yield lane.current.command
            for item in lane.items:
                yield item.command


def _overtakes(later: StreamCommand, command: StartDuplicateStream) -> bool:
    if isinstance(later, FindConference | VerifyLeg | FetchLeg):
        return False
    if isinstance(later, StopDuplicateStream):
        return later.generation == command.generation
    newer = later.command_id != command.command_id and later.issued_at >= command.issued_at
    return newer and later.generation >= command.generation


def _media_stream(command: StreamCommand) -> str:
    """Return the key of a command's lane: commands with the same key are carried out in order.

    A media stream that this pipeline did not start has no generation, only a SID. Questions have
    lanes of their own, so they delay neither starts nor stops.
    """
    if isinstance(command, StopDuplicateStream) and command.generation == 0:
        return command.stream_sid or ""
    if isinstance(command, VerifyLeg):
        return f"verify {command.call_sid}"
    if isinstance(command, FindConference):
        return "find"
    if isinstance(command, FetchLeg):
        return f"fetch {command.call_sid}"
    return str(command.generation)


class Lanes:
    """All lanes of this process.

    `carry_out` is awaited for the commands of each media stream one after another. So a stop never
    waits for the start of another media stream. Its errors end the task group. `most`: the number
    of commands under way at which `room` begins to wait.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        carry_out: Callable[[StreamCommand, CallLane], Awaitable[None]],
        most: int,
    ) -> None:
        self._tasks = tasks
        self._carry_out = carry_out
        self._most = most
        self._calls: dict[str, dict[str, CallLane]] = {}
        self._running: dict[asyncio.Task[None], int] = {}
        self._unfinished: dict[int, UnfinishedOffsets] = {}
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Return once another command may be added."""
        await self._room.wait()

    def put(self, item: CommandItem) -> None:
        """Add a command. The commands of a partition must be added in the order of their offsets.
        Ignore a command that was added before."""
        if not self._begin(item.partition, item.offset, item.at):
            return
        task_sid, key = item.command.task_sid, _media_stream(item.command)
        call = self._calls.setdefault(task_sid, {})
        if key in call:
            call[key].put(item)
        else:
            lane = call[key] = CallLane(call)
            lane.put(item)
            running = self._run(task_sid, key, lane)
            task = self._tasks.create_task(running, name=f"lane {task_sid} {key}")
            self._running[task] = item.partition
            task.add_done_callback(lambda task: self._ended(task, task_sid, key, lane))
        self._look()

    def skip(self, partition: int, offset: int) -> None:
        """Note a record that is not to be carried out."""
        if self._begin(partition, offset):
            self._unfinished[partition].finish(offset)

    def take_aside(self, partition: int, offset: int, work: Coroutine[Any, Any, None]) -> None:
        """Note a record that is no command: it is finished once `work` is done."""
        if not self._begin(partition, offset):
            work.close()
            return
        task = self._tasks.create_task(self._work_aside(partition, offset, work))
        self._running[task] = partition
        task.add_done_callback(lambda task: self._running.pop(task, None))

    async def _work_aside(
        self, partition: int, offset: int, work: Coroutine[Any, Any, None]
    ) -> None:
        await work
        if (unfinished := self._unfinished.get(partition)) is not None:
            unfinished.finish(offset)
        self._look()

    def committable(self) -> dict[int, int]:
        """Return for each partition the offset at which a successor must begin."""
        offsets = {p: u.committable for p, u in self._unfinished.items()}
        return {p: offset for p, offset in offsets.items() if offset is not None}

    def read_up_to(self) -> dict[int, int]:
        """Return for each partition the offset after the last record that was added."""
        return {p: u.read_up_to for p, u in self._unfinished.items()}

    def oldest(self) -> int | None:
        """Return when the oldest record under way was written (ms); None if there is none."""
        found = [at for u in self._unfinished.values() if (at := u.oldest) is not None]
        return min(found, default=None)

    async def keep(self, partitions: set[int]) -> None:
        """Keep only the work for these partitions, which this process owns now. Cancel the work for
        others: their new owners repeat it. Commands under way for kept partitions continue, and are
        not begun again if their records are read again."""
        gone = [task for task, p in self._running.items() if p not in partitions]
        for task in gone:
            task.cancel()
        if gone:
            await asyncio.wait(gone)
        self._unfinished = {p: u for p, u in self._unfinished.items() if p in partitions}
        self._look()

    async def settle(self, seconds: float) -> None:
        """Wait for the work under way to end, but no longer than that."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def end(self, grace_s: float) -> None:
        """Wait up to `grace_s` for the work under way to end, then cancel the rest: the next
        process repeats it."""
        await self.settle(grace_s)
        for task in self._running:
            task.cancel()

    def _begin(self, partition: int, offset: int, at: int = 0) -> bool:
        return self._unfinished.setdefault(partition, UnfinishedOffsets()).begin(offset, at)

    async def _run(self, task_sid: str, key: str, lane: CallLane) -> None:
        while lane.items:
            item = lane.take()
            await self._carry_out(item.command, lane)
            if (unfinished := self._unfinished.get(item.partition)) is not None:
                unfinished.finish(item.offset)
            self._look()
        self._forget(task_sid, key, lane)  # at once: no command may be added to an ended lane

    def _ended(self, task: asyncio.Task[None], task_sid: str, key: str, lane: CallLane) -> None:
        self._running.pop(task)
        self._forget(task_sid, key, lane)  # it may have been cancelled before it began

    def _forget(self, task_sid: str, key: str, lane: CallLane) -> None:
        call = self._calls.get(task_sid, {})
        if call.get(key) is lane:
            del call[key]
            if not call:
                del self._calls[task_sid]

    def _look(self) -> None:
        under_way = sum(map(len, self._unfinished.values()))
        COMMANDS_UNDER_WAY.set(under_way)
        if under_way < self._most:
            self._room.set()
        else:
            self._room.clear()
