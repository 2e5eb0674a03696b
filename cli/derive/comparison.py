"""Compare the derived records of calls with the live ones. Pure.

Revisions, causes and log times of arrival depend on the order in which records were handled, so
they are left out. A live decision is made when its record has come through the pipeline, or at the
next tick; the derived one at the record's own log time. So of such times a difference of up to
`TICK_MS` is set aside.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from pipeline.calls.view import SWEPT
from pipeline.contacts.reasons import LATE_EVENTS
from schemas.records import Call, Contact, RecordingDecided

TICK_MS = 2_000
"""A tick, and the time that a record takes through the live pipeline."""

CALLS, DECISIONS, CONTACTS = "calls", "decisions", "contacts"


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
class Known:
    """All that is known of one call, live or derived: the latest version of the call, the decisions
    by their time and content, and the latest version of the contact."""

    call: Call | None = None
    decisions: dict[tuple[int, str], RecordingDecided] = field(default_factory=dict)
    contact: Contact | None = None

    def take(self, record: object) -> None:
        """Take in a record, in the order of the log."""
        match record:
            case Call():
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
class Limits:
    """Calls that are set aside: those with an event before `complete_from`, and those that changed
    after `clock` (log times, ms). `topics`: what was derived: CALLS, DECISIONS, CONTACTS."""

    complete_from: int
    clock: int
    topics: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """The result. `within_tick`: calls that differ only by so little; `different`: the others that
    differ, by key. `before` and `after`: calls set aside (see `Limits`). `kinds`: how many calls
    differ in a kind of field."""

    equal: int = 0
    within_tick: int = 0
    before: int = 0
    after: int = 0
    different: dict[str, tuple[Difference, ...]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, key: str, live: Known, derived: Known, limits: Limits) -> None:
        """Compare one call."""
        if _first_at(live, derived) < limits.complete_from:
            self.before += 1
            return
        if live.latest_at() > limits.clock:
            self.after += 1
            return
        found = tuple(compared(live, derived, limits.topics))
        real = tuple(
            each for each in found if not is_within_tick(each) and not is_late(each, found)
        )
        if real:
            self.different[key] = real
            self.kinds.update({each.kind for each in real})
        elif found:
            self.within_tick += 1
        else:
            self.equal += 1


def compared(live: Known, derived: Known, topics: Iterable[str]) -> Iterator[Difference]:
    """Yield the fields of a call that differ."""
    for topic in topics:
        match topic:
            case "calls":
                yield from differences(topic, _content(live.call), _content(derived.call))
            case "decisions":
                yield from differences(topic, _in_order(live), _in_order(derived))
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


def is_within_tick(difference: Difference) -> bool:
    """Return whether two times, or durations, differ by so little that it is set aside."""
    live, derived, where = difference.live, difference.derived, difference.where
    if not (isinstance(live, int) and isinstance(derived, int)) or abs(live - derived) > TICK_MS:
        return False
    if where.startswith(f"{CALLS}."):
        return where.endswith(f"[{SWEPT}]")  # all other times of a call are those of events
    name = where.rpartition(".")[2]
    return name == "at" or name.endswith(("_at", "_ms"))


def is_late(difference: Difference, others: Iterable[Difference]) -> bool:
    """Return whether a gap's reason differs only because a decision differs by a tick: a decision
    that comes a second late makes the reason of the gap before it `late-events`."""
    if difference.kind != f"{CONTACTS}.gaps.reason":
        return False
    moved = any(d.kind == f"{CONTACTS}.decisions.at" and is_within_tick(d) for d in others)
    return moved and LATE_EVENTS in (difference.live, difference.derived)


def _order(call: Call) -> tuple[int, int]:
    """Versions by log time: after a rebuild of its table a tracker counts revisions from 1."""
    return call.latest_arrival_at, call.revision


def _first_at(live: Known, derived: Known) -> int:
    firsts = [known.call.first_event_at for known in (live, derived) if known.call is not None]
    return min(firsts, default=1 << 62)


def _content(call: Call | None) -> Call | None:
    if call is None:
        return None
    return replace(
        call, revision=0, cause_event_id="", cause_type="", cause_at=0, latest_arrival_at=0
    )


def _lasting(contact: Contact | None) -> Contact | None:
    return None if contact is None else replace(contact, revision=0, updated_at=0)


def _in_order(known: Known) -> tuple[RecordingDecided, ...]:
    return tuple(known.decisions[place] for place in sorted(known.decisions))
