"""Events in the usual form of a Twilio account, or in the other."""

import json
from typing import Any

from simulator.cases import hold, inbound_monitored, scripts
from simulator.envelopes import as_written
from simulator.events import Account
from simulator.kinesis import Event, gathered
from simulator.script import EventSent, Json
from simulator.unlike import NONE, Unlike

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)


def _events(*unlike: Unlike, case: Any = inbound_monitored) -> list[Json]:
    (script,) = scripts([case], 1_700_000_000_000, 0, ACCOUNT, 3, unlike=frozenset(unlike))
    return [step.action.event for step in script.steps if isinstance(step.action, EventSent)]


def _parameters(events: list[Json]) -> list[Json]:
    return [e["data"]["request"]["parameters"] for e in events if "request" in e["data"]]


def test_callbacks_both_ways() -> None:
    """Conference callbacks come or do not, with their order or without, with labels or without."""
    usual = _parameters(_events())
    assert any(p.get("ParticipantLabel") == "customer" for p in usual)
    assert all("SequenceNumber" in p for p in usual)
    assert [] == _parameters(_events(Unlike.CONFERENCE_CALLBACKS))
    other = _parameters(_events(Unlike.CALLBACK_ORDER, Unlike.LABELS))
    assert len(usual) == len(other)
    assert not any({"SequenceNumber", "ParticipantLabel"} & p.keys() for p in other)


def _attributes(events: list[Json]) -> list[Json]:
    payloads = [event["data"].get("payload", {}) for event in events]
    return [json.loads(p["task_attributes"]) for p in payloads if "task_attributes" in p]


def test_attributes_both_ways() -> None:
    """The conference is written into the attributes or is not; while the customer is on hold, it
    names another leg or does not."""
    assert any("conference" in attributes for attributes in _attributes(_events()))
    assert not any("conference" in a for a in _attributes(_events(Unlike.CONFERENCE_ATTRIBUTE)))

    def customers(*unlike: Unlike) -> set[str]:
        told = _attributes(_events(*unlike, case=hold))
        return {a["conference"]["participants"]["customer"] for a in told if "conference" in a}

    assert (1, 2) == (len(customers()), len(customers(Unlike.HELD_CUSTOMER)))


def test_events_are_written_both_ways() -> None:
    """Times as text or as epoch seconds, the envelope with or without `time`; in one record one
    event, or all that wait."""
    event = next(event for event in _events() if "payload" in event["data"])
    assert event == as_written(event, NONE)
    other = as_written(event, frozenset({Unlike.EVENT_TIMES, Unlike.EVENT_ENVELOPE}))
    assert not {"time", "datacontenttype"} & other.keys()
    told = {other["data"]["timestamp"], other["data"]["payload"]["timestamp"]}
    assert {1_700_000_000} == {at // 10 * 10 for at in told}
    records = [Event(b'{"id": 1}'), b"no JSON", Event(b'{"id": 2}')]
    assert [b"no JSON", b'[{"id": 1},{"id": 2}]'] == gathered(records)
    assert [b"no JSON"] == gathered([b"no JSON"])
