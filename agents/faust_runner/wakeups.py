"""Wake-up times of a partition's keys, so that a tick handles only the keys that are due. A call is
kept for hours after its end, and a tick comes every second. Pure."""

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S")


class Waking:
    """Keys, each with its wake-up time (ms).

    A heap with entries that may be out of date. An entry that comes up before its key's current
    wake-up time is put back. So a change that postpones a key, as most do, costs nothing here.
    """

    __slots__ = ("_heap", "_listed", "_wanted")

    def __init__(self) -> None:
        self._wanted: dict[str, int] = {}
        self._listed: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def set(self, key: str, at: int | None) -> None:
        """Set a key's wake-up time; None removes it."""
        if at is None:
            self._wanted.pop(key, None)
            return
        self._wanted[key] = at
        listed = self._listed.get(key)
        if listed is None or at < listed:
            self._list(key, at)

    def due(self, now: int) -> list[str]:
        """Remove and return the keys that are due at `now`, the longest due first. The caller must
        `set` each again after handling it."""
        found: list[tuple[int, str]] = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._listed.get(key) != at:
                continue  # an earlier entry has replaced it
            del self._listed[key]
            wanted = self._wanted.get(key)
            if wanted is None:
                continue
            if wanted > now:
                self._list(key, wanted)
            else:
                del self._wanted[key]
                found.append((wanted, key))
        return [key for _, key in sorted(found)]

    @property
    def listed(self) -> int:
        """The number of heap entries, including those that are out of date."""
        return len(self._heap)

    def _list(self, key: str, at: int) -> None:
        self._listed[key] = at
        heapq.heappush(self._heap, (at, key))


@dataclass(slots=True)
class Keys(Generic[S]):
    """The states of a partition's keys, and when ticks must handle them."""

    states: dict[str, S] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    waking: Waking = field(default_factory=Waking)
    hearing: dict[str, None] = field(default_factory=dict)
    rules: int | None = None
    ticked_at: int | None = None

    def due(self, now: int, rules: int) -> Collection[str]:
        """Return the keys that a tick at `now` must handle; all keys if the version `rules` is new
        here."""
        changed, self.changed = self.changed, {}
        due = dict.fromkeys(self.waking.due(now)) | changed
        if rules == self.rules:
            return due
        self.rules = rules
        return tuple(self.states)

    def asked(self, key: str, wakes_at: Callable[[S], int | None]) -> None:
        """Note that a tick handled the key; set its next wake-up time."""
        state = self.states.get(key)
        self.changed.pop(key, None)
        self.waking.set(key, None if state is None else wakes_at(state))

    def forget(self, key: str) -> None:
        """Remove the key."""
        self.states.pop(key, None)
        self.changed.pop(key, None)
        self.hearing.pop(key, None)
        self.waking.set(key, None)
