"""The decision of a call in its state, and its record. Pure."""

from dataclasses import replace

from pipeline.policy import decide
from pipeline.policy.decide import Decision
from schemas.records import CallStreams, RecordingDecided


def with_decision(
    state: CallStreams, decision: Decision, now: int
) -> tuple[CallStreams, tuple[RecordingDecided, ...]]:
    """Return the state with the decision of `now` (ms), and the record of it, if it is news."""
    if not decide.is_news(decision, state.decision, state.reason_kind):
        return state, ()
    told, reason = decide.published(decision, state.decision)
    # Readers tell a call's decisions apart, and order them, by `at`. Records that Kafka appended
    # together have one timestamp, and may bring several decisions.
    at = now if state.decided_at is None else max(now, state.decided_at + 1)
    decided = RecordingDecided(
        task_sid=state.task_sid,
        at=at,
        decision=told,
        reason=reason,
        policy_version=decision.policy_version,
    )
    after = replace(
        state,
        decided_at=at,
        decision=told,
        reason_kind=decision.kind,
        reason=reason,
        policy_version=decision.policy_version,
    )
    return after, (decided,)
