"""What has no end is closed, what is over is forgotten, what comes too late opens nothing."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.events import Silent
from pipeline.calls.lifetime import (
    FORGOTTEN_AFTER_MS,
    MARKED_MS,
    QUIET_MS,
    Aged,
    Heard,
    Kept,
    TooLate,
    aged,
    hear,
    remaining,
    wakes_at,
)
from pipeline.calls.merge import LONGEST_MS, SWEEP
from pipeline.calls.view import view
from pipeline.policy.decide import decide, published
from pipeline.policy.monitored_list import PolicyHistory
from schemas.codec import decode, encode
from schemas.records import Call, CtiEvent, ForgottenCall
from schemas.states import CallState
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    histories,
    inbound,
    leg_sid,
)

HOUR = 3_600_000


def kept(events: list[CtiEvent], state: Kept | None = None, now: int = 0) -> Kept | None:
    """What is kept after these events, which came when Kinesis had them, or at `now`."""
    for event in events:
        found = hear(state, event, now or event.arrived_at)
        if isinstance(found, Heard):
            state = found.state
    return state


def call_after(events: list[CtiEvent]) -> Call:
    """The call after these events."""
    state = kept(events)
    assert isinstance(state, Call)
    return state


def late(event: CtiEvent, by: int) -> CtiEvent:
    """The event, so long in coming."""
    return replace(event, arrived_at=event.arrived_at + by)


def running() -> Story:
    """A call with one worker on it."""
    return inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")


def over() -> Call:
    """A call that was given up in the queue after five seconds."""
    return call_after(inbound().task("canceled", 5_000).events)


def test_an_ended_call_is_kept_four_hours_after_its_latest_event_or_arrival() -> None:
    """Twilio repeats for up to 4 hours; after that nothing can come any more. Then a mark stays
    for a day."""
    call = over()
    due = T0 + 5_050 + FORGOTTEN_AFTER_MS  # the arrival counts
    mark = ForgottenCall(TASK, T0 + 5_000, due)

    assert due == wakes_at(call)
    assert Aged(call) == aged(call, due - 1)
    assert Aged(mark) == aged(call, due)
    assert mark == decode(encode(mark))
    assert Aged(mark) == aged(mark, due + MARKED_MS - 1)
    assert Aged(None) == aged(mark, due + MARKED_MS)


def test_an_event_time_far_after_the_arrival_does_not_keep_a_call_for_ever() -> None:
    """A clock that is wrong by years is no reason to keep anything."""
    call = call_after(inbound().task("canceled", 400 * 24 * HOUR).events)
    odd = replace(call, latest_arrival_at=T0)
    assert T0 + LONGEST_MS + FORGOTTEN_AFTER_MS == wakes_at(odd)


def test_a_running_call_is_neither_swept_nor_forgotten_within_24_hours() -> None:
    """A call may last 24 hours, and be silent all the while."""
    call = call_after(running().events)
    assert Aged(call) == aged(call, T0 + LONGEST_MS - 1)


def test_a_call_without_an_end_is_closed_24_hours_after_its_first_event() -> None:
    """By a version of its own, with the sweep as its cause; recording stops for that reason."""
    call = call_after(running().events)

    left = aged(call, T0 + LONGEST_MS + 700)

    [version] = left.versions
    assert version is left.state
    assert version == decode(encode(version))
    assert (SWEEP, f"sweep:{TASK}") == (version.cause_type, version.cause_event_id)
    assert (T0 + LONGEST_MS + 700, call.revision + 1) == (version.cause_at, version.revision)
    seen = view(version)
    assert (CallState.ENDED, T0 + LONGEST_MS) == (version.state, seen.ended_at)
    assert [T0 + LONGEST_MS] == [session.ended_at for session in seen.sessions]
    decision = decide(seen, PolicyHistory(), T0 + LONGEST_MS + 700)
    assert ("stop", "stopped: no end within 24 hours") == published(decision, "record")


def test_a_swept_call_is_kept_four_hours_more() -> None:
    """An end that happened just before may be so long in coming."""
    [version] = aged(call_after(running().events), T0 + LONGEST_MS).versions
    assert T0 + LONGEST_MS + FORGOTTEN_AFTER_MS == wakes_at(version)


def test_a_call_without_an_end_is_forgotten_at_once_where_nobody_looked_in_time() -> None:
    """All that is due happens at once, and the version is published nevertheless."""
    call = call_after(running().events)
    due = T0 + LONGEST_MS + FORGOTTEN_AFTER_MS

    left = aged(call, due + HOUR)

    assert [SWEEP] == [version.cause_type for version in left.versions]
    assert ForgottenCall(TASK, T0 + LONGEST_MS, due) == left.state


def test_an_end_that_comes_late_takes_the_place_of_the_sweeps() -> None:
    """A call that ended after 23:59 hours, of which that was heard four hours later."""
    end = LONGEST_MS - 60_000
    story = running()
    [swept] = aged(call_after(story.events), T0 + LONGEST_MS).versions
    story.events.clear()
    [wrapup] = story.reservation("wrapup", end, "ann").events

    left = remaining(swept, T0 + end + 4 * HOUR - 1_000)
    found = hear(left.state, late(wrapup, 4 * HOUR - 1_000), T0 + end + 4 * HOUR - 1_000)

    assert isinstance(found, Heard)
    assert found.news is not None
    seen = view(found.news)
    assert (T0 + end, False) == (seen.ended_at, seen.swept)
    assert "swept" not in found.news.milestones


def test_what_is_no_end_does_not_reopen_a_swept_call() -> None:
    """It is a version all the same, and stays closed."""
    story = running()
    [swept] = aged(call_after(story.events), T0 + LONGEST_MS).versions
    [held] = story.participant("hold", LONGEST_MS + 5_000, CUSTOMER_LEG).events[3:]

    found = hear(swept, held, held.arrived_at)

    assert isinstance(found, Heard)
    assert found.news is not None
    assert (CallState.ENDED, T0 + LONGEST_MS) == (found.news.state, view(found.news).ended_at)


def test_a_call_is_not_swept_amid_a_history_that_is_brought_in() -> None:
    """Its end may be among what follows."""
    arrival = T0 + 40 * 24 * HOUR
    state = kept([replace(e, arrived_at=arrival) for e in running().events])
    assert isinstance(state, Call)
    assert Aged(state) == aged(state, arrival + QUIET_MS - 1)
    assert aged(state, arrival + QUIET_MS).versions


def test_an_event_of_a_call_that_nobody_was_reserved_for_keeps_it_a_day() -> None:
    """It may wait in the queue; then it is marked too."""
    call = call_after(inbound().events)
    due = T0 + 50 + LONGEST_MS + FORGOTTEN_AFTER_MS
    assert Aged(call) == aged(call, due - 1)
    assert Aged(ForgottenCall(TASK, None, due)) == aged(call, due)


def test_an_event_of_a_forgotten_call_is_too_late() -> None:
    """It opens no call, whatever it says; even a tick need not have come."""
    call = over()
    due = wakes_at(call)
    [created] = inbound().events

    left = remaining(call, due)

    assert isinstance(left.state, ForgottenCall)
    found = hear(left.state, created, due)
    assert isinstance(found, TooLate)
    assert "dropped at 2026-09-21T18:13:25.050Z" in found.detail


def test_before_that_an_event_of_an_ended_call_is_taken_in() -> None:
    """And keeps it four hours more."""
    story = inbound().task("canceled", 5_000).task("updated", 4_000)
    call, updated = over(), story.events[-1]
    now = wakes_at(call) - 1

    found = hear(remaining(call, now).state, updated, now)

    assert isinstance(found, Heard)
    assert isinstance(found.state, Call)
    assert now + FORGOTTEN_AFTER_MS == wakes_at(found.state)


def _going_on(age: int) -> Story:
    return Story().reservation("wrapup", 0, "ann", task_age=age)


@pytest.mark.parametrize(
    ("story", "by", "opens"),
    [
        (_going_on(60), 4 * HOUR, True),
        (_going_on(60), 4 * HOUR + 5_000, False),
        (Story().participant("leave", 999, CUSTOMER_LEG), 4 * HOUR, True),
        (Story().participant("leave", 999, CUSTOMER_LEG), 5 * HOUR, False),
        (Story().task("created", 0), 90 * HOUR, True),
        (Story().reservation("created", 0, "ann"), 90 * HOUR, True),
        (_going_on(28 * 3_600), 0, True),
        (_going_on(28 * 3_600 + 1), 0, False),
        (Story().reservation("created", 0, "ann", task_age=200_000), 0, False),
        (Story().task("wrapup", 0, task_age="junk"), 0, True),
        (Story().task("wrapup", 0, task_channel_unique_name="chat", task_age=200_000), 0, True),
    ],
)
def test_an_event_of_an_unknown_call(story: Story, by: int, opens: bool) -> None:
    """What begins a call opens it however late; what goes on with one only within 4 hours, and only
    where the call cannot have been forgotten with its mark."""
    [event] = story.events
    found = hear(None, late(event, by - 50), 0)
    assert opens == isinstance(found, Heard)
    assert opens != isinstance(found, TooLate)


def test_what_says_nothing_is_never_too_late() -> None:
    """It is let go, as ever."""
    [created] = inbound().events
    nobodys = replace(created, task_sid=None)
    assert Silent("no-task") == hear(ForgottenCall(TASK, None, T0), nobodys, T0)


def test_a_chat_that_was_forgotten_says_nothing() -> None:
    """Chats last for days; their events are no dead letters."""
    [updated] = Story().task("updated", 0, task_channel_unique_name="chat").events
    mark = ForgottenCall(TASK, None, T0)
    assert Heard(mark) == hear(mark, updated, T0)


_DAYS = st.integers(0, 60 * HOUR)


@settings(max_examples=examples(150), deadline=None)
@given(histories(), st.lists(_DAYS, max_size=6))
def test_ageing_does_not_depend_on_when_it_is_looked_at(
    events: list[CtiEvent], looks: list[int]
) -> None:
    """However often in between: at a moment the same is left; only the sweep tells its own time."""

    def plain(state: Kept | None) -> Any:
        return replace(state, cause_at=0) if isinstance(state, Call) else state

    start = kept(events)
    assert start is not None
    end = T0 + max(looks, default=0)

    state: Kept | None = start
    for look in sorted(looks):
        state = state and aged(state, T0 + look).state

    assert plain(aged(start, end).state) == plain(state)


@settings(max_examples=examples(100), deadline=None)
@given(histories(), st.integers(0, 14), st.integers(0, 60 * HOUR))
def test_a_state_has_nothing_due_before_it_wakes(
    events: list[CtiEvent], count: int, after: int
) -> None:
    """So no earlier question is needed; once it is asked, it wakes later or is gone."""
    state = kept(events[: count + 1])
    assert state is not None
    wakes = wakes_at(state)

    assert Aged(state) == aged(state, wakes - 1)
    left = aged(state, wakes + after).state
    assert left is None or wakes + after < wakes_at(left)


@settings(max_examples=examples(150), deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.integers(0, 20))
def test_a_sweep_amid_the_events_changes_nothing_in_the_end(
    events: list[CtiEvent], chance: Any, where: int
) -> None:
    """Whether an end came before the sweep or after it, and in which order, is all the same."""

    def bare(state: Kept | None) -> Any:
        nothing = {"revision": 0, "cause_event_id": "", "cause_type": "", "cause_at": 0}
        return replace(state, **nothing) if isinstance(state, Call) else state

    soon = T0 + LONGEST_MS + QUIET_MS
    plain = kept(events, now=soon - QUIET_MS)
    chance.shuffle(events)
    early = kept(events[:where], now=soon - QUIET_MS)
    if early is not None:
        early = aged(early, soon).state
    state = kept(events[where:], early, now=soon - QUIET_MS)

    assert plain is not None
    assert state is not None
    assert bare(aged(plain, soon).state) == bare(aged(state, soon).state)


def test_every_call_that_goes_on_is_over_after_its_sweep() -> None:
    """Nothing is recorded for ever: also where outsiders are still on the call."""
    story = running().participant("join", 3_000, leg_sid("x"))
    story.reservation("wrapup", 9_000, "ann").task("transfer-initiated", 9_500)
    call = call_after(story.events)
    assert CallState.ACTIVE == call.state

    [version] = aged(call, T0 + LONGEST_MS).versions

    assert CallState.ENDED == version.state
