"""Whether a streamed leg belongs to the call: asked right after the start, and only a contradiction
ends the media stream."""

from dataclasses import replace
from itertools import pairwise

from pipeline.streams.manager import Next, on_record, on_tick
from pipeline.streams.verification import (
    AT_ONCE_MS,
    FOREIGN_LEG,
    MAX_AT_ONCE,
    MAX_PAUSE_MS,
    MOVED_LEG,
    UNVERIFIED_MS,
    is_unverified,
)
from schemas.records import (
    Call,
    CallAlias,
    CallStreams,
    CommandAnswered,
    Fact,
    FindConference,
    Leg,
    MediaStreamChanged,
    MediaStreamOpened,
    StartDuplicateStream,
    StopDuplicateStream,
    VerifyLeg,
)
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, later, listed, reservation
from tests.pipeline.streams.world import HISTORY

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)
OTHER_TASK = "WT" + "d" * 32
FOUND = "CA" + "f" * 32


def started(version: Call | None = None, leg: str = CUSTOMER_LEG) -> Next:
    """A call whose start Twilio has answered, on that leg."""
    first = on_record(TASK, None, version or call(ACTIVE), HISTORY, T)
    return on_record(TASK, first.state, answer("start", 1, 1, "done", leg), HISTORY, T + 100)


def found_there() -> Next:
    """A call without a named leg: the adapter found one in the task's conference."""
    unnamed = call(ACTIVE, direction="outbound", customer_call_sid=None)
    first = on_record(TASK, None, unnamed, HISTORY, T)
    [find] = [told for told in first.told if isinstance(told, FindConference)]
    state = on_record(TASK, first.state, listed(find, T + 50), HISTORY, T + 50).state
    return on_record(TASK, state, answer("start", 1, 1, "done", FOUND), HISTORY, T + 100)


def answer(what: str, generation: int, attempt: int, outcome: str, leg: str) -> CommandAnswered:
    """The adapter's answer to a start, or to a question about a leg."""
    name = f"{TASK}:{generation}" if what == "start" else f"{TASK}:{leg}"
    sid = f"MZ{generation}" if what == "start" else None
    return CommandAnswered(
        f"{what}:{name}:{attempt}", TASK, generation, what, outcome, leg, sid, None, None, "", 1, T
    )


def verified(state: CallStreams | None, outcome: str, now: int, attempt: int = 1) -> Next:
    """The state after the answer to the question about the customer's leg."""
    told = answer("verify", 1, attempt, outcome, CUSTOMER_LEG)
    return on_record(TASK, state, told, HISTORY, now)


def questions(step: Next) -> list[VerifyLeg]:
    """What the step asks."""
    return [told for told in step.told if isinstance(told, VerifyLeg)]


def test_a_leg_is_streamed_at_once_and_verified_right_after() -> None:
    """The start waits for nothing; the question follows its answer, once."""
    first = on_record(TASK, None, call(ACTIVE), HISTORY, T)
    assert [CUSTOMER_LEG] == [t.call_sid for t in first.told if isinstance(t, StartDuplicateStream)]
    assert questions(first) == []

    step = started()
    [question] = questions(step)
    assert (question.call_sid, question.generation) == (CUSTOMER_LEG, 1)
    assert CUSTOMER_LEG.lower() not in question.customer_marks

    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T + 150)
    assert questions(on_record(TASK, step.state, opened, HISTORY, T + 150)) == []


def test_a_confirmed_leg_is_not_asked_about_again() -> None:
    """Not by time, not by another media stream on it, not by what comes after."""
    step = verified(started().state, "confirmed", T + 200)
    after = verified(step.state, "contradicted", T + 300)
    assert after.state is step.state
    assert step.state is not None
    assert questions(on_tick(step.state, HISTORY, T + 60_000)) == []


def test_only_a_contradiction_stops_the_media_stream() -> None:
    """It is stopped in the same step, and the leg is not streamed again: the adapter must find
    another one in the conference, if there is one."""
    step = verified(started().state, "contradicted", T + 200)

    [stop] = [t for t in step.told if isinstance(t, StopDuplicateStream)]
    assert (stop.stream_sid, stop.reason) == ("MZ1", FOREIGN_LEG.text)
    assert FOREIGN_LEG.text in [t.reason for t in step.told if isinstance(t, MediaStreamChanged)]
    [find] = [t for t in step.told if isinstance(t, FindConference)]
    step = on_record(TASK, step.state, listed(find, T + 250), HISTORY, T + 250)
    [start] = [t for t in step.told if isinstance(t, StartDuplicateStream)]
    assert (start.generation, start.call_sid) == (2, None)
    assert CUSTOMER_LEG.lower() not in start.customer_marks


def test_unknown_is_asked_again_ever_more_slowly_and_stops_nothing() -> None:
    """After 1, 2, 4, ... seconds, at most 30; after 30 s it is reported."""
    state, now, attempt = started().state, T + 200, 1
    asked: list[int] = []
    while now < T + 200_000:
        step = verified(state, "unknown", now, attempt)
        state = step.state
        assert state is not None
        while not (found := questions(step := on_tick(state, HISTORY, now := now + 500))):
            state = step.state or state
            opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, now)
            state = on_record(TASK, state, opened, HISTORY, now).state or state
        state, attempt = step.state, attempt + 1
        assert not any(isinstance(told, StopDuplicateStream) for told in step.told)
        assert found[0].command_id.endswith(f":{attempt}")
        asked.append(now)
    assert state is not None
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[:4] == [2_000, 4_000, 8_000, 16_000]
    assert max(pauses) == MAX_PAUSE_MS
    assert [is_unverified(state, T + 100 + at) for at in (0, UNVERIFIED_MS)] == [False, True]


