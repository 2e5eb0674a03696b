"""Compare the derived records of calls with the live ones. Pure.

Revisions, causes and log times of arrival depend on the order in which records were handled, so
they are left out. A live decision is made when its record has passed through the pipeline, or at
the next tick; the derived one is made at the record's own log time. So differences of up to
`TICK_MS` in such times are ignored. If the live pipeline was behind when it handled the call, its
decisions are later by that lag; this is ignored too, and counted separately.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from pipeline.calls.view import SWEPT
from pipeline.contacts.reasons import LATE_EVENTS
from schemas.records import Call, Contact, RecordingDecided

TICK_MS = 2_000
"""A tick, and the time (ms) that a record takes through the live pipeline."""

CALLS, DECISIONS, CONTACTS = "calls", "decisions", "contacts"
_REASONS = frozenset(
    f"{CONTACTS}.{name}"
    for name in (
        "gaps.reason",
        "reconciliation.reason",
        "reconciliation.reservations.reason",
        "reconciliation.conferences.reason",
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs. `where`: its path, as in `contacts.decisions[0].reason`."""

    where: str
    live: Any
    derived: Any

    @property
    def kind(self) -> str:
        """The path without indexes and keys, for summaries."""
        return "".join(part.partition("]")[2] for part in f"]{self.where}".split("["))


@dataclass(slots=True)
class KnownRecords:
    """Everything known about one call, live or derived: the latest version of the call, the
    decisions by their time and content, and the latest version of the contact."""

    call: Call | None = None
    decisions: dict[tuple[int, str], RecordingDecided] = field(default_factory=dict)
    contact: Contact | None = None
    published: dict[str, int] = field(default_factory=dict)
    """By the event that caused a version of the call: the log time (ms) of its first version."""

    def take(self, record: object, at: int = 0) -> None:
        """Handle a record, in the order of the log. `at`: its log time (ms)."""
        match record:
            case Call():
                self.published.setdefault(record.cause_event_id, at)
                if self.call is None or _order(record) >= _order(self.call):
                    self.call = record
            case RecordingDecided():
                self.decisions[record.at, record.decision] = record
            case Contact():
                if self.contact is None or record.revision >= self.contact.revision:
                    self.contact = record

    def latest_at(self) -> int:
        """Return the latest log time (ms) of a record that it was made from."""
        times = [decided.at for decided in self.decisions.values()]
        if self.call is not None:
            times += [self.call.latest_arrival_at, self.call.milestones.get(SWEPT, 0)]
        if self.contact is not None:
            times.append(self.contact.updated_at)
        return max(times, default=0)


