"""What a Kinesis record holds: readable, swallowed, or unreadable with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.cloud_events import (
    Readable,
    Swallowed,
    UnreadableEvent,
    elements,
    known_type,
)

TASK = "WT" + "0123456789abcdef" * 2
CALL = "CA" + "0123456789ABCDEF" * 2
CREATED = "com.twilio.taskrouter.task.created"
JOINED = "com.twilio.voice.status-callback.conference.participant.updated"


def raw(**fields: Any) -> bytes:
    """A CloudEvent's bytes."""
    body = {"specversion": "1.0", "id": "EV1", "source": "/x", "type": CREATED, **fields}
    return json.dumps(body).encode()


def test_a_task_event_is_keyed_by_its_task() -> None:
    """Its body is the whole event, as it came."""
    data = raw(time="2026-11-23T06:37:00.123Z", data={"payload": {"task_sid": TASK}})
    assert [Readable("EV1", "/x", CREATED, 1_795_415_820_123, TASK, None, data.decode())] == list(
        elements(data)
    )


def test_a_callback_is_keyed_by_the_conferences_name() -> None:
    """Flex names the conference by the task's SID, in any case of its digits."""
    name = "WT" + TASK[2:].upper()
    parameters = {"FriendlyName": name, "CallSid": CALL}
    [event] = elements(raw(type=JOINED, data={"request": {"parameters": parameters}}))
    assert isinstance(event, Readable)
    assert (name, name, CALL) == (event.key, event.task_sid, event.call_sid)


def test_a_callback_of_no_task_is_keyed_by_its_call_else_its_source() -> None:
    """A conference may have another name."""
    named = {"FriendlyName": "my conference", "CallSid": CALL}
    [event] = elements(raw(type=JOINED, data={"request": {"parameters": named}}))
    [bare] = elements(raw(type=JOINED, data={"request": {"parameters": {}}}))
    assert isinstance(event, Readable)
    assert isinstance(bare, Readable)
    assert (CALL, "/x") == (event.key, bare.key)


def test_a_callback_of_a_media_stream_is_keyed_by_its_call() -> None:
    """It names no task, though the stream's name may hold one: its task is for the resolver."""
    parameters = {"CallSid": CALL, "StreamSid": "MZ1", "StreamName": f"{TASK}.{CALL}.1"}
    kind = "com.twilio.voice.status-callback.stream.updated"
    [event] = elements(raw(type=kind, data={"request": {"parameters": parameters}}))
    assert isinstance(event, Readable)
    assert (CALL, None, CALL) == (event.key, event.task_sid, event.call_sid)


def test_voice_insights_are_keyed_by_their_call() -> None:
    """They name it without a callback's parameters; an invalid call SID names none."""
    summary = "com.twilio.voice.insights.call-summary.complete"
    events = [
        element
        for sid in (CALL, "other", 7)
        for element in elements(raw(type=summary, data={"call_sid": sid}))
    ]
    assert [CALL, "/x", "/x"] == [e.key for e in events if isinstance(e, Readable)]


def test_the_test_event_is_swallowed() -> None:
    """It says nothing of any call."""
    data = raw(type="com.twilio.eventstreams.test-event", data={"test_id": "1"})
    assert [Swallowed("EV1")] == list(elements(data))


def test_an_array_gives_its_elements_in_order() -> None:
    """Webhooks post arrays; rubbish among them spoils only itself."""
    good = json.loads(raw(data={"payload": {"task_sid": TASK}}))
    kinds = [type(element) for element in elements(json.dumps([good, 7, good]).encode())]
    assert [Readable, UnreadableEvent, Readable] == kinds


