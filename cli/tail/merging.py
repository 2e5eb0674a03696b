"""Put the records of several partitions into the order of time, while they are being read. Pure."""

import heapq
from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A record with its log time in ms."""

    @property
    def timestamp(self) -> int:
        """The log time."""


_Record = TypeVar("_Record", bound=Timed)


class TimeOrder(Generic[_Record]):
    """Takes in records of partitions 0 to `partitions - 1`, each in the order of its offsets, and
    returns them in the order of their times. Records of one partition keep their order."""

    def __init__(self, partitions: int) -> None:
        self._waiting: list[deque[_Record]] = [deque() for _ in range(partitions)]
        self._first: list[tuple[int, int]] = []  # time and partition of each first waiting record
        self._finished: set[int] = set()
        self.hungry = set(range(partitions))
        """The partitions without a waiting record: others wait for their next record."""

    def add(self, partition: int, records: Iterable[_Record]) -> None:
        """Take in the next records of a partition."""
        waiting = self._waiting[partition]
        was_empty = not waiting
        waiting.extend(records)
        if was_empty and waiting:
            self._put(partition)

    def finish(self, partition: int) -> None:
        """Expect no more records of a partition."""
        self._finished.add(partition)
        self.hungry.discard(partition)

    def count(self, partition: int) -> int:
        """Return how many records of a partition wait."""
        return len(self._waiting[partition])

    def ready(self) -> list[_Record]:
        """Remove and return the records that come before every record that is still to come."""
        found = []
        while self._first and not self.hungry:
            _, partition = heapq.heappop(self._first)
            found.append(self._waiting[partition].popleft())
            if self._waiting[partition]:
                self._put(partition)
            elif partition not in self._finished:
                self.hungry.add(partition)
        return found

    def _put(self, partition: int) -> None:
        self.hungry.discard(partition)
        heapq.heappush(self._first, (self._waiting[partition][0].timestamp, partition))
