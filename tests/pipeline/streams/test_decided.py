"""The decision of a call in its state, and the record of it."""

from dataclasses import replace

import pytest

from pipeline.calls.view import view
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.decided import Judged, judged, seen_call
from pipeline.streams.state import unknown_call
from schemas.codec import encode
from schemas.records import Call, CallStreams, RecordingPolicy
from tests.pipeline.streams.calls import ANN, BOB, TASK, call, later, reservation

T, DAY = 1_000_000, 24 * 60 * 60 * 1_000
HISTORY = PolicyHistory.of([RecordingPolicy(3, 0, 0, (ANN,), True, True)])
ACTIVE = call(reservation(ANN, created=T, accepted=T))
OVER = later(ACTIVE, milestones={"conference-end": T + 100})
UNMONITORED = call(reservation(BOB, created=T, accepted=T))


def judge(version: Call, now: int = T, state: CallStreams | None = None) -> Judged:
    return judged(state or unknown_call(TASK), version, view(version), HISTORY, now)


def test_a_decision_is_kept_and_published() -> None:
    """State and record say the same, with the version of the list and the event that led to it."""
    found = judge(ACTIVE, T + 7)
    (record,) = found.published
    state = found.state
    assert ("record", 3, "e", "WRann") == (
        record.decision, record.policy_version, record.cause_event_id, record.reservation_sid,
    )  # fmt: skip
    assert (TASK, T + 7) == (record.task_sid, record.at)
    assert record.decision == state.decision
    assert (record.reason, record.reason_code) == (state.reason, state.reason_code)
    assert (record.policy_version, record.at) == (state.policy_version, state.decided_at)
    assert (record.cause_event_id, record.reservation_sid) == (
        state.cause_event_id, state.reservation_sid,
    )  # fmt: skip
    assert not found.is_over


def test_a_decision_that_is_no_news_changes_nothing() -> None:
    """It is published once."""
    first = judge(ACTIVE)
    again = judge(ACTIVE, T + 1_000, first.state)
    assert () == again.published
    assert first.state == again.state
    assert again.decision is not None
    assert again.decision.record


def test_two_decisions_of_one_moment_have_an_order() -> None:
    """Readers order a call's decisions by `at`, also if the log's clock does not move."""
    first = judge(ACTIVE)
    second = judge(OVER, T, first.state)
    assert [T, T + 1] == [found.published[0].at for found in (first, second)]
    assert ["record", "stop"] == [found.published[0].decision for found in (first, second)]


@pytest.mark.parametrize(("after", "is_judged"), [(DAY - 1, True), (DAY, False)])
def test_a_call_with_a_last_event_a_day_old_is_not_decided(after: int, is_judged: bool) -> None:
    """It is history that was brought in once more: nothing is recorded or published."""
    found = judge(ACTIVE, ACTIVE.latest_event_at + after)
    assert is_judged == (found.decision is not None)
    assert is_judged == bool(found.published)
    assert is_judged == (not found.is_over)


@pytest.mark.parametrize(
    ("version", "is_over"),
    [(ACTIVE, False), (OVER, True), (call(reservation(ANN, created=T)), False),
     (call(reservation(ANN, created=T, accepted=T), channel="chat"), True)],
)  # fmt: skip
def test_when_nothing_more_is_to_be_recorded(version: Call, is_over: bool) -> None:
    """The call has ended, or is not in a voice channel."""
    assert is_over == judge(version, T + 200).is_over


def test_since_when_no_worker_is_on_the_call() -> None:
    """From the time at which this was learned, until a worker accepts; workers that left or have
    not accepted do not count. The list does not matter."""
    alerting = call(reservation(ANN, created=T))
    assert T + 5 == judge(alerting, T + 5).state.alone_since
    known = replace(unknown_call(TASK), alone_since=T + 5)
    assert T + 5 == judge(alerting, T + 90, known).state.alone_since
    assert judge(UNMONITORED, T + 90, known).state.alone_since is None
    left = call(reservation(BOB, created=T, accepted=T, wrapup=T + 50))
    assert T + 60 == judge(left, T + 60).state.alone_since


def test_a_version_that_was_read_before_is_the_same_object() -> None:
    """A call at rest is decoded once, however often ticks look at it."""
    data = encode(ACTIVE)
    found, seen = seen_call(data)
    assert (ACTIVE, view(ACTIVE)) == (found, seen)
    assert found is seen_call(bytes(data))[0]
