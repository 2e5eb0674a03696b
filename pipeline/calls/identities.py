"""The identity of a worker. The worker SID is the identity. The e-mail address, the user of the
contact URI and the worker name are its names; all names that were ever stated for it belong
together.

The agent's own browser can rewrite worker attributes, also between calls. So the names that are
seen for a worker SID are collected across tasks: a call states the names in its reservations
(`sightings`), a worker's record keeps each name with the time it was first seen (`with_sighting`),
and every process that decides has all records (`Workers`). A name counts in other calls from
`EFFECTIVE_AFTER_MS` after its record's time. By then every process knows it, and a replay decides
the same.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline.calls.claims import has_contradictions, values_of
from pipeline.calls.ends import client_end
from pipeline.calls.workers import contact_ends, contact_user, value, worker_facts
from schemas.records import Call, Fact, Reservation, Worker, WorkerIdentity, WorkerSeen

EMAIL, CONTACT, NAME = "email", "contact", "name"
MAX_IDENTITIES = 50
"""The number of names that are kept of a worker, the earliest ones."""
EFFECTIVE_AFTER_MS = 1_500

_FACTS = {EMAIL: "extension", CONTACT: "contact_uri", NAME: "worker_name"}

Named = tuple[str, str]
"""Kind and value of a name."""


def names_in(reservation: Reservation) -> tuple[Named, ...]:
    """Return all names of the reservation's worker in it, casefolded."""
    facts = reservation.facts
    if has_contradictions(facts):
        stated = {kind: _values(facts, name) for kind, name in _FACTS.items()}
        return tuple(n for kind, values in stated.items() for v in values for n in _named(kind, v))
    return _names_of(facts)


def _names_of(facts: Mapping[str, Fact]) -> tuple[Named, ...]:
    """The names in facts without contradictions."""
    email, uri, name = facts.get("extension"), facts.get("contact_uri"), facts.get("worker_name")
    return _plain_names(email and email.value, uri and uri.value, name and name.value)


def list_words(reservation: Reservation) -> frozenset[str]:
    """Return the lines of the monitored list, in normal form, that name the reservation's worker or
    the worker's team, by any statement in the reservation."""
    facts = reservation.facts
    worker, team = value(facts, "worker_sid"), value(facts, "team")
    if has_contradictions(facts):
        return _list_words(worker, names_in(reservation), _values(facts, "team"))
    return _list_words(worker, _names_of(facts), () if team is None else (team,))


def words_of_worker(worker_sid: str, friendly_name: str, attributes: object) -> frozenset[str]:
    """Return the lines of the monitored list, in normal form, that name a worker as TaskRouter
    lists it. `attributes`: JSON as text, or an object; anything else is ignored."""
    facts = worker_facts(attributes)
    names = _plain_names(facts["extension"], facts["contact_uri"], friendly_name or None)
    team = facts["team"]
    return _list_words(worker_sid, names, () if team is None else (team,))


def sightings(before: Call | None, after: Call) -> tuple[WorkerSeen, ...]:
    """Return the names of workers that are new in a version of a call."""
    if before is not None and before.reservations is after.reservations:
        return ()
    known = {} if before is None else {each.sid: each for each in before.reservations}
    found = (_sighting(known.get(each.sid), each, after) for each in after.reservations)
    return tuple(seen for seen in found if seen is not None)


def with_sighting(state: Worker | None, seen: WorkerSeen, now: int) -> Worker | None:
    """Return the worker's record with the names that were seen, or None if none is new. `now`: the
    record's log time (ms)."""
    known = {} if state is None else {(i.kind, i.value): i for i in state.identities}
    merged = dict(known)
    for each in seen.identities:
        mine = known.get((each.kind, each.value))
        since = now + EFFECTIVE_AFTER_MS if mine is None else mine.counts_from
        seen_at = each.seen_at if mine is None else min(mine.seen_at, each.seen_at)
        merged[each.kind, each.value] = WorkerIdentity(each.kind, each.value, seen_at, since)
    kept = tuple(sorted(merged.values(), key=_rank)[:MAX_IDENTITIES])
    if state is not None and kept == state.identities:
        return None
    return Worker(seen.worker_sid, kept, now)


