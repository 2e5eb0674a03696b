"""Bounds on the size of a call's state. Each is a function of the set of the call's events, so that
any order of events gives the same state.

*Reservations.* A task that no agent accepts is offered again and again. Of the `created` milestones
only the `MAX_OFFERS` greatest by (time, SID) are kept, and the same number of ends of offers
(`rejected`, `timeout`, `rescinded`, `failed`). A reservation without any milestone is dropped. Each
milestone is ranked by itself, because events come in any order: a rank that depends on everything
known about a reservation would change with the next event, but a dropped milestone does not return.
So the `created` milestone of an accepted reservation counts too and may be dropped; its milestones
after accepting are kept. Once anything was dropped, stamps are removed from the facts of
reservations that were only offered, and from those facts of every reservation for which the first
statement holds (`claims`): which event stated them last or first depends on which events were still
known.

*Accepted and cancelled reservations* are not bounded here: each takes an agent, or the end of the
task.

*Transfers, media streams, and legs that never came on the call*: the `MAX_OTHERS` greatest by SID.
A SID is known from the first event on, and never changes.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pipeline.calls.claims import is_claim
from schemas.records import Fact, Leg, ReportedStream, Reservation, Transfer

MAX_OFFERS = 500
MAX_OTHERS = 500

_OFFER_ENDS = frozenset({"rejected", "timeout", "rescinded", "failed"})
_OFFER_STEPS = _OFFER_ENDS | {"created"}
_MAX_STEPS = 9
"""A reservation has at most this many milestones."""

_Party = TypeVar("_Party", Transfer, Leg, ReportedStream)
_Rank = tuple[int, str, str]


def bounded_reservations(
    known: tuple[Reservation, ...],
    merged: tuple[Reservation, ...],
    *,
    known_more: bool,
    more: bool,
) -> tuple[tuple[Reservation, ...], bool]:
    """Return the reservations of `merged` to keep, and whether there were more.

    `known`: the reservations before the merge; the same tuple is returned if nothing is new.
    `known_more`: whether some of `known` were dropped earlier; `more`: the same for either side of
    the merge.
    """
    if merged is known and known_more == more:
        return merged, more
    if not more and len(merged) * _MAX_STEPS <= MAX_OFFERS:
        return merged, more
    going = _surplus(merged, {"created"}) | _surplus(merged, _OFFER_ENDS)
    more = more or bool(going)
    if not more:
        return merged, more
    kept = tuple(left for each in merged if (left := _without(each, going)) is not None)
    return (known if kept == known else kept), more


def bounded_legs(known: tuple[Leg, ...], merged: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Return the legs to keep: all that joined the call or are named, and some of the others."""
    if merged is known or len(merged) <= MAX_OTHERS:
        return merged
    named = [leg for leg in merged if _is_of_the_call(leg)]
    others = [leg for leg in merged if not _is_of_the_call(leg)]
    kept = {leg.call_sid for leg in (*named, *others[-MAX_OTHERS:])}
    return _same(known, [leg for leg in merged if leg.call_sid in kept])


def bounded(known: tuple[_Party, ...], merged: tuple[_Party, ...]) -> tuple[_Party, ...]:
    """Return the parties of `merged` to keep. `merged` is sorted by SID."""
    if merged is known or len(merged) <= MAX_OTHERS:
        return merged
    return _same(known, merged[-MAX_OTHERS:])


def _same(known: tuple[_Party, ...], kept: Sequence[_Party]) -> tuple[_Party, ...]:
    return known if tuple(kept) == known else tuple(kept)


def _is_of_the_call(leg: Leg) -> bool:
    named = not leg.facts.keys().isdisjoint({"role", "label"})
    return named or not leg.milestones.keys().isdisjoint({"joined", "answered"})


def _surplus(reservations: Sequence[Reservation], steps: set[str] | frozenset[str]) -> set[_Rank]:
    ranks = [
        (at, each.sid, step)
        for each in reservations
        for step, at in each.milestones.items()
        if step in steps
    ]
    surplus = len(ranks) - MAX_OFFERS
    return set(heapq.nsmallest(surplus, ranks)) if surplus > 0 else set()


def _without(reservation: Reservation, going: set[_Rank]) -> Reservation | None:
    """Return the reservation without the milestones in `going`, or None if none is left. Keep the
    end of an accepted reservation: without it, its agent would be on the call for ever."""
    sid = reservation.sid
    only_offered = reservation.milestones.keys() <= _OFFER_STEPS
    milestones = {
        step: at
        for step, at in reservation.milestones.items()
        if (at, sid, step) not in going or not (only_offered or step == "created")
    }
    if not milestones:
        return None
    return Reservation(sid, _unstamped(reservation.facts, every=only_offered), milestones)


def _unstamped(facts: Mapping[str, Fact], *, every: bool) -> Mapping[str, Fact]:
    return {
        name: Fact(fact.value, 0, 0, "") if every or is_claim(name) else fact
        for name, fact in facts.items()
    }
