"""The monitored list, its versions, and the times in which a worker was on it.

A version is a `RecordingPolicy`; the list's lines are as in the setting's documentation: an e-mail
address, a worker SID, `worker:NAME`, `team:NAME`, `queue:NAME`, `!queue:NAME` (never), `*`, or a
`#` comment. Upper and lower case do not matter. A line may use any name that was ever seen for the
worker SID (`identities`).
"""

import re
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

from pipeline.calls.fields import MAX_TEXT_CHARACTERS
from pipeline.calls.identities import Workers
from pipeline.policy.versions import Assembly, hash_of, is_damaged
from schemas.records import RecordingPolicy

EXCLUSION = "!queue:"
"""The prefix of an entry for a queue. Calls of that queue are never recorded."""


_EMAIL = re.compile(r"([^\s@:]+@[^\s@:]+)(?:\s+#.*)?")
_NAMED = re.compile(r"(worker|team|queue|!queue)\s*:\s*(\S.*)", re.IGNORECASE)
_WORKER_SID = re.compile(r"(WK[0-9a-f]{32})(?:\s+#.*)?", re.IGNORECASE)

NOBODY = RecordingPolicy(0, 0, 0, (), record_inbound=True, record_outbound=True)
"""The policy before the first version: no worker is monitored."""


Stretch = tuple[int, int]
"""Start and end of a period (ms)."""


