"""The steps of a call as they are visible at Twilio."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from simulator.audio import Voice
from simulator.cases import hold, inbound_monitored, scripts
from simulator.events import Account, iso
from simulator.part import WRAP_UP_MS, Part
from simulator.people import ANN
from simulator.script import (
    ConferenceBegan,
    ConferenceEnded,
    DialledEnds,
    EventSent,
    Expectation,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    Line,
    ParticipantJoined,
    ParticipantLeft,
)
from simulator.stage import Stage
from simulator.unlike import Unlike

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
ENDS = DialledEnds("+1", "+2")
BEGIN = 1_700_000_000_000


def stage(*unlike: Unlike, seed: int = 1) -> Stage:
    """The stage of a call that begins."""
    return Stage(BEGIN, ACCOUNT, Random(seed), frozenset(unlike))


def part() -> Part:
    """Ann's part of a call."""
    return Part(ANN, "WR1", "WK1", "Support", "CA9", monitored=True)


def actions(found: Stage) -> list[Any]:
    """The actions so far, without events."""
    return [s.action for s in found.steps if not isinstance(s.action, EventSent)]


def sent(found: Stage) -> list[Json]:
    """The events so far."""
    return [s.action.event for s in found.steps if isinstance(s.action, EventSent)]


def parameters(events: list[Json]) -> list[Json]:
    """The parameters of the callbacks among the events."""
    return [e["data"]["request"]["parameters"] for e in events if "request" in e["data"]]


def payloads(events: list[Json]) -> list[Json]:
    """The payloads of TaskRouter's events."""
    return [e["data"]["payload"] for e in events if "payload" in e["data"]]


def test_a_worker_has_one_sid() -> None:
    """In every call of the account, however the address is written; in another account another."""
    one, other = stage(), stage(seed=2)
    assert one.worker_sid(ANN) == other.worker_sid(ANN)
    assert one.worker_sid(ANN) == one.worker_sid(replace(ANN, email=ANN.email.upper()))
    assert (34, "WK") == (len(one.worker_sid(ANN)), one.worker_sid(ANN)[:2])
    elsewhere = Stage(BEGIN, Account("AC2", "WS2"), Random(1))
    assert one.worker_sid(ANN) != elsewhere.worker_sid(ANN)


def test_what_happens_later_does_not_move_the_cursor() -> None:
    """Its steps have the later time, and the script has all in order of time."""
    found = stage()
    found.later(500, found.chatter)
    call_sid = found.leg(LegStatus.RINGING, ENDS)
    assert BEGIN == found.now
    expected = Expectation("inbound", None, "", "answered", (), ())
    script = found.script("case", "title", None, Line(), expected)
    assert [BEGIN, BEGIN + 500] == [step.at for step in script.steps]
    assert (call_sid,) == script.legs
    assert (BEGIN, BEGIN) == (script.begins_at, script.ends_at)


def test_a_leg_ends_once() -> None:
    """It is open until then."""
    found = stage()
    call_sid = found.leg(LegStatus.IN_PROGRESS, ENDS, "CA1")
    assert ("CA1", ["CA1"]) == (call_sid, found.open_legs)
    found.end_leg("CA1", LegStatus.NO_ANSWER)
    assert ([], ["CA1"]) == (found.open_legs, found.legs)
    with pytest.raises(ValueError, match="not in list"):
        found.end_leg("CA1")
    assert [
        LegBegan("CA1", LegStatus.IN_PROGRESS, ENDS), LegChanged("CA1", LegStatus.NO_ANSWER),
    ] == actions(found)  # fmt: skip


