"""Decisions without media streams: they equal those of the stream manager, and need no Twilio."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams import decisions, manager
from pipeline.streams.decisions import learned_from, on_call, on_tick, wakes_at
from schemas.records import Call, CallStreams, CommandAnswered, RecordingDecided, RecordingPolicy
from tests.pipeline.streams.calls import ANN, BOB, CUSTOMER_LEG, TASK, call, later, reservation

FORGET_MS = 5 * 60 * 60_000
T = 1_000_000
HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
ACTIVE = call(reservation(ANN, created=T, accepted=T))
OVER = later(ACTIVE, milestones={"conference-end": T + 100})


def seen(state: CallStreams | None, version: Call, now: int) -> CallStreams:
    after = on_call(TASK, state, version, HISTORY, now).state
    assert after is not None
    return after


def test_a_version_is_decided_once() -> None:
    """One that is read again, or is older, changes nothing."""
    step = on_call(TASK, None, ACTIVE, HISTORY, T + 10)
    assert ["record"] == [each.decision for each in step.published]
    again = on_call(TASK, step.state, ACTIVE, HISTORY, T + 20)
    assert again.state is step.state
    assert () == again.published
    ended = seen(step.state, OVER, T + 200)
    assert ended is on_call(TASK, ended, ACTIVE, HISTORY, T + 300).state


def test_an_old_version_of_an_unknown_call_makes_no_state() -> None:
    """A revision counts from 1."""
    assert on_call(TASK, None, replace(ACTIVE, revision=0), HISTORY, T).state is None


def test_time_does_not_run_backwards() -> None:
    """A record of another partition's pace, or a tick that waited, is decided at the latest time
    that was seen."""
    alerting = seen(None, call(reservation(ANN, created=T)), T + 500)
    step = on_call(TASK, alerting, later(ACTIVE), HISTORY, T + 100)
    assert T + 500 == step.published[0].at
    assert step.state is not None
    assert step.state is on_tick(step.state, HISTORY, T + 499).state


def test_a_tick_decides_again() -> None:
    """Under the list that is then in force; the same state if nothing changed."""
    state = seen(None, ACTIVE, T)
    assert state is on_tick(state, HISTORY, T + 1_000).state
    removed = PolicyHistory.of(
        [*HISTORY.versions, RecordingPolicy(2, T + 2_000, T + 2_000, (BOB,), True, True)]
    )
    step = on_tick(state, removed, T + 2_000)
    assert ["stop"] == [each.decision for each in step.published]
    assert step.state is not None
    assert T + 2_000 == step.state.seen_at


def test_a_call_that_is_over_is_kept_for_a_while() -> None:
    """Then it is forgotten; until then every tick looks at a running call only."""
    state = seen(None, ACTIVE, T)
    assert 0 == wakes_at(state)
    over = seen(state, OVER, T + 200)
    assert T + 200 == over.ended_at
    due = T + 200 + FORGET_MS
    assert due == wakes_at(over)
    assert over is on_tick(over, HISTORY, due - 1).state
    assert on_tick(over, HISTORY, due).state is None


def test_a_call_that_turns_out_not_to_be_over_is_decided_again() -> None:
    """Late events may say so; the end counts anew afterwards."""
    over = seen(seen(None, ACTIVE, T), OVER, T + 200)
    longer = later(OVER, milestones={"conference-end": T + 400})
    assert T + 200 == seen(over, longer, T + 500).ended_at
    open_again = later(longer, milestones={})
    assert seen(over, open_again, T + 600).ended_at is None


ANSWER = CommandAnswered(
    "c", TASK, 0, "verify", "confirmed", CUSTOMER_LEG, None, None, None, "", 1, T
)


def test_what_the_adapters_answers_teach_the_tracker() -> None:
    """The legs that Twilio lists for the task; of a call that is not known, no leg's ends."""
    listed = replace(ANSWER, listed_call_sids=(CUSTOMER_LEG,))
    state = seen(None, ACTIVE, T)
    assert learned_from(state, listed, HISTORY, T) == learned_from(None, listed, HISTORY, T)
    fetched = replace(ANSWER, command="fetch", outcome="done", call_from="+1", call_to="client:ann")
    assert () == learned_from(None, fetched, HISTORY, T)
    (record,) = learned_from(state, fetched, HISTORY, T)
    assert CUSTOMER_LEG == record.call_sid


KINDS = st.sampled_from(["accept", "leave", "end", "tick", "tick"])


@given(st.lists(st.tuples(KINDS, st.integers(0, 3_000)), max_size=12))
def test_they_are_the_stream_managers_decisions(happened: list[tuple[str, int]]) -> None:
    """Whatever happens to a call, at whatever pace: same decisions, same times, same reasons."""
    ours: CallStreams | None = None
    theirs: CallStreams | None = None
    published: list[RecordingDecided] = []
    managed: list[RecordingDecided] = []
    now, known, times = T, call(reservation(ANN, created=T)), {"created": T}
    ended: dict[str, int] = {}
    for kind, pause in happened:
        now += pause
        if kind == "tick":
            if ours is not None:
                step = decisions.on_tick(ours, HISTORY, now)
                ours, published = step.state, [*published, *step.published]
            if theirs is not None:
                step = manager.on_tick(theirs, HISTORY, now)
                theirs = step.state
                managed += [r for r in step.outputs if isinstance(r, RecordingDecided)]
            continue
        times |= {"accepted": now} if kind == "accept" else {}
        times |= {"wrapup": now} if kind == "leave" else {}
        ended |= {"conference-end": now} if kind == "end" else {}
        known = later(known, reservations=(reservation(ANN, **times),), milestones=ended)
        step = decisions.on_call(TASK, ours, known, HISTORY, now)
        ours, published = step.state, [*published, *step.published]
        step = manager.on_record(TASK, theirs, known, HISTORY, now)
        theirs = step.state
        managed += [r for r in step.outputs if isinstance(r, RecordingDecided)]
    assert managed == published
