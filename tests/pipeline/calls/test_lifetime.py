"""Calls without an end are closed, ended ones are forgotten, and late events open none."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.lifetime import (
    Aged,
    Applied,
    Kept,
    aged,
    apply_event,
    apply_fetched,
    remaining,
    wakes_at,
)
from pipeline.calls.merge import SWEEP
from pipeline.calls.view import view
from pipeline.policy.decide import decide, published
from pipeline.policy.monitored_list import PolicyHistory
from schemas.codec import decode, encode
from schemas.records import Call, CtiEvent, ForgottenCall, LegFetched
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
from tests.pipeline.calls.kept_calls import HOUR, call_after, kept, late, over

FORGOTTEN_AFTER_MS = 4 * 60 * 60 * 1000
MARKED_MS = 24 * 60 * 60 * 1000
QUIET_MS = 5_000
LONGEST_MS = 24 * 60 * 60 * 1000


def running() -> Story:
    """A call with one worker on it."""
    return inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")


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


def test_a_call_without_an_end_is_forgotten_at_once_if_its_ticks_were_missed() -> None:
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
    found = apply_event(left.state, late(wrapup, 4 * HOUR - 1_000), T0 + end + 4 * HOUR - 1_000)

    assert isinstance(found, Applied)
    assert found.news is not None
    seen = view(found.news)
    assert (T0 + end, False) == (seen.ended_at, seen.swept)
    assert "swept" not in found.news.milestones


def test_what_is_no_end_does_not_reopen_a_swept_call() -> None:
    """It is a version all the same, and stays closed."""
    story = running()
    [swept] = aged(call_after(story.events), T0 + LONGEST_MS).versions
    [held] = story.participant("hold", LONGEST_MS + 5_000, CUSTOMER_LEG).events[3:]

    found = apply_event(swept, held, held.arrived_at)

    assert isinstance(found, Applied)
    assert found.news is not None
    assert (CallState.ENDED, T0 + LONGEST_MS) == (found.news.state, view(found.news).ended_at)


def test_a_call_is_not_swept_amid_a_history_that_is_brought_in() -> None:
    """Its end may be among the later events."""
    arrival = T0 + 40 * 24 * HOUR
    state = kept([replace(e, arrived_at=arrival) for e in running().events])
    assert isinstance(state, Call)
    assert Aged(state) == aged(state, arrival + QUIET_MS - 1)
    assert aged(state, arrival + QUIET_MS).versions


_DAYS = st.integers(0, 60 * HOUR)


@settings(max_examples=examples(150), deadline=None)
@given(histories(), st.lists(_DAYS, max_size=6))
def test_ageing_does_not_depend_on_when_it_is_looked_at(
    events: list[CtiEvent], looks: list[int]
) -> None:
    """The state at a moment does not depend on earlier ticks; only a sweep has its own time."""

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


def test_every_call_in_progress_is_over_after_its_sweep() -> None:
    """No call is recorded for ever, even if outside parties are still on it."""
    story = running().participant("join", 3_000, leg_sid("x"))
    story.reservation("wrapup", 9_000, "ann").task("transfer-initiated", 9_500)
    call = call_after(story.events)
    assert CallState.ACTIVE == call.state

    [version] = aged(call, T0 + LONGEST_MS).versions

    assert CallState.ENDED == version.state


def test_twilios_answer_about_a_leg_is_one_new_version() -> None:
    """The same answer again changes nothing, so nothing is published."""
    call = call_after(running().events)
    answer = LegFetched(CUSTOMER_LEG, TASK, "+15550100", None, "inbound", None, None, T0 + 9_000)

    first = apply_fetched(call, answer, T0 + 9_000)
    assert first.news is not None
    [leg] = first.news.legs
    assert first.state == first.news
    assert ("+15550100", call.revision + 1) == (leg.facts["from"].value, first.news.revision)
    assert Applied(first.state) == apply_fetched(first.state, answer, T0 + 9_000)


def test_an_event_of_an_unknown_call_finds_no_state() -> None:
    """Nothing is forgotten first."""
    assert Aged(None) == remaining(None, T0)
