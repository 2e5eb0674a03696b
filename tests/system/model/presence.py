"""When a worker was on the call, by the worker's own legs."""

from collections.abc import Mapping, Sequence

from tests.system.model.legs import Leg

Steps = Mapping[str, Mapping[str, int]]
"""Of each reservation: when (ms) its steps were."""

_SECOND = 1_000


def left_at(sid: str, legs: Sequence[Leg], reservations: Steps) -> int | None:
    """When the last of the worker's legs in this part had left; None: one is there, or none is
    known."""
    own = _own(sid, legs, reservations)
    if not own or any(leg.left_at is None for leg in own):
        return None
    return max(leg.left_at or 0 for leg in own)


def absences(sid: str, legs: Sequence[Leg], reservations: Steps) -> tuple[tuple[int, int], ...]:
    """Return the times in which none of the worker's legs was there, between two that were.
    Callbacks are to the second: a shorter time is no absence."""
    found: list[tuple[int, int]] = []
    gone: int | None = None
    for leg in sorted(_own(sid, legs, reservations), key=lambda leg: leg.joined_at or 0):
        if gone is not None and leg.joined_at is not None and leg.joined_at > gone + _SECOND:
            found.append((gone, leg.joined_at))
        if leg.left_at is None:
            break
        gone = max(leg.left_at, gone or 0)
    return tuple(found)


def outsiders(legs: Sequence[Leg], reservations: Steps) -> list[Leg]:
    """The legs without a party that are no worker's, in the order of joining. A worker that
    accepted, and has no known leg in that part, may be on one of them, if it joined after the
    reservation was created, and was there when the worker accepted, or later."""
    accepted = [r for r, steps in reservations.items() if "accepted" in steps]
    asked = {r: reservations[r].get("created", min(reservations[r].values())) for r in accepted}
    without = [r for r in accepted if not _own(r, legs, reservations)]
    without.sort(key=lambda r: (asked[r], r))
    found = []
    for party in ("worker", "unknown"):
        some = [leg for leg in legs if leg.party == party and leg.was_on and not leg.owners]
        for leg in sorted(some, key=lambda leg: (leg.joined_at or 0, leg.call_sid)):
            fits = [r for r in without if _fits(leg, asked[r], reservations[r]["accepted"])]
            if fits:
                without.remove(fits[0])
            elif party == "unknown":
                found.append(leg)
    return found


def _fits(leg: Leg, asked: int, accepted: int) -> bool:
    joined_at = leg.joined_at or 0
    return joined_at + _SECOND > asked and (leg.left_at is None or leg.left_at + _SECOND > accepted)


def _own(sid: str, legs: Sequence[Leg], reservations: Steps) -> list[Leg]:
    """The legs of the worker in this part."""
    accepted = [r for r, steps in reservations.items() if "accepted" in steps]
    created = {r: reservations[r].get("created", min(reservations[r].values())) for r in accepted}
    own = [leg for leg in legs if leg.party == "worker" and leg.part_of(created) == sid]
    started = reservations[sid]["accepted"]
    return [leg for leg in own if leg.left_at is None or leg.left_at + _SECOND > started]