@dataclass(frozen=True, slots=True)
class ComparisonLimits:
    """Calls that are set aside: those with an event before `complete_from`, and those that changed
    after `clock` (log times, ms). `topics`: the derived ones: CALLS, DECISIONS, CONTACTS."""

    complete_from: int
    clock: int
    topics: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """The result. `within_tick`: calls that differ only by a tick; `within_lag`: calls that differ
    only by the lag of the live pipeline, at most `longest_lag_ms`; `different`: all other calls
    that differ, by key. `before` and `after`: calls that were set aside (see `ComparisonLimits`).
    `kinds`: how many calls differ in a kind of field."""

    equal: int = 0
    within_tick: int = 0
    within_lag: int = 0
    longest_lag_ms: int = 0
    before: int = 0
    after: int = 0
    different: dict[str, tuple[Difference, ...]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(
        self, key: str, live: KnownRecords, derived: KnownRecords, limits: ComparisonLimits
    ) -> None:
        """Compare one call."""
        if _first_at(live, derived) < limits.complete_from:
            self.before += 1
            return
        if live.latest_at() > limits.clock:
            self.after += 1
            return
        found = tuple(compared(live, derived, limits.topics))
        lag = lag_ms(live, derived)
        if not found:
            self.equal += 1
        elif not beyond(found, TICK_MS):
            self.within_tick += 1
        elif real := beyond(found, TICK_MS + lag):
            self.different[key] = real
            self.kinds.update({each.kind for each in real})
        else:
            self.within_lag += 1
            self.longest_lag_ms = max(self.longest_lag_ms, lag)

    @property
    def same(self) -> int:
        """The number of calls that do not really differ."""
        return self.equal + self.within_tick + self.within_lag


def lag_ms(live: KnownRecords, derived: KnownRecords) -> int:
    """Return the greatest lag (ms) of the live pipeline when it published a version of the call. It
    is known because the derived version caused by the same event has the log time of the event."""
    both = live.published.keys() & derived.published.keys()
    return max((live.published[each] - derived.published[each] for each in both), default=0)


def beyond(found: Sequence[Difference], allowed_ms: int) -> tuple[Difference, ...]:
    """Return the differences that are neither such a difference of times nor a consequence of
    one."""
    moved = any(d.kind == f"{CONTACTS}.decisions.at" and is_within(d, allowed_ms) for d in found)
    return tuple(d for d in found if not is_within(d, allowed_ms) and not (moved and _is_late(d)))


def compared(
    live: KnownRecords, derived: KnownRecords, topics: Iterable[str]
) -> Iterator[Difference]:
    """Yield the fields of a call that differ."""
    for topic in topics:
        match topic:
            case "calls":
                pair = live.call, derived.call
                yield from differences(topic, *(_content(each, pair) for each in pair))
            case "decisions":
                has_codes = all(each.reason_code for each in live.decisions.values())
                pairs = (_in_order(known, with_codes=has_codes) for known in (live, derived))
                yield from differences(topic, *pairs)
            case _:
                yield from differences(topic, _lasting(live.contact), _lasting(derived.contact))


def differences(where: str, live: Any, derived: Any) -> Iterator[Difference]:
    """Yield the differences of two values: records, tuples, mappings, or plain values."""
    if live == derived:
        return
    if is_dataclass(live) and type(live) is type(derived):
        for each in fields(live):
            pair = getattr(live, each.name), getattr(derived, each.name)
            yield from differences(f"{where}.{each.name}", *pair)
    elif isinstance(live, tuple) and isinstance(derived, tuple) and len(live) == len(derived):
        for number, pair in enumerate(zip(live, derived, strict=True)):
            yield from differences(f"{where}[{number}]", *pair)
    elif isinstance(live, Mapping) and isinstance(derived, Mapping):
        for key in sorted({*live, *derived}):
            yield from differences(f"{where}[{key}]", live.get(key), derived.get(key))
    else:
        yield Difference(where, live, derived)


def is_within(difference: Difference, allowed_ms: int) -> bool:
    """Return whether two times of the log's clock, or durations, differ by at most `allowed_ms`."""
    live, derived, where = difference.live, difference.derived, difference.where
    if not (isinstance(live, int) and isinstance(derived, int)) or abs(live - derived) > allowed_ms:
        return False
    if where.startswith(f"{CALLS}."):
        # All other times of a call are those of events. A call that was swept ended then.
        return where == f"{CALLS}.ended_at" or where.endswith(f"[{SWEPT}]")
    name = where.rpartition(".")[2]
    return name == "at" or name.endswith(("_at", "_ms"))


def _is_late(difference: Difference) -> bool:
    """Return whether the difference is a reason that depends on whether a decision was late: of a
    gap, or of a reconciliation: it has those of several gaps, and may say more after a
    semicolon."""
    if difference.kind not in _REASONS:
        return False
    live, _, more = str(difference.live).partition(";")
    derived, _, same = str(difference.derived).partition(";")
    return more == same and LATE_EVENTS in (*live.split(", "), *derived.split(", "))


def _order(call: Call) -> tuple[int, int]:
    """Return the sort key of versions: log time first, because after a rebuild of its table a
    tracker counts revisions from 1."""
    return call.latest_arrival_at, call.revision


def _first_at(live: KnownRecords, derived: KnownRecords) -> int:
    firsts = [known.call.first_event_at for known in (live, derived) if known.call is not None]
    return min(firsts, default=1 << 62)


def _content(call: Call | None, both: Sequence[Call | None]) -> Call | None:
    """Return the compared part of a call. Versions of an earlier release have no flat fields."""
    if call is None:
        return None
    call = replace(
        call, revision=0, cause_event_id="", cause_type="", cause_at=0, latest_arrival_at=0
    )
    if all(each is None or each.started_at is not None for each in both):
        return call
    return replace(call, queue=None, customer=None, agents=(), started_at=None, ended_at=None)


def _lasting(contact: Contact | None) -> Contact | None:
    return None if contact is None else replace(contact, revision=0, updated_at=0)


def _in_order(known: KnownRecords, *, with_codes: bool) -> tuple[RecordingDecided, ...]:
    """Return the compared part of the decisions. Those of an earlier release have no codes."""
    found = [
        replace(known.decisions[each], cause_event_id=None) for each in sorted(known.decisions)
    ]
    if not with_codes:
        found = [replace(each, reservation_sid=None, reason_code=None) for each in found]
    return tuple(found)
