"""Decide whether a call is recorded, and make the record of the decision. Pure."""

from dataclasses import dataclass, replace
from functools import lru_cache

from pipeline.calls.merge import LONGEST_MS
from pipeline.calls.view import CallView, view
from pipeline.policy import decide
from pipeline.policy.decide import Decision
from pipeline.policy.monitored_list import PolicyHistory
from schemas.codec import decode
from schemas.records import Call, CallStreams, RecordingDecided
from schemas.states import CallState


@dataclass(frozen=True, slots=True)
class Judged:
    """The state of a call after a decision whether it is recorded.

    `decision`: None if the call's latest event is older than any call lasts. `is_over`: nothing
    further will be recorded. `published`: the record of the decision, or None if nothing changed.
    """

    state: CallStreams
    decision: Decision | None
    is_over: bool
    published: tuple[RecordingDecided, ...] = ()


def judged(
    state: CallStreams, call: Call, seen: CallView, history: PolicyHistory, now: int
) -> Judged:
    """Decide whether the call is recorded at `now` (ms). `call`: its latest version; `seen`: the
    view of that version."""
    state = replace(state, alone_since=_alone_since(state, seen, now))
    if now >= call.latest_event_at + LONGEST_MS:
        # Old records that are replayed: a call that continues has newer events, or is swept.
        return Judged(state, None, is_over=True)
    decision = decide.decide(seen, history, now, state.alone_since)
    after, published = with_decision(state, decision, now, call, seen)
    return Judged(after, decision, seen.state in (CallState.ENDED, CallState.IGNORED), published)


def with_decision(
    state: CallStreams, decision: Decision, now: int, call: Call, seen: CallView
) -> tuple[CallStreams, tuple[RecordingDecided, ...]]:
    """Return the state with the decision at `now` (ms), and its record if the decision is new.
    `call`: the version of the call that it is based on; `seen`: the view of that version."""
    if not decide.is_news(decision, state.decision, state.reason_kind):
        return state, ()
    published, reason = decide.published(decision, state.decision)
    code = decide.reason_code(decision, published)
    reservation_sid = decide.reservation_of(decision, seen)
    # Readers distinguish and order a call's decisions by `at`. Records that Kafka appended together
    # have the same timestamp, and may lead to several decisions.
    at = now if state.decided_at is None else max(now, state.decided_at + 1)
    decided = RecordingDecided(
        task_sid=state.task_sid,
        at=at,
        decision=published,
        reason=reason,
        policy_version=decision.policy_version,
        cause_event_id=call.cause_event_id,
        reservation_sid=reservation_sid,
        reason_code=code,
    )
    after = replace(
        state,
        decided_at=at,
        decision=published,
        reason_kind=decision.kind,
        reason=reason,
        policy_version=decision.policy_version,
        cause_event_id=call.cause_event_id,
        reservation_sid=reservation_sid,
        reason_code=code,
    )
    return after, (decided,)


@lru_cache(maxsize=2_048)
def seen_call(data: bytes) -> tuple[Call, CallView]:
    """Return an encoded version of a call, and its view."""
    # Cached: a call at rest is handled on every tick, and should be decoded only once.
    call = decode(data)
    assert isinstance(call, Call)
    return call, view(call)


def _alone_since(state: CallStreams, seen: CallView, now: int) -> int | None:
    if any(s.started_at is not None and s.ended_at is None for s in seen.sessions):
        return None
    return now if state.alone_since is None else state.alone_since
