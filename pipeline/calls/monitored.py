"""The list of who is monitored, its versions, and who was on it when.

A version is a `RecordingPolicy`; the list's lines are as in the setting's documentation: an e-mail
address, `team:NAME`, `queue:NAME`, `!queue:NAME` (never), `*`, or a `#` comment. Upper and lower
case are alike.
"""

import re
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from schemas.records import RecordingPolicy

_EMAIL = re.compile(r"([^\s@:]+@[^\s@:]+)(?:\s+#.*)?")
_NAMED = re.compile(r"(team|queue|!queue)\s*:\s*(\S.*)", re.IGNORECASE)

NOBODY = RecordingPolicy(0, 0, 0, (), record_inbound=True, record_outbound=True)
"""What holds before the first version."""


Stretch = tuple[int, int]
"""From when to when (ms)."""


class Party(Protocol):
    """Who may be monitored: a session of a call."""

    @property
    def extension(self) -> str | None: ...
    @property
    def team(self) -> str | None: ...
    @property
    def queue(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of the list that says nothing; `number` counts from 1."""

    number: int
    text: str

    def __str__(self) -> str:
        return (
            f"line {self.number}: {self.text!r} is no e-mail address, team:NAME, queue:NAME, "
            "!queue:NAME, * or # comment"
        )


@dataclass(frozen=True, slots=True)
class MonitoredList:
    """The list as read: its entries, in one spelling and order, and the lines that are wrong."""

    entries: tuple[str, ...]
    bad: tuple[BadLine, ...]


def parse_list(text: str) -> MonitoredList:
    """The list in `text`. Equal lists give equal entries, however they are written."""
    entries: set[str] = set()
    bad: list[BadLine] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        entry = _entry(line)
        if entry is None:
            bad.append(BadLine(number, line[:200]))
        else:
            entries.add(entry)
    return MonitoredList(tuple(sorted(entries)), tuple(bad))


def _entry(line: str) -> str | None:
    if line == "*":
        return line
    if named := _NAMED.fullmatch(line):
        return f"{named[1].lower()}:{_folded(named[2])}"
    email = _EMAIL.fullmatch(line)
    return email[1].casefold() if email else None


def _folded(name: str | None) -> str:
    return (name or "").strip().casefold()


@lru_cache(maxsize=64)
def _entry_set(entries: tuple[str, ...]) -> frozenset[str]:
    return frozenset(entries)


def is_excluded(policy: RecordingPolicy, queue: str | None) -> bool:
    """Whether calls of this queue are never recorded."""
    return f"!queue:{_folded(queue)}" in _entry_set(policy.entries)


def is_listed(policy: RecordingPolicy, party: Party) -> bool:
    """Whether the list names the party, its excluded queues left aside."""
    entries = _entry_set(policy.entries)
    return (
        "*" in entries
        or _folded(party.extension) in entries
        or f"team:{_folded(party.team)}" in entries
        or f"queue:{_folded(party.queue)}" in entries
    )


def is_monitored(
    policy: RecordingPolicy, extension: str | None, team: str | None, queue: str | None
) -> bool:
    """Whether a worker with this extension and team, on a call of this queue, is monitored."""
    return party_is_monitored(policy, _Worker(extension, team, queue))


def party_is_monitored(policy: RecordingPolicy, party: Party) -> bool:
    """The same of a session."""
    return is_listed(policy, party) and not is_excluded(policy, party.queue)


@dataclass(frozen=True, slots=True)
class _Worker:
    extension: str | None
    team: str | None
    queue: str | None


@dataclass(slots=True)
class PolicyHistory:
    """Every version of who is recorded. Grows as versions become known, in any order, each as often
    as it comes; otherwise a value."""

    _versions: list[RecordingPolicy] = field(default_factory=list)

    @classmethod
    def of(cls, versions: Iterable[RecordingPolicy]) -> "PolicyHistory":
        """The history of these versions."""
        history = cls()
        for version in versions:
            history.add(version)
        return history

    def add(self, policy: RecordingPolicy) -> None:
        """From now on the version is known. One that is known already changes nothing."""
        if all(known.version != policy.version for known in self._versions):
            insort(self._versions, policy, key=_in_force_from)

    @property
    def latest(self) -> RecordingPolicy:
        """The last version, in force or not yet; `NOBODY` where there is none."""
        return max(self._versions, key=lambda policy: policy.version, default=NOBODY)

    def at(self, now: int) -> RecordingPolicy:
        """The version in force at `now` (ms); `NOBODY` before the first."""
        found = bisect_right(self._versions, now, key=lambda policy: policy.effective_at)
        return self._versions[found - 1] if found else NOBODY

    def changes(self, start: int, end: int) -> tuple[int, ...]:
        """Return the times (ms) after `start` and before `end` at which a version takes effect."""
        return tuple(
            sorted({p.effective_at for p in self._versions if start < p.effective_at < end})
        )

    def stretches(self, party: Party, start: int, end: int) -> tuple[Stretch, ...]:
        """When, between `start` and `end` (ms), the party was on the list, by one version after the
        other; of no time at all, what holds at `start`. Of two versions that take effect at once
        only the later one ever is."""
        times = [start, *self.changes(start, end), max(start, end)]
        return tuple(
            (since, until)
            for since, until in pairwise(times)
            if party_is_monitored(self.at(since), party)
        )

    def monitored_between(self, party: Party, start: int, end: int) -> bool:
        """Whether the party was on the list at any moment between `start` and `end` (ms)."""
        return bool(self.stretches(party, start, end))


def _in_force_from(policy: RecordingPolicy) -> tuple[int, int]:
    return policy.effective_at, policy.version
