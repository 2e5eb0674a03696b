"""The rows of Twilio's lists, and rows of odd forms."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reconciliation.rows import (
    accepted_reservation,
    ended_conference,
    listed_event,
    twilio_recording,
)
from tests.pipeline.contacts.records import LEG, NOON, TASK
from tests.pipeline.reconciliation.records import (
    ACCEPTED,
    CF,
    EV,
    RE,
    RECORDING,
    WR,
    event_row,
)


def test_an_event_names_its_task_and_time() -> None:
    """Its data may be an object or JSON in text."""
    row = event_row()
    for data in (row["event_data"], json.dumps(row["event_data"])):
        event = listed_event({**row, "event_data": data})
        assert event is not None
        assert (EV, "reservation.accepted", NOON + 2_000, TASK, "voice") == (
            event.event_sid,
            event.event_type,
            event.at,
            event.task_sid,
            event.channel,
        )
        assert ACCEPTED == accepted_reservation(event)


def test_the_resource_names_a_reservation_that_the_data_does_not() -> None:
    """Data may be redacted."""
    event = listed_event(event_row(event_data={"task_sid": TASK}))
    assert event is not None
    found = accepted_reservation(event)
    assert found is not None
    assert (WR, None, None) == (found.reservation_sid, found.worker_sid, found.worker_name)


@pytest.mark.parametrize(
    "changes",
    [
        {"event_data": "{"},
        {"event_data": None},
        {"event_data": {"task_sid": "WT1"}},
        {"sid": None},
        {"event_type": 7},
        {"event_date": "soon", "event_date_ms": None},
    ],
)
def test_an_event_without_task_or_time_is_none(changes: dict[str, Any]) -> None:
    """It cannot be compared with anything."""
    assert None is listed_event(event_row(**changes))


def test_a_sid_or_type_has_at_most_100_characters() -> None:
    """A longer one counts as absent."""
    for name in ("sid", "event_type"):
        assert None is not listed_event(event_row(**{name: "e" * 100}))
        assert None is listed_event(event_row(**{name: "e" * 101}))


def test_whole_seconds_count_if_there_is_no_finer_time() -> None:
    """`event_date` is exact to the second."""
    event = listed_event(event_row(event_date_ms=None))
    assert event is not None
    assert 0 == event.at % 1000


def test_a_conference_that_is_over_belongs_to_the_task_it_is_named_after() -> None:
    """One in progress, or with another name, is none."""
    row = {
        "sid": CF,
        "friendly_name": TASK,
        "status": "completed",
        "date_created": "Thu, 28 May 2026 20:26:42 +0000",
        "date_updated": "Thu, 28 May 2026 20:27:12 +0000",
    }
    found = ended_conference(row)
    assert found is not None
    assert TASK == found[0]
    assert 30_000 == (found[1].ended_at or 0) - (found[1].started_at or 0)
    assert None is ended_conference({**row, "status": "in-progress"})
    assert None is ended_conference({**row, "friendly_name": "daily meeting"})


def test_a_recording_states_its_length_as_text() -> None:
    """Junk counts as absent, and never as an error."""
    row = {
        "sid": RE,
        "call_sid": LEG,
        "conference_sid": CF,
        "status": "completed",
        "duration": "30",
        "channels": 2,
        "start_time": NOON + 2_000,
    }
    assert RECORDING == twilio_recording(row)
    odd = twilio_recording({**row, "duration": "-1", "channels": "many", "start_time": "soon"})
    assert odd is not None
    assert (None, 0, None) == (odd.duration_ms, odd.channels, odd.started_at)
    assert None is twilio_recording({"sid": "RE1"})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["sid", "event_type", "event_data", "event_date", "event_date_ms", "resource_sid", "status",
     "friendly_name", "duration", "channels", "start_time", "date_created"]
)  # fmt: skip


@given(st.dictionaries(_NAMES, _JSON))
def test_no_row_raises(changes: dict[str, Any]) -> None:
    """Whatever Twilio, or an imitation of it, answers."""
    for row in (changes, {**event_row(), **changes}, {"sid": RE, **changes}):
        event = listed_event(row)
        if event is not None:
            accepted_reservation(event)
        ended_conference(row)
        twilio_recording(row)
