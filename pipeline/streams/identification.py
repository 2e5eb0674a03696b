"""Ask Twilio for the ends of legs that no event identifies. Pure.

Twilio is asked for the ends of a leg (`FetchLeg`) if a monitored worker's reservation is open and
no leg of the worker is known to be in the call: the worker may have returned on that leg. The
answer goes to the tracker (`LegFetched` on `cti.resolved`), which treats the ends like those in
events. The next version of the call then identifies the leg, for every reader of `calls`.
"""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.calls.ends import NO_ENDS, leg_ends
from pipeline.calls.leg_facts import ends_of
from pipeline.calls.legs import CUSTOMER_LABEL, is_only_labelled
from pipeline.calls.presence import came_at, was_answered
from pipeline.calls.view import CallView
from pipeline.calls.workers import own_ends, value
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.names import fetch_command_id
from schemas.records import Call, CallStreams, CommandAnswered, FetchLeg, Leg, LegFetch, LegFetched
from schemas.states import CallState, Direction, ReasonCode

FETCH = "fetch"
"""The `command` of an answer to a `FetchLeg`."""

UNIDENTIFIED_MS = 2_000
"""If no worker is absent, the ends of a leg are requested only after this time (ms), because an
event may identify it."""
EXPIRY_MS = 4_000
"""The adapter answers `unknown` if Twilio gives no answer within this time (ms)."""
ANSWER_MS = EXPIRY_MS + 2_000
"""After this time (ms), a question without an answer counts as lost."""
MAX_PAUSE_MS = 30_000
MAX_ATTEMPTS = 10
MAX_LEGS = 20
"""The greatest number of legs of a call for which ends are requested."""


def unidentified(seen: CallView, history: PolicyHistory, now: int) -> tuple[str, ...]:
    """Return the legs that must be identified at `now` (ms) to decide whether a monitored worker is
    in the call."""
    if (
        seen.state not in (CallState.ACTIVE, CallState.ENDED)
        or seen.direction == Direction.INTERNAL
    ):
        return ()
    lacking = [
        s
        for s in seen.sessions
        if (s.is_absent or (s.is_open and not s.has_leg)) and history.is_monitored(s, now)
    ]
    if not lacking:
        return ()
    is_urgent = any(s.is_absent for s in lacking)
    ends = frozenset(e for s in lacking for e in history.workers.ends_at(s.worker_sid, now))
    legs = (
        leg for leg in _candidates(seen, ends) if was_answered(leg) and "owner" not in leg.facts
    )
    return tuple(
        leg.call_sid for leg in legs if is_urgent or now >= (came_at(leg) or 0) + UNIDENTIFIED_MS
    )


def fetches(
    state: CallStreams, legs: Iterable[str], known_ends: tuple[str, ...], now: int
) -> tuple[CallStreams, tuple[FetchLeg, ...]]:
    """Return the state and the commands that are due at `now` (ms). `known_ends`: the ends of the
    call's workers and of the customer. Drop questions about legs that are no longer among
    `legs`."""
    legs = tuple(legs)
    if not legs and not state.fetches:
        return state, ()
    known = {f.call_sid: f for f in state.fetches if f.due_at is None or f.call_sid in legs}
    commands: list[FetchLeg] = []
    for call_sid in legs:
        before = known.get(call_sid)
        if before is None and len(known) < MAX_LEGS:
            before = LegFetch(call_sid, 0, now)
        if before is not None and _is_due(before, now):
            known[call_sid] = replace(before, attempt=before.attempt + 1, due_at=now + ANSWER_MS)
            command = _command(state, known[call_sid], now)
            commands.append(replace(command, known_ends=known_ends))
    return replace(state, fetches=tuple(known.values())), tuple(commands)


def is_asking(state: CallStreams) -> bool:
    """Return whether the ends of a leg must be requested, now or later."""
    return any(f.due_at is not None and f.attempt < MAX_ATTEMPTS for f in state.fetches)


