"""The decision of a call in its state, and its record. Pure."""

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
    """The state of a call after it was decided whether it is recorded.

    `decision`: None if the call's latest event is older than any call lasts. `is_over`: nothing
    more is to be recorded. `published`: the record of the decision, if it is news.
    """

    state: CallStreams
    decision: Decision | None
    is_over: bool
    published: tuple[RecordingDecided, ...] = ()


def judged(
    state: CallStreams, call: Call, seen: CallView, history: PolicyHistory, now: int
) -> Judged:
    """Decide whether the call is recorded at `now` (ms). `call` is the latest version, `seen` its
    view."""
    state = replace(state, alone_since=_alone_since(state, seen, now))
    if now >= call.latest_event_at + LONGEST_MS:
        # History that is brought in once more: a call that continues has events, or is swept.
        return Judged(state, None, is_over=True)
    decision = decide.decide(seen, history, now, state.alone_since)
    after, published = with_decision(state, decision, now, call, seen)
    return Judged(after, decision, seen.state in (CallState.ENDED, CallState.IGNORED), published)


def with_decision(
    state: CallStreams, decision: Decision, now: int, call: Call, seen: CallView
) -> tuple[CallStreams, tuple[RecordingDecided, ...]]:
    """Return the state with the decision of `now` (ms), and the record of it, if it is news.
    `call`: the version of the call that it rests on, `seen`: its view."""
    if not decide.is_news(decision, state.decision, state.reason_kind):
        return state, ()
    told, reason = decide.published(decision, state.decision)
    code = decide.reason_code(decision, told)
    reservation_sid = decide.reservation_of(decision, seen)
    # Readers tell a call's decisions apart, and order them, by `at`. Records that Kafka appended
    # together have one timestamp, and may bring several decisions.
    at = now if state.decided_at is None else max(now, state.decided_at + 1)
    decided = RecordingDecided(
        task_sid=state.task_sid,
        at=at,
        decision=told,
        reason=reason,
        policy_version=decision.policy_version,
        cause_event_id=call.cause_event_id,
        reservation_sid=reservation_sid,
        reason_code=code,
    )
    after = replace(
        state,
        decided_at=at,
        decision=told,
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
    # A call at rest is looked at on every tick: it is decoded once.
    call = decode(data)
    assert isinstance(call, Call)
    return call, view(call)


def _alone_since(state: CallStreams, seen: CallView, now: int) -> int | None:
    if any(s.started_at is not None and s.ended_at is None for s in seen.sessions):
        return None
    return now if state.alone_since is None else state.alone_since
