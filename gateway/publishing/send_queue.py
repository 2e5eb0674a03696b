"""What waits for Kafka's word on one partition: records in order, bounded in bytes, that can all be
sent again.

In the order in which they were put:

    in flight | waiting | paged out | leaving | fresh
    ---- in memory ---    - disk -    - in memory -

While Kafka takes what comes there is only the left. Once it does not (`page`), what waits and what
comes moves to disk and back, in its order; what is in flight is copied there too, for who comes
after a kill. Who holds the disk is the caller.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.publishing.room import Room


@dataclass(frozen=True, slots=True)
class Item:
    """A record on its way. `put_at`: seconds of a clock that never goes back."""

    number: int
    topic: str
    key: bytes | None
    value: bytes
    partition: int | None
    put_at: float


class Outbox:
    """A queue whose items leave when they were delivered, not when they were taken.

    `room`: bytes of values held in memory by all partitions' queues. `paged_last`: the number of
    the last item that an earlier life left on disk, 0 if there is none; `now`: the clock of
    `put_at`.
    """

    def __init__(self, room: Room, paged_last: int = 0, now: float = 0.0) -> None:
        self.size = 0
        self._room = room
        self.is_paging = paged_last > 0
        self._numbers = paged_last
        self._in_flight: dict[int, Item] = {}
        self._waiting: deque[Item] = deque()
        self._ahead = 0  # bytes in flight and waiting
        self._last_ahead = 0  # number of the last of them there ever was
        self._paged_last = paged_last
        self._since = now
        self._leaving: list[Item] = []
        self._fresh: deque[Item] = deque()

    def __bool__(self) -> bool:
        return bool(self._in_flight or self._waiting or self.is_paging)

    def __iter__(self) -> Iterator[Item]:
        """All items in memory, in the order in which they were put."""
        yield from self._in_flight.values()
        yield from self._waiting
        yield from self._leaving
        yield from self._fresh

    @property
    def ahead(self) -> int:
        """Bytes that are in flight or wait to be."""
        return self._ahead

    @property
    def has_paged(self) -> bool:
        """Whether there are items that only the disk has."""
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
        """The next item to send, in flight from now on; None where none waits."""
        if not self._waiting:
            return None
        item = self._waiting.popleft()
        self._in_flight[item.number] = item
        return item

    def untake(self, item: Item) -> None:
        """The item taken last was not sent after all; it is the next again."""
        del self._in_flight[item.number]
        self._waiting.appendleft(item)

    def delivered(self, number: int) -> Item | None:
        """The item is in the log and leaves. None where it is not in flight (any more)."""
        item = self._in_flight.pop(number, None)
        if item is not None:
            self._grow(-len(item.value))
            self._ahead -= len(item.value)
        return item

    def substitute(self, number: int, value: bytes) -> Item | None:
        """Put another value in the place of an item in flight; return the item as it is now. None
        if it is not in flight (any more)."""
        old = self._in_flight.get(number)
        if old is None:
            return None
        new = self._in_flight[number] = replace(old, value=value)
        grown = len(value) - len(old.value)
        self._grow(grown)
        self._ahead += grown
        return new

    def restart(self) -> None:
        """All in flight waits again, before the rest, in its order: who carried it is gone."""
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def oldest(self) -> float | None:
        """When the first item was put, or later than that where only the disk knows; None where
        there is none."""
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
        """From now on everything goes by way of the disk, until `rejoin`."""
        if not self.is_paging:
            self.is_paging = True
            self._fresh.extend(self._waiting)
            for item in self._waiting:
                self._ahead -= len(item.value)
            self._waiting.clear()
            self._last_ahead = self._fresh[0].number - 1 if self._fresh else self._numbers
            self._paged_last = self._last_ahead

    def in_flight(self) -> list[Item]:
        """What is in flight, to be copied when paging begins."""
        return list(self._in_flight.values())

    def leave(self, most: int) -> list[Item]:
        """The next items for the disk, `most` bytes and one item more at the most. `left` or
        `stayed` must follow."""
        size = 0
        while self._fresh and size < most:
            item = self._fresh.popleft()
            self._leaving.append(item)
            size += len(item.value)
        return self._leaving

    def left(self) -> None:
        """They are on disk."""
        if self._leaving:
            if not self.has_paged:
                self._since = self._leaving[0].put_at
            self._paged_last = self._leaving[-1].number
            self._grow(-sum(len(item.value) for item in self._leaving))
            self._leaving = []

    def stayed(self) -> None:
        """They could not be written, and stay in memory."""
        self._fresh.extendleft(reversed(self._leaving))
        self._leaving = []

    def came_back(self, items: Iterable[Item]) -> None:
        """What the disk has next; what is in memory besides is passed over."""
        for item in items:
            if item.number > self._last_ahead:
                self._grow(len(item.value))
                self._since = item.put_at
                self._append(item)

    def gave_up(self) -> None:
        """The disk has no more of what was paged out."""
        self._last_ahead = max(self._last_ahead, self._paged_last)

    def rejoin(self) -> bool:
        """Ends paging, if nothing is on disk or on its way there; whether it did."""
        if not self.is_paging or self.has_paged or self._leaving:
            return False
        self.is_paging = False
        for item in self._fresh:
            self._append(item)
        self._fresh.clear()
        return True

    def first_needed(self) -> int:
        """Everything with a lesser number was delivered; the disk may forget it."""
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
