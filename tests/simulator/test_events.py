"""CloudEvents in the form of Twilio Event Streams."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import events
from simulator.events import Account
from simulator.script import Json, Sids
from tests.examples import examples

ACCOUNT = Account("AC1", "WS1")
AT = 1_700_000_000_123
TIMES = st.integers(0, 4_000_000_000_000)
VOICE = "com.twilio.voice.status-callback."


def sids() -> Sids:
    """A source of SIDs."""
    return Sids(Random(1))


@given(TIMES)
def test_times_can_be_read_back(at: int) -> None:
    """ISO 8601 is exact to the millisecond, RFC 2822 to the second, both in UTC."""
    text = events.iso(at)
    assert (24, "Z") == (len(text), text[-1])
    exact = datetime.fromisoformat(text)
    assert (at, UTC) == (round(exact.timestamp() * 1000), exact.tzinfo)
    assert at // 1000 == parsedate_to_datetime(events.rfc2822(at)).timestamp()


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers()))
@settings(max_examples=examples(30))
def test_attributes_are_json_without_blanks(attributes: Json) -> None:
    """The text is compact, and gives the attributes back."""
    text = events.attributes_text(attributes)
    assert attributes == json.loads(text)
    assert '{"a":1,"b":[2]}' == events.attributes_text({"a": 1, "b": [2]})


def test_a_taskrouter_event_names_itself_and_its_workspace() -> None:
    """In the envelope, in the data and in the payload; what the caller gives comes last."""
    more = {"task_sid": "WT1", "eventtype": "other"}
    event = events.taskrouter_event(ACCOUNT, sids(), "reservation.accepted", AT, more)
    assert "com.twilio.taskrouter.reservation.accepted" == event["type"]
    assert "/v1/Workspaces/WS1/reservation" == event["source"]
    schema = "https://events-schemas.twilio.com/taskrouter.reservation.accepted/1"
    assert (schema, "1.0", events.iso(AT)) == (
        event["dataschema"], event["specversion"], event["time"],
    )  # fmt: skip
    data = event["data"]
    assert ("reservation.accepted", "reservation", "AC1") == (
        data["name"], data["group"], data["account_sid"],
    )  # fmt: skip
    assert more | {"timestamp": events.iso(AT), "workspace_sid": "WS1"} == data["payload"]
    assert ("EV", "EZ") == (data["sid"][:2], event["id"][:2])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("participant-join", "conference.participant.updated"),
        ("participant-hold", "conference.participant.updated"),
        ("conference-end", "conference.updated"),
    ],
)
def test_a_conference_callback_is_of_the_conference_or_a_participant(name: str, kind: str) -> None:
    """Its parameters are those of the classic callback."""
    event = events.conference_event(ACCOUNT, sids(), name, AT, {"CallSid": "CA1"})
    assert (VOICE + kind, "/2010-04-01/Accounts/AC1/conference") == (event["type"], event["source"])
    parameters = event["data"]["request"]["parameters"]
    assert {
        "AccountSid": "AC1",
        "Timestamp": events.rfc2822(AT),
        "StatusCallbackEvent": name,
        "CallSid": "CA1",
    } == parameters


def test_a_call_callback_has_no_name_of_its_own() -> None:
    """Only the event's type has it."""
    event = events.call_event(ACCOUNT, sids(), "answered", AT, {"CallSid": "CA1"})
    assert (VOICE + "call.answered", "/2010-04-01/Accounts/AC1/call") == (
        event["type"], event["source"],
    )  # fmt: skip
    parameters = event["data"]["request"]["parameters"]
    assert {"AccountSid", "Timestamp", "CallSid"} == parameters.keys()


def test_a_test_event_has_a_test_id() -> None:
    """Each its own."""
    source = sids()
    one, other = (events.test_event(source, AT) for _ in range(2))
    assert "com.twilio.eventstreams.test-event" == one["type"]
    assert 2 == len({one["data"]["test_id"], other["data"]["test_id"]})
    assert 2 == len({one["id"], other["id"]})
