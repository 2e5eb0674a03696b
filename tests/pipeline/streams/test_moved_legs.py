"""Legs that other conferences have: asked about at once, and again."""

from pipeline.streams.manager import on_record, on_tick
from pipeline.streams.verification import MOVED_LEG
from schemas.records import (
    Call,
    Fact,
    FindConference,
    Leg,
    MediaStreamOpened,
    StopDuplicateStream,
)
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK, call, later, listed
from tests.pipeline.streams.verifying import (
    ACTIVE,
    FOUND,
    T,
    answer,
    found_there,
    questions,
    started,
    verified,
)
from tests.pipeline.streams.world import HISTORY

AT_ONCE_MS = 60_000
MAX_AT_ONCE = 5
OTHER_TASK = "WT" + "d" * 32


def test_another_task_that_names_the_leg_is_asked_about_at_once() -> None:
    """Unless the leg is confirmed already."""
    state = verified(started().state, "unknown", T + 200).state
    other = Leg(CUSTOMER_LEG, {"other_task": Fact(OTHER_TASK, 0, T, "c")}, {})
    version = later(call(ACTIVE), legs=(other,))

    [question] = questions(on_record(TASK, state, version, HISTORY, T + 300))
    assert question.other_task_sids == (OTHER_TASK,)
    confirmed = verified(started().state, "confirmed", T + 200).state
    assert questions(on_record(TASK, confirmed, version, HISTORY, T + 300)) == []


def contested(name: str, **more: object) -> Call:
    """The call with a leg that another task has too: `listed_task` or `other_task`."""
    leg = Leg(CUSTOMER_LEG, {name: Fact(OTHER_TASK, 0, T, "c")}, {})
    return later(call(ACTIVE), legs=(leg,), **more)


def test_what_twilio_shows_of_another_conference_is_asked_about_at_once() -> None:
    """Although the pause after `unknown` has grown; afterwards the pauses begin anew."""
    state, now = started().state, T + 200
    for attempt in range(1, 6):
        state = verified(state, "unknown", now, attempt).state
        assert state is not None
        opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, now)
        state = on_record(TASK, state, opened, HISTORY, now).state
        assert state is not None
        now += 1_000 << (attempt - 1)
        state = on_tick(state, HISTORY, now).state
    state = verified(state, "unknown", now, 6).state

    step = on_record(TASK, state, contested("listed_task"), HISTORY, now + 100)
    [question] = questions(step)
    assert (question.other_task_sids, question.was_confirmed) == ((OTHER_TASK,), False)
    state = verified(step.state, "unknown", now + 200, 7).state
    assert state is not None
    [again] = questions(on_tick(state, HISTORY, now + 1_200))
    assert again.command_id.endswith(":8")


def test_what_comes_into_the_conference_is_asked_about_at_once_but_not_without_end() -> None:
    """An open question sees it; else so many questions at once, and later by their pauses."""
    state, version, asked = started().state, call(ACTIVE), 1
    legs: tuple[Leg, ...] = ()
    for number in range(20):
        state = verified(state, "unknown", T + 200 + number, asked).state
        legs = (*legs, Leg(f"CA{number:032x}", {}, {"joined": T}))
        version = later(version, legs=legs)
        step = on_record(TASK, state, version, HISTORY, T + 200 + number)
        state, asked = step.state, asked + len(questions(step))
        if number == 0:
            more = later(version, legs=(*legs, Leg("CAx", {}, {"joined": T})))
            assert questions(on_record(TASK, state, more, HISTORY, T + 200)) == []
    assert asked == 1 + MAX_AT_ONCE


