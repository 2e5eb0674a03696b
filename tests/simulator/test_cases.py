"""Every case's script is consistent in itself, for any seed."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import CASES, PLAIN, Case, scripts
from simulator.events import Account
from simulator.script import EventSent, Json, LegBegan, LegChanged, LegStatus, Script
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
SEEDS = st.integers(0, 2**63)


def _script(case: Case, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


def _events(script: Script) -> list[Json]:
    return [step.action.event for step in script.steps if isinstance(step.action, EventSent)]


def _payloads(script: Script, name: str) -> list[Json]:
    kind = "com.twilio.taskrouter." + name
    return [e["data"]["payload"] for e in _events(script) if e["type"] == kind]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@given(seed=SEEDS)
@settings(max_examples=examples(15))
def test_script_is_consistent(case: Case, seed: int) -> None:
    """Steps are in order of time, legs that begin end, and recordings lie within the call."""
    script = _script(case, seed)
    times = [step.at for step in script.steps]
    assert sorted(times) == times
    assert BEGIN == script.begins_at
    began = {s.action.call_sid for s in script.steps if isinstance(s.action, LegBegan)}
    ended = {
        step.action.call_sid
        for step in script.steps
        if isinstance(step.action, LegChanged)
        and step.action.status in (LegStatus.COMPLETED, LegStatus.NO_ANSWER)
    }
    assert began == ended == set(script.legs)
    for recording in script.expectation.recordings:
        assert script.begins_at < recording.begins_at < recording.ends_at <= script.ends_at


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_events_have_twilios_shape(case: Case) -> None:
    """Ids are unique; TaskRouter's payloads name the task and carry attributes as JSON text."""
    events = _events(_script(case))
    assert 1 == max(Counter(event["id"] for event in events).values())
    for event in events:
        assert {"specversion", "type", "source", "id", "time", "data"} <= event.keys()
        payload = event["data"].get("payload", {})
        if "task_sid" in payload:
            assert isinstance(json.loads(payload["task_attributes"]), dict)
        if "reservation_sid" in payload:
            assert "@" in json.loads(payload["worker_attributes"])["email"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_sessions_are_the_reservations(case: Case) -> None:
    """Each reservation that was created is an expected session; those accepted have a start."""
    script = _script(case)
    created = [p["reservation_sid"] for p in _payloads(script, "reservation.created")]
    accepted = [p["reservation_sid"] for p in _payloads(script, "reservation.accepted")]
    sessions = script.expectation.sessions
    assert created == [session.reservation_sid for session in sessions]
    assert set(accepted) == {s.reservation_sid for s in sessions if s.started_at is not None}


def test_outbound_calls_do_not_name_their_leg() -> None:
    """No TaskRouter event of a plain outbound call has the customer's call SID."""
    for case in PLAIN:
        script = _script(case)
        if script.expectation.direction == "outbound":
            events = [e for e in _events(script) if "payload" in e["data"]]
            assert str(script.customer_call_sid) not in json.dumps(events)


def test_same_seed_same_calls() -> None:
    """A run can be repeated by its seed, and another seed has other SIDs."""
    first, again, other = (scripts(CASES, BEGIN, 500, ACCOUNT, seed) for seed in (7, 7, 8))
    assert first == again
    assert not {s.task_sid for s in first} & {s.task_sid for s in other}
