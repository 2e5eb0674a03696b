"""In order per call, concurrent across calls: a lane for each call that has commands under way."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import Gauge

from agents.twilio_effort import Command
from pipeline.streams.offsets import Unfinished
from schemas.records import StartDuplicateStream, StopDuplicateStream

UNDER_WAY = Gauge("flexcapture_twilio_commands_under_way", "Commands not answered yet")


@dataclass(frozen=True, slots=True)
class Item:
    """A command and where it stands on `stream.commands`."""

    command: Command
    partition: int
    offset: int


class CallLane:
    """The commands of one call, in their order, but for the one being carried out."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self._came = asyncio.Event()

    def put(self, item: Item) -> None:
        """A further command came."""
        self.items.append(item)
        self._came.set()

    def is_overtaken(self, command: StartDuplicateStream) -> bool:
        """Whether a later command makes this start pointless: the stop of the same media stream, or
        a newer start."""
        return any(_overtakes(item.command, command) for item in self.items)

    def take(self) -> Item:
        """The next command, which from now on is the one being carried out."""
        self._came.clear()
        return self.items.popleft()

    async def pause(self, seconds: float) -> None:
        """Returns after that time, or at once where a command came since the last pause."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        self._came.clear()


def _overtakes(later: Command, command: StartDuplicateStream) -> bool:
    if isinstance(later, StopDuplicateStream):
        return later.generation == command.generation
    newer = later.command_id != command.command_id and later.issued_at >= command.issued_at
    return newer and later.generation >= command.generation


class Lanes:
    """All lanes of this process. `carry_out` is awaited for one command of a call after the other;
    what it raises ends the task group."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        carry_out: Callable[[Command, CallLane], Awaitable[None]],
        most: int,
    ) -> None:
        self._tasks = tasks
        self._carry_out = carry_out
        self._most = most
        self._lanes: dict[str, CallLane] = {}
        self._running: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._unfinished: dict[int, Unfinished] = {}
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Returns once another command may be put in."""
        await self._room.wait()

    def put(self, item: Item) -> None:
        """Takes a command; commands of a partition come in the order of their offsets."""
        self._unfinished.setdefault(item.partition, Unfinished()).begin(item.offset)
        key = item.command.task_sid
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = CallLane()
            lane.put(item)
            task = self._tasks.create_task(self._run(key, lane), name=f"lane {key}")
            self._running[key] = (item.partition, task)
        else:
            lane.put(item)
        self._look()

    def skip(self, partition: int, offset: int) -> None:
        """A record that needs no carrying out."""
        unfinished = self._unfinished.setdefault(partition, Unfinished())
        unfinished.begin(offset)
        unfinished.finish(offset)

    def committable(self) -> dict[int, int]:
        """For each partition the offset where a successor must begin."""
        offsets = {p: u.committable for p, u in self._unfinished.items()}
        return {p: offset for p, offset in offsets.items() if offset is not None}

    async def drop(self, partitions: set[int]) -> None:
        """The partitions are another process's now: what is under way for them is left to it."""
        gone = {key: task for key, (p, task) in self._running.items() if p in partitions}
        for key, task in gone.items():
            task.cancel()
            self._forget(key)
        if gone:
            await asyncio.wait(gone.values())
        for partition in partitions:
            self._unfinished.pop(partition, None)
        self._look()

    async def end(self, grace_s: float) -> None:
        """Gives what is under way a moment to end, then leaves it to the next process."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        for task in tasks:
            task.cancel()

    async def _run(self, key: str, lane: CallLane) -> None:
        while lane.items:
            item = lane.take()
            await self._carry_out(item.command, lane)
            if (unfinished := self._unfinished.get(item.partition)) is not None:
                unfinished.finish(item.offset)
            self._look()
        self._forget(key)

    def _forget(self, key: str) -> None:
        self._lanes.pop(key, None)
        self._running.pop(key, None)

    def _look(self) -> None:
        under_way = sum(map(len, self._unfinished.values()))
        UNDER_WAY.set(under_way)
        if under_way < self._most:
            self._room.set()
        else:
            self._room.clear()
