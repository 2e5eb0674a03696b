"""The sessions of a call: each worker's part, from accepting to leaving. Pure.

A session ends with the earliest of: the reservation's end; the time at which the last leg that is
certainly that worker's left; the end of the call. If none of them is known, it ends with the task.
Callbacks are exact to the second, TaskRouter to the millisecond: within one second the
reservation's end counts.

A worker is absent if all legs of the worker left while the reservation is open. If another leg of
the worker comes, the same session continues.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from pipeline.calls.identities import list_words
from pipeline.calls.legs import Legs
from pipeline.calls.presence import NO_LEGS, Presence, created_at, presences
from pipeline.calls.workers import extension, value
from schemas.fast_dataclass import dataclass
from schemas.records import Call, Reservation

RESERVATION_ENDS = (
    "wrapup", "completed", "canceled", "rescinded", "timeout", "rejected", "failed",
)  # fmt: skip
TASK_ENDS = ("completed", "deleted", "system-deleted")
"""Milestones that end a task."""

_ENDS_OF_RESERVATION = frozenset(RESERVATION_ENDS)
_ENDS_OF_TASK = frozenset(TASK_ENDS)
_SECOND = 1_000


@dataclass(frozen=True, slots=True)
class CallSession:
    """One worker's part of the call. `started_at`: None if not accepted (yet). `list_words`: the
    lines of the monitored list that name the worker or the team, by any statement in the
    reservation.

    `absences`: the times (from, to, in ms) without a leg of the worker in the call, before one
    returned. `is_absent`: the worker's leg left and the reservation is open; `ended_at` is then
    when it left, until another leg of the worker joins. `has_leg`: whether a leg of the worker is
    known.
    """

    reservation_sid: str
    worker_sid: str | None
    extension: str | None
    team: str | None
    queue: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    list_words: frozenset[str] = frozenset()
    absences: tuple[tuple[int, int], ...] = ()
    is_absent: bool = False
    has_leg: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the session was accepted and has not ended."""
        return self.started_at is not None and self.ended_at is None

    @property
    def is_pending(self) -> bool:
        """Whether the session was neither accepted nor ended."""
        return self.started_at is None and self.ended_at is None


def sessions_of(call: Call, legs: Legs, end: int | None) -> tuple[CallSession, ...]:
    """Return the sessions in order of creation. `end`: the definitive end of the call (ms)."""
    known = presences(call.reservations, legs.workers)
    sessions = [_session(r, known.get(r.sid, NO_LEGS), end, call) for r in call.reservations]
    return tuple(sorted(sessions, key=lambda s: (s.created_at, s.reservation_sid)))


def _session(
    reservation: Reservation, presence: Presence, end: int | None, call: Call
) -> CallSession:
    started = reservation.milestones.get("accepted")
    created = created_at(reservation)
    over = _first_of(reservation.milestones, _ENDS_OF_RESERVATION)
    ended = earlier(over, presence.left_at)
    if end is not None and created <= end + _SECOND:
        over, ended = end, earlier(ended, end)
    if ended is None:
        ended = task_done(call)
    if ended is not None:
        ended = max(ended, created if started is None else started)
    return CallSession(
        reservation_sid=reservation.sid,
        worker_sid=value(reservation.facts, "worker_sid"),
        extension=extension(reservation.facts),
        team=value(reservation.facts, "team"),
        queue=value(reservation.facts, "queue") or value(call.facts, "queue"),
        created_at=created,
        started_at=started,
        ended_at=ended,
        list_words=list_words(reservation),
        absences=_within(presence.absences, started or created, ended),
        is_absent=ended is not None and over is None and task_done(call) is None,
        has_leg=presence is not NO_LEGS,
    )


def _within(
    absences: tuple[tuple[int, int], ...], start: int, end: int | None
) -> tuple[tuple[int, int], ...]:
    if not absences:
        return ()
    cut = ((max(a, start), b if end is None else min(b, end)) for a, b in absences)
    return tuple((a, b) for a, b in cut if a < b)


def task_done(call: Call) -> int | None:
    """Return when the task was done (ms), if it was."""
    return _first_of(call.milestones, _ENDS_OF_TASK)


def _first_of(milestones: Mapping[str, int], names: AbstractSet[str]) -> int | None:
    """Return the earliest of the milestones with these names."""
    if milestones.keys().isdisjoint(names):  # the usual case
        return None
    return min((at for name, at in milestones.items() if name in names and at), default=None)


def earlier(exact: int | None, coarse: int | None) -> int | None:
    """Return the earlier of two times (None: not known). Within the same second, return `exact` if
    `coarse` has whole seconds only."""
    if exact is None or coarse is None:
        return coarse if exact is None else exact
    if coarse % _SECOND == 0 and coarse // _SECOND == exact // _SECOND:
        return exact
    return min(exact, coarse)
