"""Derive from a call's summary its direction, sessions and connections, and whether it is over.

A view is not stored: it is computed from the summary when needed.

A call is over definitively when the task was cancelled, the conference ended, or all legs of the
customer are gone. It is over softly (a later event may reopen it) when all its workers are gone and
none is expected. While an outside party is known to be on the call, it continues without workers
until its task is done. The end set by a sweep counts as definitive if there is no other.
"""

from collections.abc import Iterable
from operator import itemgetter

from pipeline.calls.channels import is_voice
from pipeline.calls.legs import Legs, customer_leg, legs_of
from pipeline.calls.presence import (
    came_at,
    is_held,
    is_left,
    joined_at,
    left_at,
    was_answered,
)
from pipeline.calls.sessions import CallSession, earlier, sessions_of, task_done
from pipeline.calls.workers import value
from schemas.fast_dataclass import dataclass
from schemas.records import Call, Connection, Leg, Transfer
from schemas.states import CallState, ConnectionState, Direction

SWEPT = "swept"
"""The milestone of a call that was closed because no event of its end arrived."""

TRANSFER_ENDS = ("completed", "failed", "canceled")
_NOT_ANSWERED = frozenset({"busy", "no-answer", "failed", "canceled"})
_SECOND = 1_000


@dataclass(frozen=True, slots=True)
class CallView:
    """The derived state of a call. Sessions and connections are in the order of creation.

    `customer_leg_is_sure`: whether the leg was named before a worker was requested for the task, or
    is in the conference. Otherwise Twilio must be asked before it is streamed. `answered`: whether
    a person other than the workers was on the call, as far as known; `never_answered`: an outbound
    call that is known not to have been answered; `swept`: whether the call was closed by a sweep,
    because no end is known.
    """

    task_sid: str
    state: CallState
    direction: str | None
    customer: str | None
    customer_call_sid: str | None
    customer_leg_is_sure: bool
    queue: str | None
    started_at: int
    definitive_end: int | None
    ended_at: int | None
    answered: bool
    never_answered: bool
    sessions: tuple[CallSession, ...]
    connections: tuple[Connection, ...]
    transfers: tuple[Transfer, ...]
    pending_transfer: bool
    legs: Legs
    swept: bool


def view(call: Call) -> CallView:
    """Return the view of the call."""
    legs = legs_of(call)
    end = _definitive_end(call, legs)
    sessions = sessions_of(call, legs, end)
    transferring = any(_is_pending(transfer, sessions) for transfer in call.transfers)
    ended_at = end if end is not None else _soft_end(call, sessions, legs, transferring)
    swept = ended_at is None and SWEPT in call.milestones
    if swept:
        end = ended_at = call.milestones[SWEPT]
        sessions = sessions_of(call, legs, end)
    answered = _answered(call, legs, sessions)
    leg, leg_is_sure = customer_leg(call, legs)
    direction = value(call.facts, "direction")
    return CallView(
        task_sid=call.task_sid,
        state=_state(call, ended_at),
        direction=direction,
        customer=None if direction == Direction.INTERNAL else value(call.facts, "customer"),
        customer_call_sid=leg,
        customer_leg_is_sure=leg_is_sure,
        queue=value(call.facts, "queue"),
        started_at=call.milestones.get("created", call.first_event_at),
        definitive_end=end,
        ended_at=ended_at,
        answered=answered,
        never_answered=direction == Direction.OUTBOUND and not answered and _refused(call, legs),
        sessions=sessions,
        connections=tuple(
            _connection(s, legs, ringing=direction == Direction.OUTBOUND and not answered)
            for s in sessions
        ),
        transfers=call.transfers,
        pending_transfer=transferring,
        legs=legs,
        swept=swept,
    )


def derived(call: Call) -> Call:
    """Return the call with its derived fields filled in."""
    seen = view(call)
    return Call(  # `replace` takes three times as long, for each version of each call
        task_sid=call.task_sid,
        revision=call.revision,
        cause_event_id=call.cause_event_id,
        cause_type=call.cause_type,
        cause_at=call.cause_at,
        first_event_at=call.first_event_at,
        latest_event_at=call.latest_event_at,
        latest_arrival_at=call.latest_arrival_at,
        facts=call.facts,
        milestones=call.milestones,
        reservations=call.reservations,
        transfers=call.transfers,
        legs=call.legs,
        direction=seen.direction,
        state=seen.state,
        connections=seen.connections,
        media_streams=call.media_streams,
        more_offers=call.more_offers,
        queue=seen.queue,
        customer=seen.customer,
        agents=_agents(seen.sessions),
        started_at=seen.started_at,
        ended_at=seen.ended_at,
    )


def _agents(sessions: tuple[CallSession, ...]) -> tuple[str, ...]:
    """Return the extensions of the agents that accepted, in the order of accepting, each once."""
    found = [(s.started_at, s.extension) for s in sessions if s.started_at is not None]
    if len(found) > 1:
        found.sort(key=itemgetter(0))
    return tuple(dict.fromkeys([extension for _, extension in found if extension is not None]))


