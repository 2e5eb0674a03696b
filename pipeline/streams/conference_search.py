"""Decide when to ask Twilio whether a task without a known leg has a conference. Pure.

Callbacks and voicemail are tasks of the channel `voice` without a call, and an outbound call looks
the same at first. So no media stream is started before a leg is known or can be looked up.
`FindConference` asks whether Twilio lists a conference for the task; each costs one HTTP request.
Once Twilio lists one, a start looks the leg up there. Until then, the pauses between requests grow:

- at most `MAX_EARLY` requests in the first `EARLY_MS`, later one in `LONG_PAUSE_MS`;
- after a sign of a call in the events (a leg, a conference) the next request is sent at once, and
  the pauses are short again; this happens at most `MAX_RESTARTS` times.

All this is kept in the call's state, so that a restart of a process does not begin the search
again.
"""

from dataclasses import replace

from pipeline.streams.command_results import FIND_FAILED, LISTED, NO_CONFERENCE
from pipeline.streams.names import find_command_id
from pipeline.streams.reconcile import Demand
from pipeline.streams.state import is_live, newest_generation
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    ConferenceSearch,
    FindConference,
)
from schemas.states import ReasonCode

FIND = "find"
"""The `command` of an answer to a `FindConference`."""

PAUSES_MS = (1_000, 1_500, 2_500, 4_000, 6_000)
"""The pauses (ms) after the first request, the second one, ..."""
LONG_PAUSE_MS = 30_000
RESTARTED_AT = 2
"""The index of the pause with which the search continues after a sign of a call."""
MAX_RESTARTS = 5
EARLY_MS = 20_000
MAX_EARLY = 7
"""One less than the permitted number of requests, because a request is repeated if the adapter is
killed."""
EXPIRY_MS = 10_000
"""The adapter answers `unknown` if Twilio gives no answer within this time (ms)."""
ANSWER_MS = EXPIRY_MS + 2_000
"""After this time (ms), a question without an answer counts as lost."""
UNKNOWN_PAUSE_MS = 1_000
"""The pause (ms) after the answer `unknown`: Twilio did not answer until the question expired."""


def signs_of_call(call: Call) -> int:
    """Return the number of signs of a leg or a conference in the events. It never decreases."""
    facts = call.facts.keys() & {"conference_sid", "customer_joined", "worker_call_sid"}
    joined = sum("joined" in leg.milestones for leg in call.legs)
    return len(facts) + len(call.legs) + joined + ("conference-start" in call.milestones)


def is_leg_unknown(state: CallStreams, demand: Demand) -> bool:
    """Return whether no leg is known and there is no conference to look for one in."""
    is_listed = state.search is not None and state.search.listed
    return demand.call_sid is None and not is_listed


def searched(
    state: CallStreams, demand: Demand, signs: int, now: int
) -> tuple[CallStreams, tuple[FindConference, ...]]:
    """Return the state after the question that is due now, and the command that asks it. `signs`:
    the number of signs of a call (`signs_of_call`)."""
    is_wanted = demand.desired and demand.begins and not any(map(is_live, state.media_streams))
    if not is_wanted or not is_leg_unknown(state, demand) or now < state.not_before:
        return state, ()
    search = state.search or _begun(signs, now)
    if search.asked_at is None and signs > search.signs:
        search = _restarted(search, signs, now)
    due_at = search.due_at if search.asked_at is None else search.asked_at + ANSWER_MS
    if now < due_at:
        return replace(state, search=search), ()
    search = replace(search, attempt=search.attempt + 1, asked_at=now)
    question = FindConference(
        command_id=find_command_id(state.task_sid, search.attempt),
        task_sid=state.task_sid,
        generation=newest_generation(state) + 1,
        issued_at=now,
        expires_at=now + EXPIRY_MS,
        cause_event_id=state.cause_event_id,
        reservation_sid=state.reservation_sid,
        reason_code=ReasonCode.LEG_UNKNOWN,
        decided_at=state.decided_at,
    )
    return replace(state, search=search), (question,)


def found(state: CallStreams, answer: CommandAnswered, now: int) -> CallStreams:
    """Handle the answer to a `FindConference`. Ignore answers to earlier questions."""
    search = state.search
    if search is None or search.asked_at is None:
        return state
    if answer.command_id != find_command_id(state.task_sid, search.attempt):
        return state
    search = replace(search, asked_at=None)
    if answer.outcome == LISTED:
        search = replace(search, listed=True)
    elif answer.outcome in (NO_CONFERENCE, FIND_FAILED):
        search = _paused(search, now)
    else:
        search = replace(search, due_at=now + UNKNOWN_PAUSE_MS)
    return replace(state, search=search)


def conference_gone(state: CallStreams, now: int) -> CallStreams:
    """Note that a start found no conference: search for one again."""
    search = state.search or _begun(0, now)
    return replace(state, search=_paused(replace(search, listed=False, asked_at=None), now))


def leg_gone(state: CallStreams, leg: str, now: int) -> CallStreams:
    """Note that a named leg belongs to an earlier call: search for a conference instead."""
    search = state.search or _begun(0, now)
    return replace(state, search=replace(search, gone_leg=leg, step=len(PAUSES_MS)))


def without_gone_leg(state: CallStreams, demand: Demand) -> Demand:
    """Return the demand without a leg that is gone."""
    gone_leg = None if state.search is None else state.search.gone_leg
    return replace(demand, call_sid=None) if demand.call_sid == gone_leg is not None else demand


def has_no_conference(state: CallStreams) -> bool:
    """Return whether Twilio was asked and listed no conference, so that nothing is started."""
    search = state.search
    if any(map(is_live, state.media_streams)):
        return False
    return search is not None and not search.listed and search.requests > 0


def _begun(signs: int, now: int) -> ConferenceSearch:
    return ConferenceSearch(
        attempt=0, requests=0, step=0, since=now, due_at=now, signs=signs, restarts=0, listed=False
    )


def _paused(search: ConferenceSearch, now: int) -> ConferenceSearch:
    """Return the search with the time of the next request, after one that listed no conference."""
    requests = search.requests + 1
    is_early = search.step < len(PAUSES_MS) and not _is_exhausted(search, requests, now)
    pause = PAUSES_MS[search.step] if is_early else LONG_PAUSE_MS
    return replace(search, requests=requests, step=search.step + 1, due_at=now + pause)


def _restarted(search: ConferenceSearch, signs: int, now: int) -> ConferenceSearch:
    """Return the search with new signs of a call. The next request is due at once, within the
    limits."""
    search = replace(search, signs=signs)
    if search.restarts >= MAX_RESTARTS:
        return search
    due_at = now
    if _is_exhausted(search, search.requests, now):
        due_at = search.since + EARLY_MS
    step = min(search.step, RESTARTED_AT)
    return replace(
        search, step=step, restarts=search.restarts + 1, due_at=min(search.due_at, due_at)
    )


def _is_exhausted(search: ConferenceSearch, requests: int, now: int) -> bool:
    """Return whether another request would exceed the limit for the first seconds."""
    return requests >= MAX_EARLY and now < search.since + EARLY_MS