def fetched(state: CallStreams, answer: CommandAnswered, now: int) -> CallStreams:
    """Handle the answer to a `FetchLeg`. After `unknown`, ask again after 1, 2, 4, ... seconds."""

    def after(known: LegFetch) -> LegFetch:
        if known.call_sid != answer.call_sid or known.due_at is None:
            return known
        if answer.outcome == "done":
            return replace(known, due_at=None)
        asked = fetch_command_id(state.task_sid, known.call_sid, known.attempt)
        pause = min(1_000 << min(known.attempt - 1, 10), MAX_PAUSE_MS)
        return known if answer.command_id != asked else replace(known, due_at=now + pause)

    changed = tuple(map(after, state.fetches))
    return state if changed == state.fetches else replace(state, fetches=changed)


def leg_fetched(
    call: Call, answer: CommandAnswered, history: PolicyHistory, now: int
) -> LegFetched | None:
    """Return the record for the tracker, or None if Twilio does not know the leg."""
    ends = leg_ends(answer.call_from, answer.call_to, answer.call_direction)
    if answer.outcome != "done" or answer.call_sid is None:
        return None
    return LegFetched(
        call_sid=answer.call_sid,
        task_sid=answer.task_sid,
        call_from=answer.call_from,
        call_to=answer.call_to,
        call_direction=answer.call_direction,
        label=answer.call_label,
        worker_sid=_worker_at(call, ends.persons, history, now),
        at=answer.at,
    )


def _candidates(seen: CallView, ends: frozenset[str]) -> tuple[Leg, ...]:
    """Return the legs that may be a worker's: those that are not identified, that belong to some
    Flex client, that joined muted, that attributes named as the customer's while the worker had the
    task, or that only a label shows to be the customer's. `ends`: the ends of workers, as other
    calls stated them."""
    later = seen.legs.names and seen.legs.names.later
    return (
        *(leg for leg in seen.legs.unknown if _may_be_at(leg, ends)),
        *(leg for leg, owners in seen.legs.workers if not owners),
        *(leg for leg in seen.legs.supervisors if value(leg.facts, "coaching") != "true"),
        *(leg for leg in seen.legs.customers if leg.call_sid == later and _is_only_named(leg)),
        *(
            leg
            for leg in seen.legs.customers
            if is_only_labelled(leg, seen.legs) and _may_be_at(leg, ends)
        ),
    )


def _may_be_at(leg: Leg, ends: frozenset[str]) -> bool:
    known = ends_of(leg)
    return known == NO_ENDS or known.is_one_of(ends)


def _is_only_named(leg: Leg) -> bool:
    label = (value(leg.facts, "label") or "").lower()
    return label != CUSTOMER_LABEL and ends_of(leg) == NO_ENDS


def _worker_at(
    call: Call, persons: tuple[str, ...], history: PolicyHistory, now: int
) -> str | None:
    for reservation in call.reservations:
        worker_sid = value(reservation.facts, "worker_sid")
        ends = own_ends(reservation) | history.workers.ends_at(worker_sid, now)
        if worker_sid is not None and not ends.isdisjoint(persons):
            return worker_sid
    return None


def _is_due(fetch: LegFetch, now: int) -> bool:
    is_open = fetch.due_at is not None and fetch.attempt < MAX_ATTEMPTS
    return is_open and now >= (fetch.due_at or 0)


def _command(state: CallStreams, fetch: LegFetch, now: int) -> FetchLeg:
    return FetchLeg(
        command_id=fetch_command_id(state.task_sid, fetch.call_sid, fetch.attempt),
        task_sid=state.task_sid,
        call_sid=fetch.call_sid,
        generation=0,
        issued_at=now,
        expires_at=now + EXPIRY_MS,
        cause_event_id=state.cause_event_id,
        reservation_sid=state.reservation_sid,
        reason_code=ReasonCode.LEG_UNIDENTIFIED,
        decided_at=state.decided_at,
    )
