"""When a worker was on the call, by the worker's own legs."""

from collections.abc import Mapping, Sequence

from tests.model.legs import Leg

Steps = Mapping[str, Mapping[str, int]]
"""Of each reservation: when (ms) its steps were."""

_SECOND = 1_000


def left_at(sid: str, legs: Sequence[Leg], reservations: Steps) -> int | None:
    """When the last of the worker's legs in this part had left; None: one is there, or none is
    known."""
    away = absences(sid, legs, reservations)
    return away[-1][0] if away and away[-1][1] is None else None


def absences(
    sid: str, legs: Sequence[Leg], reservations: Steps
) -> tuple[tuple[int, int | None], ...]:
    """From when to when none of the worker's legs was there, after the first had been; None: none
    came any more."""
    accepted = reservations[sid]["accepted"]
    spans = [(leg.came_at or accepted, leg.left_at) for leg in _own(sid, legs, reservations)]
    found: list[tuple[int, int | None]] = []
    gone: int | None = None
    for came, left in sorted(spans, key=lambda span: span[0]):
        if gone is not None and came > gone:
            found.append((gone, came))
        gone = None if left is None else max(left, gone or 0)
        if gone is None:
            break
    return tuple(found) if gone is None else (*found, (gone, None))


def _own(sid: str, legs: Sequence[Leg], reservations: Steps) -> list[Leg]:
    """The legs of the worker in this part. A leg that names no worker belongs to the only worker of
    the call, if it is the only such leg."""
    accepted = [r for r, steps in reservations.items() if "accepted" in steps]
    created = {r: reservations[r].get("created", min(reservations[r].values())) for r in accepted}
    workers = [leg for leg in legs if leg.whose == "worker"]
    own = [leg for leg in workers if leg.part_of(created) == sid]
    if len(workers) == len(accepted) == 1 and not workers[0].owners:
        own = workers
    started = reservations[sid]["accepted"]
    return [leg for leg in own if leg.left_at is None or leg.left_at + _SECOND > started]
