"""Find out when legs joined and left, and when workers were present. Pure.

A worker may return on another leg, after reloading the page or hanging up the telephone. Between
the two legs the worker is absent, and the reservation stays open.
"""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.calls.workers import value
from schemas.fast_dataclass import dataclass
from schemas.records import Leg, Reservation

_SECOND = 1_000
_FOREVER = 1 << 62

OwnedLeg = tuple[Leg, frozenset[str]]
"""A worker's leg, and the SIDs of the reservations that it may belong to."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A worker's legs in one reservation. `left_at`: when the last of them left, None while one is
    present; `absences`: the times (from, to, in ms) without any of them in between."""

    left_at: int | None
    absences: tuple[tuple[int, int], ...] = ()


NO_LEGS = Presence(None)


def is_left(leg: Leg) -> bool:
    """Return whether the leg is gone for good, as far as known."""
    return left_at(leg) is not None


def came_at(leg: Leg) -> int | None:
    """Return when the leg first joined or was answered, or, if only its end is known, when it
    left."""
    joined, answered = leg.milestones.get("joined"), leg.milestones.get("answered")
    if joined is None or answered is None:
        first = answered if joined is None else joined
        return left_at(leg) if first is None else first
    return min(joined, answered)


def joined_at(leg: Leg) -> int | None:
    """Return when the leg, which is in the conference, last joined it."""
    presence = leg.facts.get("presence")
    return presence.at if presence is not None and presence.value == "joined" else None


def latest_join(leg: Leg) -> int | None:
    """Return when the leg last joined the conference, as far as known: for a leg that is gone, the
    first time. None: it never joined."""
    first, latest = leg.milestones.get("joined"), joined_at(leg)
    return first if latest is None else latest


def left_at(leg: Leg) -> int | None:
    """Return when the leg last left; None while it is present."""
    presence, completed = leg.facts.get("presence"), leg.milestones.get("completed")
    if presence is None or presence.value != "left":
        return completed
    return presence.at if completed is None else min(completed, presence.at)


def is_there(leg: Leg, at: int) -> bool:
    """Return whether the leg joined before `at` (ms) and left later or not at all. Callbacks are
    exact to the second: a leg that left in the same second counts as present."""
    came, left = came_at(leg), left_at(leg)
    return came is not None and came < at and (left is None or left // _SECOND >= at // _SECOND)


def is_held(leg: Leg) -> bool:
    """Return whether the leg is on hold."""
    return value(leg.facts, "hold") == "true" and not is_left(leg)


def was_answered(leg: Leg) -> bool:
    """Return whether a person was on the leg: it joined the conference, or was answered."""
    return "joined" in leg.milestones or "answered" in leg.milestones


def created_at(reservation: Reservation) -> int:
    """Return when the worker was first requested, as far as known."""
    created = reservation.milestones.get("created")
    return min(reservation.milestones.values(), default=0) if created is None else created


def presences(
    reservations: Iterable[Reservation], legs: Iterable[OwnedLeg]
) -> Mapping[str, Presence]:
    """Return the presence of each worker with an accepted reservation and a known leg, by
    reservation."""
    accepted = [r for r in reservations if "accepted" in r.milestones]
    if not accepted:
        return {}
    accepted.sort(key=created_at)
    known: dict[str, list[Leg]] = {}
    for leg, owners in legs:
        owner = _owner(leg, owners, accepted)
        if owner is None:
            continue
        left = left_at(leg)
        # A leg that left before the worker accepted belonged to an earlier reservation.
        if not (left and left + _SECOND <= owner.milestones["accepted"]):
            known.setdefault(owner.sid, []).append(leg)
    return {sid: _presence(own) for sid, own in known.items()}


def _presence(legs: Sequence[Leg]) -> Presence:
    if len(legs) == 1:
        return Presence(left_at(legs[0]))
    spans = sorted(map(_span, legs))
    until = max(left for _, left in spans)
    return Presence(None if until == _FOREVER else until, _holes(spans))


def _span(leg: Leg) -> tuple[int, int]:
    left = left_at(leg)
    return came_at(leg) or 0, _FOREVER if left is None else left


def _holes(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the times between the first and the last of these spans (sorted) that no span covers.
    Callbacks are exact to the second, so shorter holes are ignored."""
    found: list[tuple[int, int]] = []
    until = spans[0][1]
    for came, left in spans:
        if came > until + _SECOND:
            found.append((until, came))
        until = max(until, left)
    return tuple(found)


def _owner(leg: Leg, owners: frozenset[str], accepted: list[Reservation]) -> Reservation | None:
    """Return the reservation that the leg belongs to. If one worker has several, it is the last one
    that existed when the leg joined (callbacks are exact to the second). None: the leg never
    joined, or belongs to none of them."""
    came = came_at(leg)
    if came is None:
        return None
    own = [r for r in accepted if r.sid in owners and created_at(r) < came + _SECOND]
    return own[-1] if own else None
