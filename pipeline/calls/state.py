"""A call's state: a summary that merges.

Theory: `merge` is commutative, associative and idempotent (facts take the greatest by version,
time and event id; milestones the earliest; maps merge by key), so the summary is a function of the
set of the call's events, whatever their order and however often each came.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeVar

from pipeline.calls.events import Silent, delta
from pipeline.calls.view import ENDED, FORMING, IGNORED, derived
from schemas.records import Call, CtiEvent, Fact, Leg, Reservation, Transfer

_Party = TypeVar("_Party", Reservation, Transfer, Leg)

FORGOTTEN_AFTER_MS = 4 * 60 * 60 * 1000
"""Twilio retries an event for up to 4 hours; so long an ended call is kept."""

LONGEST_MS = 24 * 60 * 60 * 1000
"""A call may last so long."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The call after an event. `news`: it is a new version, to be published; otherwise only the
    latest arrival may have moved."""

    call: Call
    news: bool


def fold(call: Call | None, event: CtiEvent) -> Folded | Silent:
    """The call with one more event."""
    said = delta(event)
    if isinstance(said, Silent):
        return said
    if call is None:
        return Folded(derived(replace(said, revision=1)), news=True)
    merged = merge(call, said)
    if _same(merged, call):
        moved = merged.latest_arrival_at != call.latest_arrival_at
        return Folded(replace(call, latest_arrival_at=merged.latest_arrival_at) if moved else call,
                      news=False)  # fmt: skip
    version = replace(
        merged,
        revision=call.revision + 1,
        cause_event_id=said.cause_event_id,
        cause_type=said.cause_type,
        cause_at=said.cause_at,
    )
    return Folded(derived(version), news=True)


def merge(a: Call, b: Call) -> Call:
    """What both say. Of the same task; derived fields, revision and cause are `a`'s."""
    return replace(
        a,
        first_event_at=min(a.first_event_at, b.first_event_at),
        latest_event_at=max(a.latest_event_at, b.latest_event_at),
        latest_arrival_at=max(a.latest_arrival_at, b.latest_arrival_at),
        facts=_facts(a.facts, b.facts),
        milestones=_milestones(a.milestones, b.milestones),
        reservations=_parties(a.reservations, b.reservations, attrgetter("sid")),
        transfers=_parties(a.transfers, b.transfers, attrgetter("sid")),
        legs=_parties(a.legs, b.legs, attrgetter("call_sid")),
    )


def forgettable(call: Call, now: int) -> bool:
    """Whether a call's state may go: an ended call's 4 hours after the later of its latest event's
    time and arrival; one's that nobody was ever reserved for when it must be long over."""
    idle = now - max(call.latest_event_at, call.latest_arrival_at)
    if call.state in (ENDED, IGNORED):
        return idle >= FORGOTTEN_AFTER_MS
    return call.state == FORMING and idle >= LONGEST_MS + FORGOTTEN_AFTER_MS


def _same(a: Call, b: Call) -> bool:
    return replace(a, latest_arrival_at=b.latest_arrival_at) == b


def _facts(a: Mapping[str, Fact], b: Mapping[str, Fact]) -> Mapping[str, Fact]:
    newer = {
        name: fact for name, fact in b.items() if name not in a or _rank(fact) > _rank(a[name])
    }
    return {**a, **newer} if newer else a


def _rank(fact: Fact) -> tuple[int, int, str, str]:
    # The value last: an event id that comes twice with other words must not depend on the order.
    return fact.version, fact.at, fact.event_id, fact.value


def _milestones(a: Mapping[str, int], b: Mapping[str, int]) -> Mapping[str, int]:
    earlier = {name: at for name, at in b.items() if name not in a or at < a[name]}
    return {**a, **earlier} if earlier else a


def _parties(
    a: tuple[_Party, ...], b: tuple[_Party, ...], key: Callable[[_Party], str]
) -> tuple[_Party, ...]:
    if not b:
        return a
    known = {key(party): party for party in a}
    for party in b:
        mine = known.get(key(party))
        known[key(party)] = party if mine is None else _joined(mine, party)
    return _sorted(known.values(), key)


def _joined(a: _Party, b: _Party) -> _Party:
    return replace(
        a, facts=_facts(a.facts, b.facts), milestones=_milestones(a.milestones, b.milestones)
    )


def _sorted(parties: Iterable[_Party], key: Callable[[_Party], str]) -> tuple[_Party, ...]:
    return tuple(sorted(parties, key=key))
