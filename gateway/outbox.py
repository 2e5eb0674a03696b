"""What waits for Kafka's word: records in order, bounded in bytes, that can all be sent again."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


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

    `limit`: bytes of values held, in flight or not, beyond which droppable items are refused.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._numbers = 0
        self._waiting: deque[Item] = deque()
        self._in_flight: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def __iter__(self) -> Iterator[Item]:
        """All items, in the order in which they were put."""
        yield from self._in_flight.values()
        yield from self._waiting

    def put(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        *,
        at: float,
        partition: int | None = None,
        droppable: bool = False,
    ) -> bool:
        """Appends an item; False where it was refused."""
        if droppable and self.size + len(value) > self.limit:
            return False
        self._numbers += 1
        self._waiting.append(Item(self._numbers, topic, key, value, partition, at))
        self.size += len(value)
        return True

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
            self.size -= len(item.value)
        return item

    def restart(self) -> None:
        """All in flight waits again, before the rest, in its order: who carried it is gone."""
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def oldest(self) -> float | None:
        """When the first item was put; None where there is none."""
        item = next(iter(self), None)
        return None if item is None else item.put_at
