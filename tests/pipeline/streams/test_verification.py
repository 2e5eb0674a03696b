"""Whether a streamed leg belongs to the call: asked right after the start, and only a contradiction
ends the media stream."""

from dataclasses import replace
from itertools import pairwise

from pipeline.streams.manager import on_record, on_tick
from pipeline.streams.verification import FOREIGN_LEG, is_unverified
from schemas.records import (
    CallAlias,
    Fact,
    FindConference,
    MediaStreamChanged,
    MediaStreamOpened,
    StartDuplicateStream,
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

MAX_PAUSE_MS = 30_000
UNVERIFIED_MS = 30_000


def test_a_leg_is_streamed_at_once_and_verified_right_after() -> None:
    """The start waits for nothing; the question follows its answer, once."""
    first = on_record(TASK, None, call(ACTIVE), HISTORY, T)
    assert [CUSTOMER_LEG] == [
        t.call_sid for t in first.outputs if isinstance(t, StartDuplicateStream)
    ]
    assert questions(first) == []

    step = started()
    [question] = questions(step)
    assert (question.call_sid, question.generation) == (CUSTOMER_LEG, 1)
    assert CUSTOMER_LEG.lower() not in question.customer_marks

    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T + 150)
    assert questions(on_record(TASK, step.state, opened, HISTORY, T + 150)) == []


def test_a_confirmed_leg_is_not_asked_about_again() -> None:
    """Not by time, not by another media stream on it, not by later events."""
    step = verified(started().state, "confirmed", T + 200)
    after = verified(step.state, "contradicted", T + 300)
    assert after.state is step.state
    assert step.state is not None
    assert questions(on_tick(step.state, HISTORY, T + 60_000)) == []


def test_only_a_contradiction_stops_the_media_stream() -> None:
    """It is stopped in the same step, and the leg is not streamed again: the adapter must find
    another one in the conference, if there is one."""
    step = verified(started().state, "contradicted", T + 200)

    [stop] = [t for t in step.outputs if isinstance(t, StopDuplicateStream)]
    assert (stop.stream_sid, stop.reason) == ("MZ1", FOREIGN_LEG.text)
    assert FOREIGN_LEG.text in [t.reason for t in step.outputs if isinstance(t, MediaStreamChanged)]
    [find] = [t for t in step.outputs if isinstance(t, FindConference)]
    step = on_record(TASK, step.state, listed(find, T + 250), HISTORY, T + 250)
    [start] = [t for t in step.outputs if isinstance(t, StartDuplicateStream)]
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
        assert not any(isinstance(record, StopDuplicateStream) for record in step.outputs)
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
    assert not [t for t in step.outputs if isinstance(t, StartDuplicateStream)]
    assert [t for t in step.outputs if isinstance(t, FindConference)]


def test_a_late_contradiction_of_a_media_stream_that_is_over_is_kept() -> None:
    """Its recording is withheld by it, and the leg is not streamed again."""
    gone = replace(ACTIVE, milestones={**ACTIVE.milestones, "wrapup": T + 150})
    version = later(call(ACTIVE), reservations=(gone,))
    state = on_record(TASK, started().state, version, HISTORY, T + 150).state
    after = verified(state, "contradicted", T + 900).state
    assert after is not None
    assert [check.result for check in after.legs] == ["contradicted"]


def test_what_twilio_lists_in_the_conference_is_written_for_other_tasks() -> None:
    """Each leg with a valid SID, also if the answer changes nothing here."""
    reply = replace(
        answer("verify", 1, 1, "confirmed", CUSTOMER_LEG), listed_call_sids=(FOUND, "junk")
    )
    step = on_record(TASK, started().state, reply, HISTORY, T + 200)
    aliases = [t for t in step.outputs if isinstance(t, CallAlias)]
    assert aliases == [CallAlias(FOUND, TASK, T, listed=True)]


def test_a_leg_about_which_nothing_is_known_is_named_again() -> None:
    """So the task is informed of other tasks that came to be known since it named the leg."""
    for attempt, outcome in enumerate(("unknown", "confirmed", "contradicted"), start=1):
        step = verified(started().state, outcome, T + 200)
        named = [record for record in step.outputs if isinstance(record, CallAlias)]
        is_named = attempt == 1
        assert named == [CallAlias(CUSTOMER_LEG, TASK, T, listed=False)] * is_named


def test_an_answer_about_a_leg_that_was_not_asked_about_changes_nothing() -> None:
    """Nor does one about a leg that belongs to another call, as Twilio said already."""
    asked = started().state
    other = answer("verify", 1, 1, "contradicted", FOUND)
    assert on_record(TASK, asked, other, HISTORY, T + 200).state is asked
    ended = verified(asked, "contradicted", T + 200).state
    assert verified(ended, "confirmed", T + 300).state is ended
