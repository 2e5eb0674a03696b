"""The participants of a conference, and whether an outbound call was answered."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.events import delta
from pipeline.calls.merge import folded
from pipeline.contacts.contact import contact
from pipeline.contacts.state import empty, fold
from pipeline.reconciliation.added_events import of_tasks
from pipeline.reconciliation.participants import (
    ConferenceParticipant,
    is_unanswered,
    joined_events,
    participant,
    with_participants,
)
from pipeline.reconciliation.rows import ListedEvent, listed_event
from pipeline.times import rfc3339
from schemas.records import Call, Contact, CtiEvent
from tests.pipeline.contacts.records import HISTORY, LEG, NOON, TASK
from tests.pipeline.reconciliation.records import CF, CONFERENCE, event_row

NOW = NOON + 3_600_000
AGENT_LEG, CUSTOMER = "CA" + "d" * 32, "+15555092562"
ATTRIBUTES = f'{{"direction": "outbound", "outbound_to": "{CUSTOMER}"}}'


def listed(kind: str, at: int, number: int, attributes: str = ATTRIBUTES) -> ListedEvent:
    row = event_row(kind, sid=f"EV{number:032}", event_date_ms=NOON + at, event_date=None)
    row["event_data"] |= {
        "task_attributes": attributes,
        "worker_attributes": '{"email": "ann@example.com", "contact_uri": "client:ann"}',
    }
    event = listed_event(row)
    assert event is not None
    return event


def events(attributes: str = ATTRIBUTES) -> list[CtiEvent]:
    """The events of an outbound call in TaskRouter's list: none of them shows an answer."""
    kinds = {
        "task.created": 0,
        "reservation.created": 1_000,
        "reservation.accepted": 2_000,
        "reservation.wrapup": 32_100,
        "task.completed": 40_000,
    }
    rows = [listed(kind, at, n, attributes) for n, (kind, at) in enumerate(kinds.items())]
    return of_tasks(rows, NOW)


def row(call_sid: str, joined: int, left: int | None = None, **changes: Any) -> dict[str, Any]:
    """A row of Conference Insights. Times in ms after noon."""
    return {
        "call_sid": call_sid,
        "join_time": rfc3339(NOON + joined),
        "leave_time": None if left is None else rfc3339(NOON + left),
        "call_status": "completed",
    } | changes


def read(*rows: dict[str, Any]) -> list[ConferenceParticipant]:
    return [found for found in map(participant, rows) if found is not None]


AGENT = row(AGENT_LEG, 2_000, 32_000)
CALLED = row(LEG, 8_000, 32_000)


def contact_of(events: Iterable[CtiEvent]) -> Contact:
    """The contact that the events make."""
    call: Call | None = None
    for event in events:
        change = delta(event)
        assert isinstance(change, Call)
        call = folded(call, change, NOW).call
    assert call is not None
    made = contact(fold(empty(TASK), call, NOW), HISTORY, NOW)
    assert made is not None
    return made


@pytest.mark.parametrize(
    "ends",
    [
        ({}, {}),
        (
            {"from": "+15550001000", "to": "client:ann", "call_direction": "outbound"},
            {"from": "+15550001000", "to": CUSTOMER, "call_direction": "outbound"},
        ),
    ],
    ids=["without ends", "with ends"],
)
def test_an_answered_call_is_required_though_no_event_shows_the_answer(
    ends: tuple[dict[str, str], dict[str, str]],
) -> None:
    """Without callbacks, only the list of participants shows that the called party was there. The
    time before the answer is not required."""
    assert is_unanswered(events())
    assert ("not-required", "unanswered") == (
        contact_of(events()).capture,
        contact_of(events()).outcome,
    )
    joined = joined_events(TASK, CONFERENCE, read(AGENT | ends[0], CALLED | ends[1]), NOW)
    made = contact_of([*joined, *events()])
    assert ("missing", "answered") == (made.capture, made.outcome)
    assert [(NOON + 8_000, NOON + 32_000)] == [(s.started_at, s.ended_at) for s in made.required]
    assert not is_unanswered([*joined, *events()])