def _definitive_end(call: Call, legs: Legs) -> int | None:
    ends = [] if (gone := _customer_left_at(legs)) is None else [gone]
    if (canceled := call.milestones.get("canceled")) is not None:
        ends.append(canceled)
    over = call.milestones.get("conference-end")
    if over is not None and not _is_continued(call, over + _SECOND):
        ends.append(over)
    return min(ends, default=None)


def _is_continued(call: Call, end: int) -> bool:
    """Return whether a worker was requested, or a leg joined, after a conference's end, which means
    in another conference."""
    return any(r.milestones.get("created", 0) > end for r in call.reservations) or any(
        (joined_at(leg) or 0) > end for leg in call.legs
    )


def _customer_left_at(legs: Legs) -> int | None:
    """Return when the last of the customer's legs left; None while one is present. Ignore a leg
    that attributes named late and about which nothing else is known."""
    original = None if legs.names is None else legs.names.original
    known = [leg for leg in legs.customers if was_answered(leg) or leg.call_sid == original]
    times = [left_at(leg) for leg in known or legs.customers]
    if known and None in times:
        return None
    return max((at for at in times if at is not None), default=None)


def _soft_end(
    call: Call, sessions: tuple[CallSession, ...], legs: Legs, transferring: bool
) -> int | None:
    # An absent worker may come back: the reservation is open.
    if any(session.ended_at is None or session.is_absent for session in sessions):
        return None
    done = task_done(call)
    if any(was_answered(leg) and not is_left(leg) for leg in legs.unknown):
        return done
    if not transferring:
        done = earlier(done, call.milestones.get("wrapup"))
    accepted = [s for s in sessions if s.started_at is not None]
    if accepted and (done is not None or not transferring):
        outside = [at for leg in legs.unknown if (at := left_at(leg)) is not None]
        return max(outside + [s.ended_at or 0 for s in accepted])
    return done


def _is_pending(transfer: Transfer, sessions: tuple[CallSession, ...]) -> bool:
    begun = transfer.milestones.get("initiated")
    if begun is None or any(name in transfer.milestones for name in TRANSFER_ENDS):
        return False
    return not any(s.created_at >= begun and s.started_at is not None for s in sessions)


def _state(call: Call, ended_at: int | None) -> CallState:
    if not is_voice(call.facts):
        return CallState.IGNORED
    if not call.reservations and "canceled" not in call.milestones:
        return CallState.FORMING
    return CallState.ACTIVE if ended_at is None else CallState.ENDED


def _answered(call: Call, legs: Legs, sessions: tuple[CallSession, ...]) -> bool:
    if "customer_joined" in call.facts or any(was_answered(leg) for leg in legs.customers):
        return True
    return bool(outside_parties(legs, sessions))


def outside_parties(legs: Legs, sessions: tuple[CallSession, ...]) -> tuple[Leg, ...]:
    """Return the answered legs that are not identified and cannot be a worker's, in the order of
    joining. Each worker that accepted and has no known leg in that session may have one of the
    legs: one that joined after the worker was requested and left after the worker accepted."""
    lacking = [s for s in sessions if s.started_at is not None and not s.has_leg]
    of_workers = [leg for leg, owners in legs.workers if not owners]
    found: list[Leg] = []
    for leg in (*_in_order(of_workers), *_in_order(legs.unknown)):
        session = next((s for s in lacking if _may_be_of(s, leg)), None)
        if session is not None:
            lacking.remove(session)
        elif leg not in of_workers:
            found.append(leg)
    return tuple(found)


def _in_order(legs: Iterable[Leg]) -> list[Leg]:
    answered = filter(was_answered, legs)
    return sorted(answered, key=lambda leg: (came_at(leg) or 0, leg.call_sid))


def _may_be_of(session: CallSession, leg: Leg) -> bool:
    """Return whether the leg joined and left within the session's time. Callbacks are exact to the
    second."""
    left = left_at(leg)
    was_asked = session.created_at < (came_at(leg) or 0) + _SECOND
    return was_asked and (left is None or left + _SECOND > (session.started_at or 0))


def _refused(call: Call, legs: Legs) -> bool:
    over = any(left_at(leg) is not None for leg in legs.customers)
    statuses = {value(leg.facts, "call_status") for leg in (*legs.customers, *legs.unknown)}
    return over or "canceled" in call.milestones or bool(statuses & _NOT_ANSWERED)


def _connection(session: CallSession, legs: Legs, *, ringing: bool) -> Connection:
    return Connection(
        reservation_sid=session.reservation_sid,
        extension=session.extension,
        state=_connection_state(session, legs, ringing=ringing),
        started_at=session.started_at,
        ended_at=session.ended_at,
    )


def _connection_state(session: CallSession, legs: Legs, *, ringing: bool) -> ConnectionState:
    if session.ended_at is not None:
        return ConnectionState.ENDED
    if session.started_at is None:
        return ConnectionState.ALERTING
    if ringing:
        return ConnectionState.RINGING
    own = [leg for leg, owners in legs.workers if session.reservation_sid in owners]
    # If the customer's leg is not known, an unidentified leg on hold may be the customer's.
    held = any(is_held(leg) for leg in (*(legs.customers or legs.unknown), *own))
    return ConnectionState.HOLD if held else ConnectionState.ACTIVE