def test_the_conference_begins_with_its_first_participant() -> None:
    """And ends only if it has begun; its name is the task's SID."""
    found = stage()
    found.end_conference()
    assert [] == found.steps
    found.join("CA1", "customer", Voice.CUSTOMER)
    found.join("CA2", None, Voice.AGENT)
    found.end_conference()
    sid = found.conference_sid
    assert [
        ConferenceBegan(sid, found.task_sid),
        ParticipantJoined(sid, "CA1", "customer", Voice.CUSTOMER),
        ParticipantJoined(sid, "CA2", None, Voice.AGENT),
        ConferenceEnded(sid),
    ] == actions(found)
    names = [each["StatusCallbackEvent"] for each in parameters(sent(found))]
    assert ["participant-join", "participant-join", "conference-end"] == names


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {"Muted": "false", "Coaching": "false"}),
        ({"muted": True}, {"Muted": "true", "Coaching": "false"}),
        ({"coaching": {"Coaching": "true"}}, {"Muted": "false", "Coaching": "true"}),
    ],
)
def test_a_callback_has_the_flags_of_a_participant(flags: Any, expected: Json) -> None:
    """The conference lists them too; a participant that joins silently has no callback."""
    found = stage()
    found.join("CA1", "me", Voice.AGENT, **flags)
    joined = actions(found)[-1]
    assert ("coaching" in flags, "muted" in flags) == (joined.coaching, joined.muted)
    (callback,) = parameters(sent(found))
    shown = {"ParticipantLabel": "me", "Hold": "false", "CallSid": "CA1"} | expected
    assert shown.items() <= callback.items()
    found.join("CA2", "me", Voice.AGENT, announced=False)
    assert 1 == len(sent(found))


def test_a_participant_is_dropped_with_its_leg() -> None:
    """First from the list, then the leg ends, then the callback comes."""
    found = stage()
    found.leg(LegStatus.IN_PROGRESS, ENDS, "CA1")
    found.join("CA1", "me", Voice.AGENT)
    found.drop("CA1")
    left, ended, callback = [step.action for step in found.steps][-3:]
    assert ParticipantLeft(found.conference_sid, "CA1") == left
    assert LegChanged("CA1", LegStatus.COMPLETED) == ended
    assert isinstance(callback, EventSent)
    (*_, fields) = parameters([callback.event])
    assert ("participant-leave", "2") == (fields["StatusCallbackEvent"], fields["SequenceNumber"])


def test_callbacks_come_if_they_are_configured() -> None:
    """Those of the conference and those of calls, each for itself."""
    found = stage()
    found.callbacks = False
    found.callback("conference-end", {})
    assert [] == found.steps
    found.call_event("answered", {})
    assert 1 == len(found.steps)
    found.call_callbacks = False
    found.call_event("answered", {})
    assert 1 == len(found.steps)


def test_events_of_the_task_count_its_versions() -> None:
    """Each update of the task, and each event of a reservation; in one call all as numbers or all
    as text."""
    kinds = set()
    for seed in range(8):
        found, mine = stage(seed=seed), part()
        found.task("created", "pending")
        found.reservation(mine, "created", "pending")
        found.reservation(mine, "accepted", "assigned")
        found.task("updated", "assigned")
        bodies = payloads(sent(found))
        assert [1, 1, 1, 2] == [int(each["task_version"]) for each in bodies]
        assert [0, 1] == [int(e["reservation_version"]) for e in bodies[1:3]]
        assert ["pending", "accepted"] == [e["reservation_status"] for e in bodies[1:3]]
        versions = [e[name] for e in bodies for name in ("task_version", "reservation_version")
                    if name in e]  # fmt: skip
        (kind,) = {type(version) for version in versions}
        kinds.add(kind)
    assert {int, str} == kinds


def test_a_reservation_names_the_agent() -> None:
    """With the attributes that the agent's browser has changed, and a transfer's fields."""
    found, mine = stage(), part()
    mine.rewritten = {"email": "other@example.com"}
    mine.transfer = {"transfer_mode": "COLD"}
    found.reservation(mine, "created", "pending", prompt=True)
    (body,) = payloads(sent(found))
    attributes = json.loads(body["worker_attributes"])
    assert ("other@example.com", ANN.team, ANN.contact_uri) == (
        attributes["email"], attributes["team_name"], attributes["contact_uri"],
    )  # fmt: skip
    assert ("WR1", "WK1", "Support", "COLD") == tuple(
        body[name] for name in ("reservation_sid", "worker_sid", "task_queue_name", "transfer_mode")
    )
    assert found.steps[-1].action.prompt


