"""The records of one partition that Kafka has not acknowledged, in order. Each can be sent again.

In the order in which they were put:

    in flight | waiting | paged out | leaving | fresh
    ---- in memory ---    - disk -    - in memory -

While Kafka takes records, all are in flight or waiting. When it does not, the queue is paged
(`page`): waiting and new records move to disk and back, in order. Records in flight are copied to
disk too, so that the next process has them if this one is killed. The caller reads and writes the
disk.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Item:
    """A queued record. `number`: its place in the partition's order, from 1; `put_at`: seconds of a
    monotonic clock."""

    number: int
    topic: str
    key: bytes | None
    value: bytes
    partition: int | None
    put_at: float


class Room:
    """`limit` and `used` are bytes. The queues add to `used` and subtract from it themselves."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def filled(self) -> float:
        """Return the used share of the limit; 1 or more if the limit is reached."""
        return self.used / self.limit

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.used >= self.limit


class SendQueue:
    """A queue that keeps its items until they are delivered, also after they were taken.

    `room`: counts the bytes of values in memory, for all partitions' queues. `paged_last`: the
    number of the last item that an earlier process left on disk, 0 if there is none. `now`: the
    time, on the clock of `put_at`.
    """

    def __init__(self, room: Room, paged_last: int = 0, now: float = 0.0) -> None:
        self.size = 0
        self._room = room
        self.is_paging = paged_last > 0
        self._numbers = paged_last
        self._in_flight: dict[int, Item] = {}
        self._waiting: deque[Item] = deque()
        self._ahead = 0  # bytes in flight and waiting
        self._last_ahead = 0  # highest number that was ever in flight or waiting
        self._paged_last = paged_last
        self._since = now
        self._leaving: list[Item] = []
        self._fresh: deque[Item] = deque()

    def __bool__(self) -> bool:
        return bool(self._in_flight or self._waiting or self.is_paging)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in memory, in the order in which they were put."""
        yield from self._in_flight.values()
        yield from self._waiting
        yield from self._leaving
        yield from self._fresh

    @property
    def ahead(self) -> int:
        """Bytes of the items in flight or waiting."""
        return self._ahead

    @property
    def has_paged(self) -> bool:
        """Whether any items are on disk only."""
        return self._last_ahead < self._paged_last

    def put(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        *,
        at: float,
        partition: int | None = None,
    ) -> None:
        """Append an item."""
        self._numbers += 1
        item = Item(self._numbers, topic, key, value, partition, at)
        self._grow(len(value))
        if self.is_paging:
            self._fresh.append(item)
        else:
            self._append(item)

    def take(self) -> Item | None:
        """Move the next waiting item in flight and return it; None if none waits."""
        if not self._waiting:
            return None
        item = self._waiting.popleft()
        self._in_flight[item.number] = item
        return item

    def untake(self, item: Item) -> None:
        """Put the item taken last back as the next one: it was not sent."""
        del self._in_flight[item.number]
        self._waiting.appendleft(item)

    def delivered(self, number: int) -> Item | None:
        """Remove and return an item that Kafka acknowledged; None if it is not in flight."""
        item = self._in_flight.pop(number, None)
        if item is not None:
            self._grow(-len(item.value))
            self._ahead -= len(item.value)
        return item

    def substitute(self, number: int, value: bytes) -> Item | None:
        """Replace the value of an item in flight. Return the new item; None if it is not in flight
        any more."""
        old = self._in_flight.get(number)
        if old is None:
            return None
        new = self._in_flight[number] = replace(old, value=value)
        grown = len(value) - len(old.value)
        self._grow(grown)
        self._ahead += grown
        return new

    def restart(self) -> None:
        """Move the items in flight back before the waiting ones, in order, when their producer is
        gone."""
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def oldest(self) -> float | None:
        """Return when the first item was put, None if there is none. For an item on disk only, the
        time may be too late."""
        if self._in_flight:
            return next(iter(self._in_flight.values())).put_at
        if self._waiting:
            return self._waiting[0].put_at
        if self.has_paged:
            return self._since
        item = next(iter(self), None)
        return None if item is None else item.put_at

    # Paging

    def page(self) -> None:
        """Begin paging: until `rejoin`, waiting and new items go by way of the disk."""
        if not self.is_paging:
            self.is_paging = True
            self._fresh.extend(self._waiting)
            for item in self._waiting:
                self._ahead -= len(item.value)
            self._waiting.clear()
            self._last_ahead = self._fresh[0].number - 1 if self._fresh else self._numbers
            self._paged_last = self._last_ahead

    def in_flight(self) -> list[Item]:
        """Return the items in flight, for the caller to copy to disk when paging begins."""
        return list(self._in_flight.values())

    def leave(self, most: int) -> list[Item]:
        """Return the next items to write to disk, until they have `most` bytes or more. Call `left`
        or `stayed` afterwards."""
        size = 0
        while self._fresh and size < most:
            item = self._fresh.popleft()
            self._leaving.append(item)
            size += len(item.value)
        return self._leaving

    def left(self) -> None:
        """Remove the leaving items from memory: they are on disk."""
        if self._leaving:
            if not self.has_paged:
                self._since = self._leaving[0].put_at
            self._paged_last = self._leaving[-1].number
            self._grow(-sum(len(item.value) for item in self._leaving))
            self._leaving = []

    def stayed(self) -> None:
        """Keep the leaving items in memory: they could not be written."""
        self._fresh.extendleft(reversed(self._leaving))
        self._leaving = []

    def came_back(self, items: Iterable[Item]) -> None:
        """Append the next items from disk to the waiting ones. Skip those that are, or were, in
        flight or waiting."""
        for item in items:
            if item.number > self._last_ahead:
                self._grow(len(item.value))
                self._since = item.put_at
                self._append(item)

    def gave_up(self) -> None:
        """Count the rest of the paged items as lost: the disk has no more of them."""
        self._last_ahead = max(self._last_ahead, self._paged_last)

    def rejoin(self) -> bool:
        """End paging if no item is on disk only or being written. Return whether paging ended."""
        if not self.is_paging or self.has_paged or self._leaving:
            return False
        self.is_paging = False
        for item in self._fresh:
            self._append(item)
        self._fresh.clear()
        return True

    def first_needed(self) -> int:
        """Return the lowest number that is still needed. The disk may delete all lower ones."""
        for items in (self._in_flight.values(), self._waiting):
            for item in items:
                return item.number
        return self._last_ahead + 1

    def _grow(self, by: int) -> None:
        self.size += by
        self._room.used += by

    def _append(self, item: Item) -> None:
        self._waiting.append(item)
        self._ahead += len(item.value)
        self._last_ahead = item.number
