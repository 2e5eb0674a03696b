"""SIDs of the wrong form in events: absent from the call, and counted at the bridge."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.calls.cloud_events import Readable, UnreadableEvent, elements
from pipeline.calls.event_sids import invalid_in_parameters
from pipeline.calls.events import Silent, delta
from pipeline.calls.merge import Folded, fold
from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place
from pipeline.twilio.sids import SidKind
from schemas.records import Call
from tests.pipeline.calls.histories import CUSTOMER_LEG, TASK, Story, inbound, leg_sid

HOSTILE = (
    f"{CUSTOMER_LEG}.json?Status=completed&x=",
    "../Messages.json?To=%2B15550100",
    f"../../AC{'f' * 32}/Calls/{CUSTOMER_LEG}",
    CUSTOMER_LEG[:-1],
    f"{CUSTOMER_LEG}\n",
    f" {CUSTOMER_LEG}",
    f"{CUSTOMER_LEG}\u2003",
)
ATTRIBUTES = {"from": "+15550001111", "direction": "inbound"}


def folded(story: Story) -> Call:
    """The call after these events."""
    call: Call | None = None
    for event in story.events:
        found = fold(call, event)
        assert isinstance(found, Folded)
        call = found.call
    assert call is not None
    return call


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_call_sid_is_no_leg_of_the_call(hostile: str) -> None:
    """Neither from the task's attributes nor from its conference block."""
    story = Story(
        attributes={
            **ATTRIBUTES,
            "call_sid": hostile,
            "conference": {
                "sid": hostile,
                "participants": {"customer": hostile, "worker": hostile},
            },
        }
    ).task("created", 0)
    call = folded(story)

    assert () == call.legs
    assert not {"customer_call_sid", "customer_joined", "worker_call_sid", "conference_sid"} & set(
        call.facts
    )
    kinds = invalid_in(story.attributes)
    assert (*(SidKind.CALL,) * 3, SidKind.CONFERENCE) == kinds


def test_a_hostile_call_sid_does_not_hide_the_customers_leg() -> None:
    """A later event with a wrong SID says nothing of it: the leg of before stays."""
    story = inbound()
    story.attributes["call_sid"] = HOSTILE[0]
    call = folded(story.task("updated", 1_000))

    assert CUSTOMER_LEG == call.facts["customer_call_sid"].value


def test_the_outbound_templates_call_sid_is_not_counted() -> None:
    """Flex writes the worker's SID there; it is not read."""
    attributes = {"direction": "outbound", "outbound_to": "+1555", "call_sid": "WK" + "0" * 32}
    assert () == invalid_in(attributes)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_reservation_of_no_sid_is_none(hostile: str) -> None:
    """Nor does it have a worker if the worker's SID is invalid."""
    story = inbound().reservation("created", 1_000, "ann", reservation_sid=hostile)
    assert () == folded(story).reservations
    story = inbound().reservation("created", 1_000, "ann", worker_sid=hostile)
    [reservation] = folded(story).reservations
    assert "worker_sid" not in reservation.facts


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_callback_of_no_party_says_nothing(hostile: str) -> None:
    """A participant, a call, or a media stream with a SID of the wrong form."""
    story = Story()
    story.participant("join", 1_000, hostile).call_status("answered", 2_000, hostile)
    story.stream_status("started", 3_000, hostile, leg_sid("x"))
    resolved = [replace(event, task_sid=TASK) for event in story.events]
    assert all(isinstance(delta(event), Silent) for event in resolved)
    assert [None] * 2 == [event.call_sid for event in story.events[:2]]


@pytest.mark.parametrize("hostile", ["WT1", f"{TASK}/../x", TASK[:-1], f" {TASK}"])
def test_an_event_of_no_task_is_unreadable_and_counted(hostile: str) -> None:
    """As one without a task SID is."""
    [element] = elements(_created(task_sid=hostile))
    assert isinstance(element, UnreadableEvent)
    assert ("missing-field", (SidKind.TASK,)) == (element.reason, element.invalid_sids)


def test_keys_stay_as_they_are() -> None:
    """For a callback with an invalid task SID: the call SID, else the source."""
    kind = "com.twilio.voice.status-callback.call.answered"
    keys = []
    for call_sid in (CUSTOMER_LEG, HOSTILE[0]):
        parameters = {"FriendlyName": "WT1", "CallSid": call_sid}
        body = {
            "id": "EV1",
            "source": "/x",
            "type": kind,
            "data": {"request": {"parameters": parameters}},
        }
        [element] = elements(json.dumps(body).encode())
        assert isinstance(element, Readable)
        keys.append(element.key)
    assert [CUSTOMER_LEG, "/x"] == keys


def test_the_bridge_learns_what_to_count() -> None:
    """With each message, of events and of dead letters."""
    place = Place("flex-events", 0, "shardId-0")
    events = [_created(task_attributes=json.dumps({"call_sid": "x"})), _created(task_sid="WT1")]
    record = KinesisRecord("1", 1, b"[" + b",".join(events) + b"]")
    found = messages_of(place, record, SizeLimits(), 1)

    assert [(SidKind.CALL,), (SidKind.TASK,)] == [message.invalid_sids for message in found]


def test_invalid_sids_in_a_callback_are_reported() -> None:
    """Each by its kind; valid and absent ones are not."""
    parameters = {"CallSid": "x", "ConferenceSid": "y", "StreamSid": "z"}
    found = [
        sorted(invalid_in_parameters(each)) for each in ({}, {"CallSid": CUSTOMER_LEG}, parameters)
    ]
    assert [[], [], sorted([SidKind.CALL, SidKind.CONFERENCE, SidKind.MEDIA_STREAM])] == found


def invalid_in(attributes: dict[str, Any]) -> tuple[SidKind, ...]:
    """Return the invalid SIDs reported for an event with these task attributes."""
    [element] = elements(_created(task_attributes=json.dumps(attributes)))
    assert isinstance(element, Readable)
    return tuple(sorted(element.invalid_sids))


def _created(**payload: Any) -> bytes:
    full = {"task_sid": TASK, "task_attributes": "{}", **payload}
    kind = "com.twilio.taskrouter.task.created"
    return json.dumps(
        {"id": "EV1", "source": "/x", "type": kind, "data": {"payload": full}}
    ).encode()