@dataclass(slots=True)
class Workers:
    """The latest records of all workers."""

    _names: dict[str, tuple[list[int], list[frozenset[str]]]] = field(default_factory=dict)
    _emails: dict[str, frozenset[str]] = field(default_factory=dict)
    _owners: Counter[str] = field(default_factory=Counter)
    _ends: dict[str, tuple[tuple[int, frozenset[str]], ...]] = field(default_factory=dict)
    renamed: int = 0
    """The number of workers with more than one e-mail address."""
    shared_emails: int = 0
    """The number of e-mail addresses that were seen with more than one worker."""

    def put(self, worker: Worker) -> None:
        """Replace the record of a worker by its latest version."""
        times: list[int] = []
        words: list[frozenset[str]] = []
        for each in sorted(worker.identities, key=lambda i: i.counts_from):
            times.append(each.counts_from)
            words.append((words[-1] if words else frozenset()) | _words(each.value))
        self._names[worker.worker_sid] = times, words
        self._ends[worker.worker_sid] = tuple(
            (each.counts_from, _ends_of(each)) for each in worker.identities
        )
        emails = frozenset(i.value for i in worker.identities if i.kind == EMAIL)
        self._count_conflicts(self._emails.get(worker.worker_sid, frozenset()), emails)
        self._emails[worker.worker_sid] = emails

    def words_at(self, worker_sid: str | None, at: int) -> frozenset[str]:
        """Return the lines of the monitored list that name the worker at `at` (ms), according to
        the events of any call."""
        known = self._names.get(worker_sid or "")
        if known is None:
            return frozenset()
        found = bisect_right(known[0], at)
        return known[1][found - 1] if found else frozenset()

    def ends_at(self, worker_sid: str | None, at: int) -> frozenset[str]:
        """Return the ends, in normal form, at which the worker is called, according to the contact
        URIs and names that count at `at` (ms)."""
        known = self._ends.get(worker_sid or "", ())
        return frozenset(end for since, ends in known if since <= at for end in ends)

    def changes(self, worker_sid: str | None, start: int, end: int) -> tuple[int, ...]:
        """Return the times (ms) after `start` and before `end` at which another name begins to
        count."""
        times, _ = self._names.get(worker_sid or "", ((), ()))
        return tuple(sorted({at for at in times if start < at < end}))

    def _count_conflicts(self, before: frozenset[str], after: frozenset[str]) -> None:
        self.renamed += (len(after) > 1) - (len(before) > 1)
        for email in after ^ before:
            had = self._owners[email]
            self._owners[email] += 1 if email in after else -1
            self.shared_emails += (self._owners[email] > 1) - (had > 1)


def _sighting(before: Reservation | None, after: Reservation, call: Call) -> WorkerSeen | None:
    if before is not None and before.facts is after.facts:
        return None
    worker_sid = value(after.facts, "worker_sid")
    if worker_sid is None:
        return None
    known = () if before is None else names_in(before)
    new = [named for named in names_in(after) if named not in known]
    if not new:
        return None
    at = call.cause_at
    names = tuple(WorkerIdentity(kind, stated, at, 0) for kind, stated in new)
    return WorkerSeen(worker_sid, call.task_sid, names, at)


def _values(facts: Mapping[str, Fact], name: str) -> tuple[str, ...]:
    return tuple(fact.value for fact in values_of(facts, name))


def _named(kind: str, stated: str) -> Iterable[Named]:
    plain = (contact_user(stated) if kind == CONTACT else stated).strip().casefold()
    return ((kind, plain),) if plain else ()


@lru_cache(maxsize=4_096)  # called for each version of a call, mostly with the same workers
def _plain_names(*stated: str | None) -> tuple[Named, ...]:
    pairs = zip(_FACTS, stated, strict=True)
    return tuple(n for kind, each in pairs if each is not None for n in _named(kind, each))


@lru_cache(maxsize=4_096)
def _list_words(
    worker_sid: str | None, names: tuple[Named, ...], teams: tuple[str, ...]
) -> frozenset[str]:
    words = {f"team:{team.strip().casefold()}" for team in teams}
    for _, name in names:
        words |= _words(name)
    return frozenset(words if worker_sid is None else words | {worker_sid.casefold()})


def _words(name: str) -> frozenset[str]:
    # A name such as `queue:sales` must not stand for a line of another kind.
    plain = set() if ":" in name else {name}
    return frozenset({f"worker:{name}"} | plain)


def _ends_of(identity: WorkerIdentity) -> frozenset[str]:
    if identity.kind == CONTACT:
        return contact_ends(identity.value)
    end = client_end(identity.value)
    return frozenset() if end is None else frozenset({end})


def _rank(identity: WorkerIdentity) -> tuple[int, str, str]:
    return identity.seen_at, identity.kind, identity.value
