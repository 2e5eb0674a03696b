"""When which key of a partition wants to be asked by a tick, so that a tick asks only those: a call
is kept for hours after its end, and a tick comes every second. Pure.
"""

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S")


class Waking:
    """Keys, each with the time (ms) from which it wants to be asked.

    A heap whose entries may be out of date. An entry that is earlier than its key now wants is put
    back when it comes up: most changes put a key's time off, and cost nothing here.
    """

    __slots__ = ("_heap", "_listed", "_wanted")

    def __init__(self) -> None:
        self._wanted: dict[str, int] = {}
        self._listed: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def set(self, key: str, at: int | None) -> None:
        """The key wants to be asked from `at` on; None: not at all."""
        if at is None:
            self._wanted.pop(key, None)
            return
        self._wanted[key] = at
        listed = self._listed.get(key)
        if listed is None or at < listed:
            self._list(key, at)

    def due(self, now: int) -> list[str]:
        """The keys that want to be asked at `now`, the longest due first. They are taken out:
        `set` each again once it was asked."""
        found: list[tuple[int, str]] = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._listed.get(key) != at:
                continue  # an earlier entry stood for it meanwhile
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
        """How much room it takes: entries, out of date or not."""
        return len(self._heap)

    def _list(self, key: str, at: int) -> None:
        self._listed[key] = at
        heapq.heappush(self._heap, (at, key))


@dataclass(slots=True)
class Keys(Generic[S]):
    """What is kept for a partition, and who there is to be asked when."""

    states: dict[str, S] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    waking: Waking = field(default_factory=Waking)
    hearing: dict[str, None] = field(default_factory=dict)
    rules: int | None = None
    ticked_at: int | None = None

    def due(self, now: int, rules: int) -> Collection[str]:
        """The keys to ask at a tick; all of them when these rules are new here."""
        changed, self.changed = self.changed, {}
        due = dict.fromkeys(self.waking.due(now)) | changed
        if rules == self.rules:
            return due
        self.rules = rules
        return tuple(self.states)

    def asked(self, key: str, wakes_at: Callable[[S], int | None]) -> None:
        """After a tick asked it."""
        state = self.states.get(key)
        self.changed.pop(key, None)
        self.waking.set(key, None if state is None else wakes_at(state))

    def forget(self, key: str) -> None:
        """The key is gone."""
        self.states.pop(key, None)
        self.changed.pop(key, None)
        self.hearing.pop(key, None)
        self.waking.set(key, None)