class Party(Protocol):
    """A party that may be monitored: a session of a call."""

    @property
    def extension(self) -> str | None: ...
    @property
    def team(self) -> str | None: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def worker_sid(self) -> str | None: ...
    @property
    def list_words(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class BadLine:
    """An invalid line of the list. `number` counts from 1."""

    number: int
    text: str

    def __str__(self) -> str:
        return (
            f"line {self.number}: {self.text!r} is no e-mail address, worker SID, worker:NAME, "
            f"team:NAME, queue:NAME, !queue:NAME, * or # comment of up to {MAX_TEXT_CHARACTERS} "
            "characters"
        )


@dataclass(frozen=True, slots=True)
class MonitoredList:
    """The parsed list: its entries, in a normal form and order, and the invalid lines."""

    entries: tuple[str, ...]
    bad: tuple[BadLine, ...]


def parse_list(text: str) -> MonitoredList:
    """Return the list in `text`. Lists with the same meaning have the same entries."""
    entries: set[str] = set()
    bad: list[BadLine] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        entry = _entry(line) if len(line) <= MAX_TEXT_CHARACTERS else None
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
    single = _EMAIL.fullmatch(line) or _WORKER_SID.fullmatch(line)
    return single[1].casefold() if single else None


def _folded(name: str | None) -> str:
    return (name or "").strip().casefold()


_COMPILED: dict[int, tuple[tuple[str, ...], frozenset[str]]] = {}
_MAX_COMPILED = 32


def _entry_set(entries: tuple[str, ...]) -> frozenset[str]:
    # Cached by identity: hashing 100,000 entries takes a millisecond, and would be repeated several
    # times for each version of each call. The tuple is kept with its set, so its id cannot be
    # reused.
    known = _COMPILED.get(id(entries))
    if known is not None and known[0] is entries:
        return known[1]
    if len(_COMPILED) >= _MAX_COMPILED:
        _COMPILED.clear()
    compiled = frozenset(entries)
    _COMPILED[id(entries)] = entries, compiled
    return compiled


def is_excluded(policy: RecordingPolicy, queue: str | None) -> bool:
    """Return whether calls of this queue are never recorded."""
    return f"{EXCLUSION}{_folded(queue)}" in _entry_set(policy.entries)


def is_listed(policy: RecordingPolicy, party: Party, words: frozenset[str] = frozenset()) -> bool:
    """Return whether the list names the party, excluded queues aside. `words`: further lines that
    name it."""
    entries = _entry_set(policy.entries)
    return (
        "*" in entries
        or not party.list_words.isdisjoint(entries)
        or not words.isdisjoint(entries)
        or _folded(party.extension) in entries
        or f"team:{_folded(party.team)}" in entries
        or f"queue:{_folded(party.queue)}" in entries
    )


def is_monitored(
    policy: RecordingPolicy, extension: str | None, team: str | None, queue: str | None
) -> bool:
    """Return whether a worker with this extension and team, on a call of this queue, is
    monitored."""
    return party_is_monitored(policy, _Worker(extension, team, queue))


def party_is_monitored(
    policy: RecordingPolicy, party: Party, words: frozenset[str] = frozenset()
) -> bool:
    """Return whether a session's worker is monitored. `words`: as in `is_listed`."""
    return is_listed(policy, party, words) and not is_excluded(policy, party.queue)


@dataclass(frozen=True, slots=True)
class _Worker:
    extension: str | None
    team: str | None
    queue: str | None
    worker_sid: str | None = None
    list_words: frozenset[str] = frozenset()


@dataclass(slots=True)
class PolicyHistory:
    """All known versions of the policy. It grows with the records of `policy`, which may come in
    any order and repeatedly; otherwise it is a value.

    If a version number comes again with another content or time, the topic was lost and the numbers
    began again. Both versions are then kept, each in force from its own time on, so that every
    process decides by the newest one; `reused` lists these numbers.

    `workers`: the names that workers had in other calls.
    """

    workers: Workers = field(default_factory=Workers)

    _versions: list[RecordingPolicy] = field(default_factory=list)
    _by_number: dict[int, RecordingPolicy] = field(default_factory=dict)
    _assembly: Assembly = field(default_factory=Assembly)
    _words: dict[str, str] = field(default_factory=dict)
    _reused: set[int] = field(default_factory=set)
    _damaged: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, versions: Iterable[RecordingPolicy]) -> "PolicyHistory":
        """Return the history of these versions."""
        history = cls()
        for version in versions:
            history.add(version)
        return history

    def add(self, record: RecordingPolicy) -> None:
        """Add a version, or a part of one: a version is known once all its parts are. A version
        that is known already changes nothing. A damaged version is left out."""
        policy = self._assembly.add(record)
        if policy is None:
            return
        if is_damaged(policy):
            self._damaged.add(policy.version)
            return
        same = self._by_number.get(policy.version)
        if same is not None:
            if any(_identity(policy) == _identity(known) for known in self._numbered(same.version)):
                return
            self._reused.add(policy.version)
        # Versions have most entries in common, so each entry is kept in memory once.
        entries = tuple([self._words.setdefault(entry, entry) for entry in policy.entries])
        policy = replace(policy, entries=entries)
        insort(self._versions, policy, key=_in_force_from)
        self._by_number[policy.version] = policy

    @property
    def latest(self) -> RecordingPolicy:
        """The version that takes effect last, whether it is in force already or not; `NOBODY` if
        there is none."""
        return self._versions[-1] if self._versions else NOBODY

    @property
    def versions(self) -> tuple[RecordingPolicy, ...]:
        """Every version, in the order in which they take effect."""
        return tuple(self._versions)

    @property
    def last_number(self) -> int:
        """The greatest version number so far, 0 if there is none."""
        return max(self._by_number, default=0)

    @property
    def base(self) -> RecordingPolicy:
        """The last version with the list exactly as in its file (see `list_changes`)."""
        latest = self.latest
        return self._by_number.get(latest.base, latest) if latest.base else latest

    @property
    def reused(self) -> tuple[int, ...]:
        """The version numbers that came with more than one content or time."""
        return tuple(sorted(self._reused))

    @property
    def damaged(self) -> tuple[int, ...]:
        """The versions that were left out, because their content does not match their hash."""
        return tuple(sorted(self._damaged))

    def at(self, now: int) -> RecordingPolicy:
        """Return the version in force at `now` (ms); `NOBODY` before the first one."""
        found = bisect_right(self._versions, now, key=lambda policy: policy.effective_at)
        return self._versions[found - 1] if found else NOBODY

    def changes(self, start: int, end: int) -> tuple[int, ...]:
        """Return the times (ms) after `start` and before `end` at which a version takes effect."""
        return tuple(
            sorted({p.effective_at for p in self._versions if start < p.effective_at < end})
        )

    def _numbered(self, number: int) -> list[RecordingPolicy]:
        return [policy for policy in self._versions if policy.version == number]

    def stretches(self, party: Party, start: int, end: int) -> tuple[Stretch, ...]:
        """Return the periods between `start` and `end` (ms) in which the party was on the list,
        version by version. If both times are equal, the version in force at `start` counts. If two
        versions take effect at the same time, only the later one is ever in force."""
        changes = {*self.changes(start, end), *self.workers.changes(party.worker_sid, start, end)}
        times = [start, *sorted(changes), max(start, end)]
        return tuple(
            (since, until) for since, until in pairwise(times) if self.is_monitored(party, since)
        )

    def is_listed(self, party: Party, at: int) -> bool:
        """Return whether the list in force at `at` (ms) names the party, excluded queues aside."""
        return is_listed(self.at(at), party, self.workers.words_at(party.worker_sid, at))

    def is_monitored(self, party: Party, at: int) -> bool:
        """Return whether the party is monitored at `at` (ms)."""
        words = self.workers.words_at(party.worker_sid, at)
        return party_is_monitored(self.at(at), party, words)

    def monitored_between(self, party: Party, start: int, end: int) -> bool:
        """Return whether the party was on the list at any time between `start` and `end` (ms)."""
        return bool(self.stretches(party, start, end))


def _in_force_from(policy: RecordingPolicy) -> tuple[int, int, str]:
    return policy.effective_at, policy.version, policy.hash


def _identity(policy: RecordingPolicy) -> tuple[int, int, str]:
    return policy.version, policy.effective_at, hash_of(policy)