def test_a_call_that_only_rang_stays_not_required() -> None:
    """The agent was alone, also if a supervisor listened in, or Twilio lists the called leg with
    the result of the attempt."""
    supervisor = row("CA" + "e" * 32, 3_000, 9_000, is_coach=True)
    for status in ("busy", "noanswer", "no-answer", "failed", "canceled"):
        rang = row(LEG, 8_000, 20_000, call_status=status)
        assert [] == joined_events(TASK, CONFERENCE, read(AGENT, supervisor, rang), NOW)
    assert [] == joined_events(TASK, CONFERENCE, read(AGENT, row(LEG, 0, join_time=None)), NOW)


def test_a_second_agent_is_no_answer() -> None:
    """Its leg is at a Flex client, so the customer is not on it."""
    ends = {"from": CUSTOMER, "call_direction": "outbound"}
    agents = read(AGENT | ends | {"to": "client:ann"}, CALLED | ends | {"to": "client:bob"})
    joined = joined_events(TASK, CONFERENCE, agents, NOW)
    assert "not-required" == contact_of([*joined, *events()]).capture
    assert is_unanswered([*joined, *events()])


def test_only_outbound_calls_can_seem_unanswered() -> None:
    """The customer of an inbound call is there before any agent. Without events nothing is
    known."""
    assert not is_unanswered(events('{"direction": "inbound", "call_sid": "' + LEG + '"}'))
    assert not is_unanswered([])


@given(st.permutations([*joined_events(TASK, CONFERENCE, read(AGENT, CALLED), NOW), *events()]))
def test_the_order_of_the_events_does_not_matter(found: list[CtiEvent]) -> None:
    """The state of a call is a function of the set of its events."""
    made = contact_of(found)
    assert [(NOON + 8_000, NOON + 32_000)] == [(s.started_at, s.ended_at) for s in made.required]


def test_the_same_list_makes_the_same_events() -> None:
    """Whenever they are made. A call that is over never seems to be in progress: its end is first,
    and each leg leaves before it joins."""
    first = joined_events(TASK, CONFERENCE, read(AGENT, CALLED), NOW)
    again = joined_events(TASK, CONFERENCE, read(CALLED, AGENT), NOW + 1)
    assert [replace(e, arrived_at=0) for e in first] == [replace(e, arrived_at=0) for e in again]
    ids = [f"{CF}-{leg}-participant-leave" for leg in (LEG, AGENT_LEG)]
    ids += [f"{CF}-{leg}-participant-join" for leg in (LEG, AGENT_LEG)]
    assert [f"{CF}-conference-end", *ids] == [e.event_id for e in first]
    assert {TASK} == {e.task_sid for e in first}


def test_a_conference_has_the_legs_of_its_participants() -> None:
    """Each once, also those that did not join."""
    found = with_participants(CONFERENCE, read(CALLED, AGENT, CALLED, row("CA1", 0)))
    assert (LEG, AGENT_LEG) == found.call_sids


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("client:ann")
_NAMES = st.sampled_from(
    ["call_sid", "join_time", "leave_time", "call_status", "is_coach", "label", "from", "to"]
)


@given(st.dictionaries(_NAMES, _VALUES))
def test_no_row_raises(changes: dict[str, Any]) -> None:
    """Whatever Twilio, or an imitation of it, answers."""
    for odd in (changes, CALLED | changes):
        joined_events(TASK, CONFERENCE, read(AGENT, odd), NOW)


def test_a_long_text_is_cut_down() -> None:
    """To 500 characters."""
    (whole,) = read(row(LEG, 0, to="y" * 500))
    (cut,) = read(row(LEG, 0, to="y" * 501))
    assert "y" * 500 == whole.parameters["To"] == cut.parameters["To"]
