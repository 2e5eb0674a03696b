"""Events of calls that are over, forgotten or unknown."""

import pytest

from pipeline.calls.lifetime import Aged, Applied, TooLate, aged, apply_event, remaining, wakes_at
from schemas.records import Call, ForgottenCall
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story, inbound
from tests.pipeline.calls.kept_calls import HOUR, call_after, late, over

FORGOTTEN_AFTER_MS = 4 * 60 * 60 * 1000
LONGEST_MS = 24 * 60 * 60 * 1000


def test_an_event_of_a_call_without_a_reservation_keeps_it_a_day() -> None:
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
    found = apply_event(left.state, created, due)
    assert isinstance(found, TooLate)
    assert "dropped at 2026-09-21T18:13:25.050Z" in found.detail


def test_before_that_an_event_of_an_ended_call_is_taken_in() -> None:
    """And keeps it four hours more."""
    story = inbound().task("canceled", 5_000).task("updated", 4_000)
    call, updated = over(), story.events[-1]
    now = wakes_at(call) - 1

    found = apply_event(remaining(call, now).state, updated, now)

    assert isinstance(found, Applied)
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
    """An event that begins a call opens it however late it is; a later event of a call only within
    4 hours, and only if the call cannot have been forgotten together with its mark."""
    [event] = story.events
    found = apply_event(None, late(event, by - 50), 0)
    assert opens == isinstance(found, Applied)
    assert opens != isinstance(found, TooLate)


def test_a_chat_that_was_forgotten_says_nothing() -> None:
    """Chats last for days; their events are no dead letters."""
    [updated] = Story().task("updated", 0, task_channel_unique_name="chat").events
    mark = ForgottenCall(TASK, None, T0)
    assert Applied(mark) == apply_event(mark, updated, T0)