def test_a_confirmed_leg_that_moved_to_another_call_is_stopped_and_its_recording_kept() -> None:
    """Only what Twilio shows of another conference asks about it again."""
    state = verified(started().state, "confirmed", T + 200).state
    step = on_record(TASK, state, contested("listed_task"), HISTORY, T + 300)
    [question] = questions(step)
    assert question.was_confirmed
    unknown = verified(step.state, "unknown", T + 400, 2).state
    assert unknown is not None
    assert [check.result for check in unknown.legs] == ["confirmed"]
    assert len(questions(on_tick(unknown, HISTORY, T + 1_400))) == 1
    still = verified(step.state, "confirmed", T + 400, 2).state
    assert still is not None
    assert questions(on_tick(still, HISTORY, T + 60_000)) == []

    moved = verified(step.state, "moved", T + 400, 2)
    [stop] = [t for t in moved.outputs if isinstance(t, StopDuplicateStream)]
    assert stop.reason == MOVED_LEG.text


def shown(version: Call, at: int) -> Call:
    """The next version of the call: Twilio showed the leg in the other task's conference then."""
    fact = Fact(OTHER_TASK, 0, at, "c")
    return later(version, legs=(Leg(CUSTOMER_LEG, {"listed_task": fact}, {}),))


def test_a_leg_that_comes_into_the_other_conference_again_is_asked_about_again() -> None:
    """At once, but only so often in a minute; and then as soon as that is over."""
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T + 150)
    state = on_record(TASK, started().state, opened, HISTORY, T + 150).state
    state = verified(state, "confirmed", T + 200).state
    version, asked, now = call(ACTIVE), 0, T + 300
    for _ in range(MAX_AT_ONCE + 3):
        now += 1_000
        version = shown(version, now)
        step = on_record(TASK, state, version, HISTORY, now)
        asked += len(questions(step))
        state = verified(step.state, "confirmed", now, asked + 1).state
    assert asked == MAX_AT_ONCE

    assert state is not None
    assert questions(on_tick(state, HISTORY, T + 1_300 + AT_ONCE_MS - 1)) == []
    [question] = questions(on_tick(state, HISTORY, T + 1_300 + AT_ONCE_MS))
    assert question.was_confirmed


def test_a_leg_that_came_back_is_confirmed_and_may_move_again() -> None:
    """The adapter finds it in the task's conference. The question after it has another id than all
    that were asked before."""
    state = verified(started().state, "confirmed", T + 200).state
    step = on_record(TASK, state, shown(call(ACTIVE), T + 250), HISTORY, T + 300)
    step = verified(step.state, "moved", T + 400, 2)
    [find] = [record for record in step.outputs if isinstance(record, FindConference)]
    step = on_record(TASK, step.state, listed(find, T + 450), HISTORY, T + 450)
    found = answer("start", 2, 1, "done", CUSTOMER_LEG)
    step = on_record(TASK, step.state, found, HISTORY, T + 500)
    assert step.state is not None
    assert [check.result for check in step.state.legs] == ["confirmed"]

    version = shown(later(call(ACTIVE)), T + 600)
    step = on_record(TASK, step.state, version, HISTORY, T + 600)
    [question] = questions(step)
    assert question.command_id.endswith(":3")
    moved = verified(step.state, "moved", T + 700, 3)
    [stop] = [record for record in moved.outputs if isinstance(record, StopDuplicateStream)]
    assert (stop.generation, stop.reason) == (2, MOVED_LEG.text)


def test_an_answer_to_a_start_that_is_over_confirms_nothing() -> None:
    """It comes again after the leg has moved to another call."""
    state = found_there().state
    step = on_record(TASK, state, shown_of(FOUND), HISTORY, T + 300)
    reply = answer("verify", 1, 1, "moved", FOUND)
    state = on_record(TASK, step.state, reply, HISTORY, T + 400).state
    again = on_record(TASK, state, answer("start", 1, 1, "done", FOUND), HISTORY, T + 500).state
    assert again is not None
    assert [check.result for check in again.legs] == ["moved"]


def shown_of(leg: str) -> Call:
    """A later version of the call without a named leg: Twilio showed this leg elsewhere."""
    unnamed = call(ACTIVE, direction="outbound", customer_call_sid=None)
    fact = Fact(OTHER_TASK, 0, T + 250, "c")
    return later(unnamed, legs=(Leg(leg, {"listed_task": fact}, {"joined": T}),))