@pytest.mark.parametrize("event_type", ["com.twilio.taskrouter.task.painted", "org.other.thing"])
@pytest.mark.parametrize("data", [None, 5, {"payload": 3}, {"request": []}])
def test_unknown_types_are_readable_whatever_they_hold(event_type: str, data: Any) -> None:
    """They are published, ignored and counted."""
    [event] = elements(raw(type=event_type, data=data))
    assert isinstance(event, Readable)
    assert "/x" == event.key


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"{", "not-json"),
        (b"[" * 5_000, "not-json"),
        (b"7", "wrong-type"),
        (b"[]", "wrong-type"),
        (b'"text"', "wrong-type"),
        (b"{}", "missing-field"),
        (raw(id=None), "missing-field"),
        (raw(id=7), "wrong-type"),
        (raw(type=None), "missing-field"),
        (raw(type=["x"]), "wrong-type"),
        (raw(), "missing-field"),
        (raw(data=[]), "wrong-type"),
        (raw(data={}), "missing-field"),
        (raw(data={"payload": "{}"}), "wrong-type"),
        (raw(data={"payload": {}}), "missing-field"),
        (raw(data={"payload": {"task_sid": 7}}), "wrong-type"),
        (raw(type=JOINED), "missing-field"),
        (raw(type=JOINED, data={"request": {}}), "missing-field"),
    ],
)
def test_rubbish_is_unreadable_with_its_reason(data: bytes, reason: str) -> None:
    """And keeps its bytes."""
    [element] = elements(data)
    assert isinstance(element, UnreadableEvent)
    assert (reason, data) == (element.reason, element.original)


@pytest.mark.parametrize("time", [None, 7, "soon", [], "9999-12-31T23:59:59Z"])
def test_an_odd_time_is_none(time: Any) -> None:
    """The time may be missing or odd."""
    [event] = elements(raw(time=time, data={"payload": {"task_sid": TASK}}))
    assert isinstance(event, Readable)
    assert event.time in (None, 7_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["id", "type", "data", "payload", "task_sid", "request", "x"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_ever_fails(data: bytes) -> None:
    """Whatever the bytes, each element is one of the three."""
    for element in elements(data):
        assert isinstance(element, Readable | Swallowed | UnreadableEvent)


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("task.created", "task.created"),
        ("reservation.accepted", "reservation.accepted"),
        ("task.painted", None),
        (None, None),
    ],
)
def test_the_payload_may_state_the_type_of_an_event_of_taskrouter(
    stated: str | None, name: str | None
) -> None:
    """It is used if the event's own type is not known, and the stated one is."""
    data = {"payload": {"eventtype": stated}}
    assert name == known_type("com.twilio.taskrouter.odd", data)
    assert "task.updated" == known_type("com.twilio.taskrouter.task.updated", data)


@pytest.mark.parametrize("stated", [[], {}, ["task.created"], 5, True, None])
def test_an_unknown_event_may_state_anything_as_its_event_type(stated: object) -> None:
    """Only a text can name a known type. The event is published, and so are its neighbours."""
    odd = json.loads(raw(type="com.twilio.taskrouter.x", data={"payload": {"eventtype": stated}}))
    known = json.loads(raw(id="EV2", data={"payload": {"task_sid": TASK}}))
    found = list(elements(json.dumps([odd, known]).encode()))
    assert ["EV1", "EV2"] == [e.event_id for e in found if isinstance(e, Readable)]


def test_a_defect_concerns_one_event_of_an_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events around it are published, and the dead letter has only the event itself."""

    def broken(event_type: str, data: Any) -> str | None:
        if event_type.endswith("painted"):
            raise RuntimeError("a defect")
        return known_type(event_type, data)

    monkeypatch.setattr("pipeline.calls.cloud_events.known_type", broken)
    painted = json.loads(raw(id="EV2", type="com.twilio.taskrouter.task.painted"))
    before, after = (
        json.loads(raw(id=event_id, data={"payload": {"task_sid": TASK}}))
        for event_id in ("EV1", "EV3")
    )
    first, defect, last = elements(json.dumps([before, painted, after]).encode())
    assert isinstance(first, Readable)
    assert isinstance(last, Readable)
    assert ("EV1", "EV3") == (first.event_id, last.event_id)
    assert isinstance(defect, UnreadableEvent)
    assert ("defect", painted) == (defect.reason, json.loads(defect.original))
