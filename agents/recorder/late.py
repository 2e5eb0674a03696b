"""Let partitions for which Kafka is slow wait without delaying the others."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from agents.recorder.work import Work

PATIENCE_S = 2.0
"""A partition that takes longer than this is late."""

T = TypeVar("T")


class LatePartitions:
    """The current work of each late partition, in a task, and the work that waits behind it."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._left: defaultdict[int, list[Work]] = defaultdict(list)

    def __contains__(self, partition: int) -> bool:
        return partition in self._tasks

    def numbers(self) -> frozenset[int]:
        """Return the late partitions."""
        return frozenset(self._tasks)

    def take_back(self) -> list[Work]:
        """Return the work that waited for partitions that are no longer late. Raise the error that
        their current work failed with."""
        left: list[Work] = []
        for partition, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[partition]
                left += self._left.pop(partition, [])
                task.result()
        return left

    def leave(self, work: Iterable[Work]) -> list[Work]:
        """Keep the work of late partitions until they are no longer late; return the rest."""
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
        """Carry out an action for the group of each partition. A partition that takes longer than
        `PATIENCE_S` becomes late; return without it.

        None of the partitions may be late before the call. Raise what `action` raises within this
        time.
        """
        tasks = {n: asyncio.ensure_future(action(group)) for n, group in groups.items()}
        if not tasks:
            return
        await asyncio.wait(tasks.values(), timeout=PATIENCE_S)
        self._tasks |= {number: task for number, task in tasks.items() if not task.done()}
        for task in tasks.values():
            if task.done():
                task.result()

    def forget(self) -> None:
        """Cancel all work: other processes will do it."""
        self._left.clear()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
