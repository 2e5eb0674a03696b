"""Queues of records for Kafka, one for each partition."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.publishing.send_queue import Room, SendQueue
from gateway.publishing.spill import Spills
from pipeline.runtime.kafka import partition_of
from schemas.topics import CALL_PARTITIONS

_RESERVED = 4
"""A quarter of the memory (1 / `_RESERVED`) is kept free for partitions that Kafka accepts records
for, if there are any."""

partition_of_key = lru_cache(10_000)(partition_of)


@dataclass(eq=False, slots=True)
class PublishLane:
    """A partition's queue.

    `suspects`: numbers of items that must be sent alone. `sending`: the task that hands an item to
    the producer; until it ends, nothing else of the lane is sent. `moved`: set when the producer
    has answered for an item.
    """

    topic: str
    partition: int
    outbox: SendQueue
    suspects: set[int] = field(default_factory=set)
    sending: "asyncio.Task[None] | None" = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def waiting_for(self, now: float) -> float:
        """Return how long (s) the oldest record has been waiting for its acknowledgement."""
        oldest = self.outbox.oldest()
        return 0.0 if oldest is None else now - oldest


class PublishLanes:
    """The lanes of all partitions. `limit`: bytes in memory; `clock`: monotonic, s."""

    def __init__(self, limit: int, spills: Spills | None, clock: Callable[[], float]) -> None:
        self.room = Room(limit)
        self._spills = spills
        self._clock = clock
        self._by_place: dict[tuple[str, int], PublishLane] = {}
        self._all: list[PublishLane] = []
        for topic, partition in spills.left_over() if spills else ():
            self.at(topic, partition)

    def all(self) -> Sequence[PublishLane]:
        """Return all lanes that were ever used."""
        return self._all

    def __iter__(self) -> Iterator[PublishLane]:
        return iter(self._all)

    def __bool__(self) -> bool:
        """Return whether any record is not acknowledged."""
        return self.room.used > 0 or any(lane.outbox for lane in self._all)

    def of_key(self, topic: str, key: bytes | None) -> PublishLane:
        """Return the lane of the partition that Kafka's default partitioner chooses for the key."""
        return self.at(topic, partition_of_key(key or b"", CALL_PARTITIONS))

    def at(self, topic: str, partition: int) -> PublishLane:
        """Return the partition's lane."""
        lane = self._by_place.get((topic, partition))
        if lane is None:
            left_over = self._spills.of(topic, partition).left_over if self._spills else 0
            outbox = SendQueue(self.room, left_over, self._clock())
            lane = self._by_place[topic, partition] = PublishLane(topic, partition, outbox)
            self._all.append(lane)
        return lane

    def has_room(self, lane: PublishLane, size: int, stalled_s: float) -> bool:
        """Return whether `size` more bytes may wait in memory. A lane that has waited for more than
        `stalled_s` leaves a quarter of the memory to lanes that have not."""
        room = self.room
        used = room.used + size
        if used <= room.limit - room.limit // _RESERVED or used > room.limit:
            return used <= room.limit
        now = self._clock()
        if lane.waiting_for(now) <= stalled_s:
            return True
        return all(each.waiting_for(now) > stalled_s for each in self._all if each.outbox)