def test_a_question_without_an_answer_is_asked_again() -> None:
    """The command, or the answer, was lost."""
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T + 150)
    state = on_record(TASK, started().state, opened, HISTORY, T + 150).state
    assert state is not None
    assert questions(on_tick(state, HISTORY, T + 6_000)) == []
    [again] = questions(on_tick(state, HISTORY, T + 6_100))
    assert again.command_id.endswith(":2")


def test_a_leg_that_the_adapter_found_in_the_conference_is_confirmed() -> None:
    """Nothing more is asked."""
    step = found_there()
    assert questions(step) == []
    assert step.state is not None
    assert [(c.call_sid, c.result) for c in step.state.legs] == [(FOUND, "confirmed")]


def test_a_leg_that_attributes_named_late_is_looked_up_before_it_is_streamed() -> None:
    """It may be any leg of the account."""
    named = call(ACTIVE, direction="outbound", customer_call_sid=None)
    late = {**named.facts, "customer_call_sid": Fact(FOUND, 0, T + 5_000, "e")}
    step = on_record(TASK, None, later(named, facts=late), HISTORY, T + 5_000)
    assert not [t for t in step.told if isinstance(t, StartDuplicateStream)]
    assert [t for t in step.told if isinstance(t, FindConference)]


def test_another_task_that_names_the_leg_is_asked_about_at_once() -> None:
    """Unless the leg is confirmed already."""
    state = verified(started().state, "unknown", T + 200).state
    other = Leg(CUSTOMER_LEG, {"other_task": Fact(OTHER_TASK, 0, T, "c")}, {})
    version = later(call(ACTIVE), legs=(other,))

    [question] = questions(on_record(TASK, state, version, HISTORY, T + 300))
    assert question.other_task_sids == (OTHER_TASK,)
    confirmed = verified(started().state, "confirmed", T + 200).state
    assert questions(on_record(TASK, confirmed, version, HISTORY, T + 300)) == []


def test_a_late_contradiction_of_a_media_stream_that_is_over_is_kept() -> None:
    """Its recording is withheld by it, and the leg is not streamed again."""
    gone = replace(ACTIVE, milestones={**ACTIVE.milestones, "wrapup": T + 150})
    version = later(call(ACTIVE), reservations=(gone,))
    state = on_record(TASK, started().state, version, HISTORY, T + 150).state
    after = verified(state, "contradicted", T + 900).state
    assert after is not None
    assert [check.result for check in after.legs] == ["contradicted"]


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
    [stop] = [t for t in moved.told if isinstance(t, StopDuplicateStream)]
    assert stop.reason == MOVED_LEG.text


def test_what_twilio_lists_in_the_conference_is_written_for_other_tasks() -> None:
    """Each leg with a valid SID, also if the answer changes nothing here."""
    told = replace(
        answer("verify", 1, 1, "confirmed", CUSTOMER_LEG), listed_call_sids=(FOUND, "junk")
    )
    step = on_record(TASK, started().state, told, HISTORY, T + 200)
    aliases = [t for t in step.told if isinstance(t, CallAlias)]
    assert aliases == [CallAlias(FOUND, TASK, T, listed=True)]


def test_a_leg_about_which_nothing_is_known_is_named_again() -> None:
    """So the task is informed of other tasks that came to be known since it named the leg."""
    for attempt, outcome in enumerate(("unknown", "confirmed", "contradicted"), start=1):
        step = verified(started().state, outcome, T + 200)
        named = [told for told in step.told if isinstance(told, CallAlias)]
        is_named = attempt == 1
        assert named == [CallAlias(CUSTOMER_LEG, TASK, T, listed=False)] * is_named


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
    [find] = [told for told in step.told if isinstance(told, FindConference)]
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
    [stop] = [told for told in moved.told if isinstance(told, StopDuplicateStream)]
    assert (stop.generation, stop.reason) == (2, MOVED_LEG.text)


def test_an_answer_to_a_start_that_is_over_confirms_nothing() -> None:
    """It comes again after the leg has moved to another call."""
    state = found_there().state
    step = on_record(TASK, state, shown_of(FOUND), HISTORY, T + 300)
    told = answer("verify", 1, 1, "moved", FOUND)
    state = on_record(TASK, step.state, told, HISTORY, T + 400).state
    again = on_record(TASK, state, answer("start", 1, 1, "done", FOUND), HISTORY, T + 500).state
    assert again is not None
    assert [check.result for check in again.legs] == ["moved"]


def shown_of(leg: str) -> Call:
    """A later version of the call without a named leg: Twilio showed this leg elsewhere."""
    unnamed = call(ACTIVE, direction="outbound", customer_call_sid=None)
    fact = Fact(OTHER_TASK, 0, T + 250, "c")
    return later(unnamed, legs=(Leg(leg, {"listed_task": fact}, {"joined": T}),))