def test_a_label_has_one_form_in_a_call() -> None:
    """Over the calls all forms occur; a conference may label no agent."""
    labels = {found.label(part()) for seed in range(20) for found in [stage(seed=seed)]}
    assert {"WK1", "WR1", ANN.contact_uri} == labels
    found = stage()
    found.labels_agents = False
    assert found.label(part()) is None


@pytest.mark.parametrize(("kind", "prefix"), [("QUEUE", "WQ"), ("WORKER", "WK")])
def test_a_transfer_goes_to_a_queue_or_a_worker(kind: str, prefix: str) -> None:
    """It names its initiator and its time."""
    found = stage()
    fields = found.transfer(part(), "WARM", kind)
    assert (kind, "WARM", iso(BEGIN)) == (
        fields["transfer_type"], fields["transfer_mode"], fields["transfer_started"],
    )  # fmt: skip
    assert ("WK1", "WR1") == (
        fields["transfer_initiating_worker_sid"], fields["transfer_initiating_reservation_sid"],
    )  # fmt: skip
    assert prefix == fields["transfer_to"][:2]


def test_wrapping_up_takes_a_moment() -> None:
    """First the wrap-up, then the completion."""
    found = stage()
    found.wrap_up(part())
    events = [(step.at - BEGIN, step.action.event["data"]["name"]) for step in found.steps]
    assert [(60, "reservation.wrapup"), (WRAP_UP_MS, "reservation.completed")] == events


def test_an_event_may_be_written_in_another_way() -> None:
    """Then its record has these bytes; chatter names no task."""
    found = stage()
    found.chatter()
    found.write = lambda event: event["id"].encode()
    found.chatter()
    plain, other = (step.action for step in found.steps)
    assert (None, other.event["id"].encode()) == (plain.record, other.record)
    assert not any("task_sid" in payload for payload in payloads(sent(found)))


def test_another_leg_may_be_named_as_the_customers() -> None:
    """The other participants stay."""
    found = stage()
    found.knows_conference(worker="CA1", customer="CA2")
    found.names_customer("CA3")
    attributes = json.loads(payloads(sent(found))[-1]["task_attributes"])
    assert {"worker": "CA1", "customer": "CA3"} == attributes["conference"]["participants"]
    assert found.conference_sid == attributes["conference"]["sid"]


def _events(*unlike: Unlike, case: Any = inbound_monitored) -> list[Json]:
    (script,) = scripts([case], BEGIN, 0, ACCOUNT, 3, unlike=frozenset(unlike))
    return [step.action.event for step in script.steps if isinstance(step.action, EventSent)]


def test_callbacks_both_ways() -> None:
    """Conference callbacks come or do not, with their order or without, with labels or without."""
    usual = parameters(_events())
    assert any(p.get("ParticipantLabel") == "customer" for p in usual)
    assert all("SequenceNumber" in p for p in usual)
    assert [] == parameters(_events(Unlike.CONFERENCE_CALLBACKS))
    other = parameters(_events(Unlike.CALLBACK_ORDER, Unlike.LABELS))
    assert len(usual) == len(other)
    assert not any({"SequenceNumber", "ParticipantLabel"} & p.keys() for p in other)


def _attributes(events: list[Json]) -> list[Json]:
    return [json.loads(p["task_attributes"]) for p in payloads(events) if "task_attributes" in p]


def test_attributes_both_ways() -> None:
    """The conference is written into the attributes or is not; while the customer is on hold, it
    names another leg or does not."""
    assert any("conference" in attributes for attributes in _attributes(_events()))
    assert not any("conference" in a for a in _attributes(_events(Unlike.CONFERENCE_ATTRIBUTE)))

    def customers(*unlike: Unlike) -> set[str]:
        attributes = _attributes(_events(*unlike, case=hold))
        conferences = [each["conference"] for each in attributes if "conference" in each]
        return {conference["participants"]["customer"] for conference in conferences}

    assert (1, 2) == (len(customers()), len(customers(Unlike.HELD_CUSTOMER)))
