"""Events made of Twilio's lists are read as those of Event Streams."""

import json
from dataclasses import replace

from pipeline.calls.added import is_added
from pipeline.calls.events import delta
from pipeline.calls.merge import folded
from pipeline.calls.view import view
from pipeline.reconciliation.added_events import (
    ADDED_ATTRIBUTE,
    LARGEST_BYTES,
    of_conference,
    of_tasks,
)
from pipeline.reconciliation.rows import ListedEvent, listed_event
from schemas.records import Call, CtiEvent
from schemas.states import CallState
from tests.pipeline.contacts.records import LEG, NOON, TASK
from tests.pipeline.reconciliation.records import CONFERENCE, WR, event_row

NOW = NOON + 3_600_000


def listed(kind: str, at: int, number: int = 1) -> ListedEvent:
    event = listed_event(
        event_row(kind, sid=f"EV{number:032}", event_date_ms=NOON + at, event_date=None)
    )
    assert event is not None
    return event


def test_an_added_event_says_what_the_delivered_one_would() -> None:
    """Reservation, worker, direction, leg and time; and that it was added."""
    (event,) = of_tasks([listed("reservation.accepted", 2_000)], NOW)
    assert is_added(event)
    assert ("taskrouter", TASK) == (json.loads(event.body)[ADDED_ATTRIBUTE], event.task_sid)
    change = delta(event)
    assert isinstance(change, Call)
    (reservation,) = change.reservations
    assert (WR, {"accepted": NOON + 2_000}) == (
        reservation.sid,
        reservation.milestones,
    )
    assert "ann@example.com" == reservation.facts["extension"].value
    assert ("inbound", LEG) == (
        change.facts["direction"].value,
        change.facts["customer_call_sid"].value,
    )


def test_the_same_list_makes_the_same_events() -> None:
    """Their ids do not depend on when they are made."""
    events = [listed("reservation.accepted", 2_000), listed("task.canceled", 9_000, 2)]
    first, again = of_tasks(events, NOW), of_tasks(list(reversed(events)), NOW + 1)
    assert [e.event_id for e in first] == [e.event_id for e in again]
    assert [replace(e, arrived_at=0) for e in first] == [replace(e, arrived_at=0) for e in again]


def test_a_call_that_is_over_never_seems_to_be_in_progress() -> None:
    """The events are in the order in which a call that is over is over with each of them."""
    end = of_conference(TASK, CONFERENCE, NOW)
    assert end is not None
    rest = [
        listed("task.created", 0, 1),
        listed("reservation.created", 1_000, 2),
        listed("reservation.accepted", 2_000, 3),
        listed("reservation.wrapup", 31_900, 4),
        listed("reservation.completed", 40_000, 5),
    ]
    state: Call | None = None
    for event in [end, *of_tasks(rest, NOW)]:
        change = delta(event)
        assert isinstance(change, Call)
        state = folded(state, change, NOW).call
        assert CallState.ACTIVE != state.state
    assert state is not None
    seen = view(state)
    assert (CallState.ENDED, NOON + 32_000) == (seen.state, seen.ended_at)
    assert [NOON + 2_000] == [session.started_at for session in seen.sessions]


def test_events_that_say_nothing_of_a_call_are_left_out() -> None:
    """A conference without a stated end has no end, and an event without a task has no call."""
    assert [] == of_tasks([listed("task-queue.entered", 0)], NOW)
    assert [] == of_tasks([replace(listed("task.canceled", 0), data={})], NOW)
    assert None is of_conference(TASK, replace(CONFERENCE, ended_at=None), NOW)


def test_an_event_that_is_too_large_is_cut_down() -> None:
    """Only what a call needs of it is kept."""
    data = event_row()["event_data"]
    data["task_attributes"] = json.dumps(
        {"call_sid": LEG, "direction": "inbound", "x": "y" * 10**6}
    )
    event = listed_event(event_row(event_data=data))
    assert event is not None
    made: list[CtiEvent] = of_tasks([event], NOW)
    assert len(made[0].body) < LARGEST_BYTES
    change = delta(made[0])
    assert isinstance(change, Call)
    assert "inbound" == change.facts["direction"].value


def test_an_event_of_900_000_bytes_stays_whole() -> None:
    """A larger one is cut down."""

    def made(text: str) -> CtiEvent:
        event = listed("task.canceled", 0)
        return of_tasks([replace(event, data={**event.data, "x": text})], NOW)[0]

    room = 900_000 - len(made("").body)
    assert 900_000 == len(made("y" * room).body)
    assert 10_000 > len(made("y" * (room + 1)).body)
