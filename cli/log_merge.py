"""Merge the records of several partitions by log time. Pure.

The order depends on the records alone, not on how they were fetched: among the partitions' next
records, the one with the least log time comes first, and among records with the same time, the one
of the partition with the lower rank. So a merge that begins at the positions of an earlier one
continues its order.
"""

import heapq
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

P = TypeVar("P", bound=Hashable)


class MergedRecord(Protocol):
    """A record of a partition. `timestamp`: log time in ms."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


R = TypeVar("R", bound=MergedRecord)


@dataclass(slots=True)
class _Source(Generic[R]):
    next_offset: int
    end: int
    records: deque[R] = field(default_factory=deque)

    @property
    def is_starved(self) -> bool:
        """Whether further records are expected and none is available."""
        return not self.records and self.next_offset < self.end


class Merge(Generic[P, R]):
    """A merge of partitions, in the order of `positions`: the offset of each partition's first
    record. `extend` sets their ends."""

    def __init__(self, positions: Mapping[P, int]) -> None:
        self._sources: dict[P, _Source[R]] = {
            each: _Source(position, position) for each, position in positions.items()
        }
        self._ranks = {each: rank for rank, each in enumerate(positions)}
        self._partitions = list(positions)
        self._heads: list[tuple[int, int]] = []

    def extend(self, ends: Mapping[P, int]) -> None:
        """Set the offset after the last record of each partition. An end never moves back."""
        for each, end in ends.items():
            source = self._sources[each]
            source.end = max(source.end, end)

    def push(self, partition: P, records: Iterable[R], position: int) -> None:
        """Add the next records of a partition. `position`: the offset up to which it was read;
        there may be offsets without records."""
        source = self._sources[partition]
        was_empty = not source.records
        source.records.extend(r for r in records if source.next_offset <= r.offset < source.end)
        source.next_offset = max(source.next_offset, min(position, source.end))
        if was_empty and source.records:
            self._list(partition)

    def starved(self) -> Sequence[P]:
        """Return the partitions whose next record is needed to continue."""
        return [each for each, source in self._sources.items() if source.is_starved]

    def waiting(self, partition: P) -> int:
        """Return how many records of a partition wait to be taken."""
        return len(self._sources[partition].records)

    def take(self, until: int | None = None) -> Iterator[tuple[P, R]]:
        """Remove and yield the records that are known to be next, up to log time `until` (ms,
        inclusive; None: no limit). End early if the next record of a partition is missing."""
        if self.starved():
            return
        while self._heads and (until is None or self._heads[0][0] <= until):
            partition = self._partitions[self._heads[0][1]]
            source = self._sources[partition]
            record = source.records.popleft()
            if source.records:
                head = source.records[0].timestamp, self._ranks[partition]
                heapq.heapreplace(self._heads, head)
            else:
                heapq.heappop(self._heads)
            yield partition, record
            if source.is_starved:
                return

    def _list(self, partition: P) -> None:
        head = self._sources[partition].records[0].timestamp, self._ranks[partition]
        heapq.heappush(self._heads, head)
