"""A call's state: a summary that merges.

Theory: `merge` is commutative, associative and idempotent. A fact takes the greatest value by
version, time and event id, or the least for facts that attributes could reverse (`claims`). A
milestone takes the earliest time. Maps merge by key, and are bounded by ranks that never change
(`bounds`). So the summary is a function of the set of the call's events, in any order and with any
repetition. Only the end set by a sweep does not come from an event: it holds until an event states
an end (`settled`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from pipeline.calls.bounds import bounded, bounded_legs, bounded_reservations
from pipeline.calls.claims import FIRST_HOLDS, LATEST_HOLDS, SEPARATOR, put_claim
from pipeline.calls.events import Silent, delta
from pipeline.calls.view import SWEPT, derived
from schemas.fast_dataclass import dataclass
from schemas.records import (
    Call,
    CtiEvent,
    Fact,
    Leg,
    ReportedStream,
    Reservation,
    Transfer,
)
from schemas.states import CallState

_Party = TypeVar("_Party", Reservation, Transfer, Leg, ReportedStream)

_BY_SID, _BY_CALL_SID = attrgetter("sid"), attrgetter("call_sid")
_BY_STREAM_SID = attrgetter("stream_sid")

LONGEST_MS = 24 * 60 * 60 * 1000
"""The longest duration of a call (ms)."""

SWEEP = "flexcapture.sweep"
"""The cause of the version that closes a call without an end."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The call after an event. `news`: whether it is a new version to publish. If not, at most its
    latest arrival has changed."""

    call: Call
    news: bool


def fold(call: Call | None, event: CtiEvent, now: int = 0) -> Folded | Silent:
    """Return the call with a further event, which arrived at `now` (ms, log time; 0: use only its
    arrival in Kinesis)."""
    said = delta(event)
    return said if isinstance(said, Silent) else folded(call, said, now)


def folded(call: Call | None, said: Call, now: int) -> Folded:
    """Return the call with an event's statements (`delta`), which arrived at `now` (ms, log
    time)."""
    arrival = max(now, said.latest_arrival_at)
    if call is None:
        first = replace(said, revision=1, latest_arrival_at=arrival)
        return Folded(derived(first), news=True)
    arrival = max(arrival, call.latest_arrival_at)
    version = _merged(call, said, said, call.revision + 1, arrival)
    if _same(version, call):
        moved = arrival != call.latest_arrival_at
        return Folded(replace(call, latest_arrival_at=arrival) if moved else call, news=False)
    return Folded(settled(version), news=True)


def sweep_at(call: Call) -> int:
    """Return when (ms) the call is closed if no event ends it, after the longest duration of a
    call. Event times after the arrival are ignored."""
    return min(call.first_event_at, call.latest_arrival_at) + LONGEST_MS


def swept(call: Call, now: int) -> Call:
    """Return the version that closes a call without an end at `now` (ms)."""
    version = replace(
        call,
        milestones={**call.milestones, SWEPT: sweep_at(call)},
        revision=call.revision + 1,
        cause_event_id=f"sweep:{call.task_sid}",
        cause_type=SWEEP,
        cause_at=now,
    )
    return derived(version)


def settled(call: Call) -> Call:
    """Return the call with its derived fields. The end set by a sweep is removed if events state an
    end."""
    if SWEPT not in call.milestones:
        return derived(call)
    milestones = {name: at for name, at in call.milestones.items() if name != SWEPT}
    without = derived(replace(call, milestones=milestones))
    if without.state != CallState.ACTIVE:
        return without
    return derived(replace(call, milestones={**milestones, SWEPT: sweep_at(call)}))


def merge(a: Call, b: Call) -> Call:
    """Return the union of the statements of two summaries of the same task. Derived fields,
    revision and cause are those of `a`."""
    return _merged(a, b, a, a.revision, max(a.latest_arrival_at, b.latest_arrival_at))


def _merged(a: Call, b: Call, cause: Call, revision: int, arrival: int) -> Call:
    """Return the union of the statements of both. Parts of `a` to which `b` adds nothing are the
    same objects."""
    reservations, more_offers = bounded_reservations(
        a.reservations,
        _parties(a.reservations, b.reservations, _BY_SID),
        known_more=a.more_offers,
        more=a.more_offers or b.more_offers,
    )
    legs = _parties(a.legs, b.legs, _BY_CALL_SID)
    transfers = _parties(a.transfers, b.transfers, _BY_SID)
    streams = _parties(a.media_streams, b.media_streams, _BY_STREAM_SID)
    return Call(
        task_sid=a.task_sid,
        revision=revision,
        cause_event_id=cause.cause_event_id,
        cause_type=cause.cause_type,
        cause_at=cause.cause_at,
        first_event_at=min(a.first_event_at, b.first_event_at),
        latest_event_at=max(a.latest_event_at, b.latest_event_at),
        latest_arrival_at=arrival,
        facts=_facts(a.facts, b.facts),
        milestones=_milestones(a.milestones, b.milestones),
        reservations=reservations,
        transfers=bounded(a.transfers, transfers),
        legs=bounded_legs(a.legs, legs),
        direction=a.direction,
        state=a.state,
        connections=a.connections,
        media_streams=bounded(a.media_streams, streams),
        more_offers=more_offers,
        queue=a.queue,
        customer=a.customer,
        agents=a.agents,
        started_at=a.started_at,
        ended_at=a.ended_at,
    )


def _same(merged: Call, a: Call) -> bool:
    """Return whether `merged` contains nothing that `a` did not."""
    return (
        merged.facts is a.facts
        and merged.milestones is a.milestones
        and merged.reservations is a.reservations
        and merged.transfers is a.transfers
        and merged.legs is a.legs
        and merged.media_streams is a.media_streams
        and merged.more_offers == a.more_offers
        and merged.first_event_at == a.first_event_at
        and merged.latest_event_at == a.latest_event_at
    )


def _facts(a: Mapping[str, Fact], b: Mapping[str, Fact]) -> Mapping[str, Fact]:
    merged: dict[str, Fact] | None = None
    for name, fact in b.items():
        known = a.get(name)
        is_first = name in FIRST_HOLDS
        if is_first or SEPARATOR in name or name in LATEST_HOLDS:
            if is_first and known and known.value == fact.value and not _is_newer(known, fact):
                continue
            claims = dict(a) if merged is None else merged
            merged = claims if put_claim(claims, name, fact) else merged
        elif _is_newer(fact, known):
            merged = dict(a) if merged is None else merged
            merged[name] = fact
    return a if merged is None else merged


def _is_newer(fact: Fact, known: Fact | None) -> bool:
    if known is None or fact.version != known.version:
        return known is None or fact.version > known.version
    # The value comes last, so that two events with the same id and different values do not make the
    # result depend on the order.
    return (fact.at, fact.event_id, fact.value) > (known.at, known.event_id, known.value)


def _milestones(a: Mapping[str, int], b: Mapping[str, int]) -> Mapping[str, int]:
    earlier = {name: at for name, at in b.items() if name not in a or at < a[name]}
    return {**a, **earlier} if earlier else a


def _parties(
    a: tuple[_Party, ...], b: tuple[_Party, ...], key: Callable[[_Party], str]
) -> tuple[_Party, ...]:
    if not b:
        return a
    known = {key(party): party for party in a}
    news = False
    for party in b:
        sid = key(party)
        mine = known.get(sid)
        known[sid] = party if mine is None else _joined(sid, mine, party)
        news = news or known[sid] is not mine
    return _sorted(known.values(), key) if news else a


def _joined(sid: str, a: _Party, b: _Party) -> _Party:
    facts, milestones = _facts(a.facts, b.facts), _milestones(a.milestones, b.milestones)
    if facts is a.facts and milestones is a.milestones:
        return a
    return type(a)(sid, facts, milestones)


def _sorted(parties: Iterable[_Party], key: Callable[[_Party], str]) -> tuple[_Party, ...]:
    return tuple(sorted(parties, key=key))
