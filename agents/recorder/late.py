"""Partitions for which Kafka takes its time: they wait, and hold no other back."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from agents.recorder.work import Work

PATIENCE_S = 2.0
"""A partition that takes longer is late."""

T = TypeVar("T")


class LatePartitions:
    """What is under way for late partitions, each in a task, and what waits behind it."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._left: defaultdict[int, list[Work]] = defaultdict(list)

    def __contains__(self, partition: int) -> bool:
        return partition in self._tasks

    def numbers(self) -> frozenset[int]:
        """The partitions that are late."""
        return frozenset(self._tasks)

    def take_back(self) -> list[Work]:
        """Return what waited for partitions that are late no more. Raises what they failed with."""
        left: list[Work] = []
        for partition, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[partition]
                left += self._left.pop(partition, [])
                task.result()
        return left

    def leave(self, work: Iterable[Work]) -> list[Work]:
        """Keep what is for late partitions until they are late no more; return the rest."""
        rest: list[Work] = []
        for item in work:
            number = item.message.partition
            (self._left[number] if number in self else rest).append(item)
        return rest

    async def each(
        self,
        action: Callable[[Sequence[T]], Awaitable[None]],
        groups: Mapping[int, Sequence[T]],
    ) -> None:
        """Do something with the group of each partition. Return when all is done, except for a
        partition that takes longer than `PATIENCE_S`: it is late from then on. None of them may
        be late before. Raises what `action` raises by then."""
        tasks = {n: asyncio.ensure_future(action(group)) for n, group in groups.items()}
        if not tasks:
            return
        await asyncio.wait(tasks.values(), timeout=PATIENCE_S)
        self._tasks |= {number: task for number, task in tasks.items() if not task.done()}
        for task in tasks.values():
            if task.done():
                task.result()

    def forget(self) -> None:
        """Leave all of it to others."""
        self._left.clear()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
