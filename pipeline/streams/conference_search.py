"""Whether a task without a known leg has a conference at all: when Twilio is asked. Pure.

Callbacks and voicemail are tasks of the channel `voice` that no call belongs to, and at first an
outbound call looks the same. So no media stream is started before there is a leg to ask for:
`FindConference` asks whether Twilio lists a conference for the task, one HTTP request each. Once it
does, a start looks the leg up there. While it does not, the pauses grow:

- at most `MAX_EARLY` requests in the first `EARLY_MS`, later one in `LONG_PAUSE_MS`;
- a sign of a call in the events (a leg, a conference) asks at once and makes the pauses short
  again, `MAX_RESTARTS` times at most.

All of it is kept in the call's state, so that no restart of a process begins anew.
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
"""After the first request, the second one, ..."""
LONG_PAUSE_MS = 30_000
RESTARTED_AT = 2
"""From which of the pauses a sign of a call continues."""
MAX_RESTARTS = 5
EARLY_MS = 20_000
MAX_EARLY = 7
"""One less than Twilio may be asked: a request is repeated if the adapter is killed."""
EXPIRY_MS = 10_000
"""A question that is not answered within this is answered `unknown`."""
ANSWER_MS = EXPIRY_MS + 2_000
"""After this, a question without an answer is lost."""
UNKNOWN_PAUSE_MS = 1_000
"""After an answer that says nothing: Twilio was asked in vain as long as the question lasted."""


def signs_of_call(call: Call) -> int:
    """Return how many signs of a leg or a conference the events show. It never falls."""
    facts = call.facts.keys() & {"conference_sid", "customer_joined", "worker_call_sid"}
    joined = sum("joined" in leg.milestones for leg in call.legs)
    return len(facts) + len(call.legs) + joined + ("conference-start" in call.milestones)


def is_leg_unknown(state: CallStreams, demand: Demand) -> bool:
    """Return whether there is no leg to ask for, nor a conference to look for one in."""
    is_listed = state.search is not None and state.search.listed
    return demand.call_sid is None and not is_listed


def searched(
    state: CallStreams, demand: Demand, signs: int, now: int
) -> tuple[CallStreams, tuple[FindConference, ...]]:
    """Return the state after the question that is due now, and the command that asks it. `signs`:
    of a call, as `signs_of_call` counts them."""
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
    """Take in the answer to a `FindConference`. Answers to earlier questions say nothing."""
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
    """Take in that a start found no conference: it is searched for again."""
    search = state.search or _begun(0, now)
    return replace(state, search=_paused(replace(search, listed=False, asked_at=None), now))


def leg_gone(state: CallStreams, leg: str, now: int) -> CallStreams:
    """Take in that a named leg is that of an earlier call: a conference is searched for instead."""
    search = state.search or _begun(0, now)
    return replace(state, search=replace(search, gone_leg=leg, step=len(PAUSES_MS)))


def without_gone_leg(state: CallStreams, demand: Demand) -> Demand:
    """Return the demand without a leg that is gone."""
    gone_leg = None if state.search is None else state.search.gone_leg
    return replace(demand, call_sid=None) if demand.call_sid == gone_leg is not None else demand


def has_no_conference(state: CallStreams) -> bool:
    """Return whether Twilio was asked, and listed no conference, so that nothing is started."""
    search = state.search
    if any(map(is_live, state.media_streams)):
        return False
    return search is not None and not search.listed and search.requests > 0


def _begun(signs: int, now: int) -> ConferenceSearch:
    return ConferenceSearch(
        attempt=0, requests=0, step=0, since=now, due_at=now, signs=signs, restarts=0, listed=False
    )


def _paused(search: ConferenceSearch, now: int) -> ConferenceSearch:
    """The same after a request that listed none: when the next one may be."""
    requests = search.requests + 1
    is_early = search.step < len(PAUSES_MS) and not _is_exhausted(search, requests, now)
    pause = PAUSES_MS[search.step] if is_early else LONG_PAUSE_MS
    return replace(search, requests=requests, step=search.step + 1, due_at=now + pause)


def _restarted(search: ConferenceSearch, signs: int, now: int) -> ConferenceSearch:
    """The same with new signs of a call: asked at once, if that is not too often."""
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
    """Whether another request would be one too many for the first seconds."""
    return requests >= MAX_EARLY and now < search.since + EARLY_MS
