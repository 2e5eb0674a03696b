"""When a worker was on the call, by the worker's own legs."""

from collections.abc import Mapping, Sequence

from tests.model.legs import Leg

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
    """From when to when none of the worker's legs was there, between two that were. Callbacks are
    to the second: less than one is no absence."""
    found: list[tuple[int, int]] = []
    gone: int | None = None
    for leg in sorted(_own(sid, legs, reservations), key=lambda leg: leg.came_at or 0):
        if gone is not None and leg.came_at is not None and leg.came_at > gone + _SECOND:
            found.append((gone, leg.came_at))
        if leg.left_at is None:
            break
        gone = max(leg.left_at, gone or 0)
    return tuple(found)


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
