"""Records as the API's JSON, as its contract says."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from console.views import (
    call_json,
    contact_json,
    recording_json,
    recording_path,
    without_withheld,
)
from schemas.records import (
    Contact,
    ContactContradiction,
    ContactGap,
    ReconciledPart,
    Reconciliation,
)
from tests.examples import examples
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, contacts

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


def test_a_contact_is_shown_as_the_contract_says() -> None:
    """Every field, times as RFC 3339 in UTC with milliseconds, or null."""
    contact = contact_json(CONTACT)
    assert "2026-05-28T20:26:40.000Z" == contact["started_at"]
    assert "2026-05-28T20:27:10.000Z" == contact["ended_at"]
    assert {
        "contact_id", "task_sid", "direction", "customer", "queue", "started_at", "ended_at",
        "state", "outcome", "sessions", "recordings", "decisions", "gaps", "capture",
        "required_ms", "captured_ms", "contradictions", "reconciliation",
    } == set(contact)  # fmt: skip
    assert {
        "reservation_sid": "WR" + "3" * 32,
        "extension": "eve@example.com",
        "monitored": False,
        "started_at": None,
        "ended_at": "2026-05-28T20:26:49.000Z",
    } == contact["sessions"][2]
    assert ("partial", 28_000, 19_980) == (
        contact["capture"], contact["required_ms"], contact["captured_ms"],
    )  # fmt: skip
    assert {
        "inum": RECORDING.inum,
        "recording_id": RECORDING.recording_id,
        "task_sid": CONTACT.task_sid,
        "call_sid": RECORDING.call_sid,
        "stream_sid": RECORDING.stream_sid,
        "extension": "ann@example.com",
        "extensions": ["ann@example.com", "bob@example.com"],
        "state": "complete",
        "started_at": "2026-05-28T20:26:42.000Z",
        "duration_ms": 20_000,
        "supplement_of": None,
        "source": "stream",
        "frames": {"received": 2_000, "lost": 3, "duplicate": 1, "invalid": 0, "withheld": 0},
        "lost_for": {"not-received": 2, "not-sent": 1},
        "audio_url": AUDIO,
        "withheld_because": None,
    } == contact["recordings"][0]
    assert {"at", "decision", "reason", "policy_version"} == set(contact["decisions"][0])


def test_gaps_have_their_places_and_reasons() -> None:
    """Gaps before the first recording, after the last, and over the whole call; a missing neighbour
    is null."""
    gaps = (
        ContactGap(NOON, NOON + 1_500, "", RECORDING.inum, "late-start"),
        ContactGap(NOON + 22_000, NOON + 30_000, RECORDING.inum, "", "socket-dropped", "17"),
        ContactGap(NOON + 40_000, NOON + 50_000, "", "", "twilio-refused"),
    )
    contact = contact_json(replace(CONTACT, gaps=gaps))
    assert [
        {
            "from": "2026-05-28T20:26:40.000Z",
            "to": "2026-05-28T20:26:41.500Z",
            "duration_ms": 1_500,
            "after": None,
            "before": RECORDING.inum,
            "reason": "late-start",
            "covered_by": None,
        },
        {
            "from": "2026-05-28T20:27:02.000Z",
            "to": "2026-05-28T20:27:10.000Z",
            "duration_ms": 8_000,
            "after": RECORDING.inum,
            "before": None,
            "reason": "socket-dropped",
            "covered_by": "17",
        },
        {
            "from": "2026-05-28T20:27:20.000Z",
            "to": "2026-05-28T20:27:30.000Z",
            "duration_ms": 10_000,
            "after": None,
            "before": None,
            "reason": "twilio-refused",
            "covered_by": None,
        },
    ] == contact["gaps"]


def test_a_call_in_progress_has_its_connections_and_media_streams() -> None:
    """And the decision in force, which is the last one; null if there is none yet."""
    call = call_json(LIVE)
    assert "stopped: call ended" == call["decision"]["reason"]
    assert call_json(replace(LIVE, decisions=()))["decision"] is None
    assert LIVE.task_sid == call["task_sid"]
    assert "inbound" == call["direction"]
    assert [
        {"extension": "ann@example.com", "state": "active"},
        {"extension": None, "state": "hold"},
    ] == call["connections"]
    assert [
        {
            "stream_sid": None,
            "call_sid": "CA" + "c" * 32,
            "name": "fc-1",
            "state": "starting",
            "reason": "asked for",
        }
    ] == call["streams"]


def test_contradictions_of_attributes_are_shown() -> None:
    """Each contradiction has the stated value, the value in force, the time and the worker."""
    contradiction = ContactContradiction(None, "direction", "internal", "inbound", NOON + 5_000)
    contact = contact_json(replace(CONTACT, contradictions=(contradiction,)))
    assert [
        {
            "at": "2026-05-28T20:26:45.000Z", "reservation_sid": None, "name": "direction",
            "value": "internal", "held": "inbound",
        }
    ] == contact["contradictions"]  # fmt: skip


def test_withheld_recordings_are_left_out_unless_asked_for() -> None:
    """Nothing else of the contact changes, and without any it is the same object."""
    hidden = replace(RECORDING, recording_id="hidden", withheld_because="other-call")
    contact = replace(CONTACT, recordings=(RECORDING, hidden))
    assert CONTACT == without_withheld(contact)
    assert CONTACT is without_withheld(CONTACT)
    assert 1 == len(contact_json(contact)["recordings"])
    shown = contact_json(contact, withheld=True)["recordings"]
    assert [None, "other-call"] == [each["withheld_because"] for each in shown]


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, AUDIO),
        ({"state": "recording"}, None),
        ({"withheld_because": "other-call"}, None),
        ({"recording_id": "a/../b?c"}, "/api/recordings/a%2F..%2Fb%3Fc/audio"),
    ],
)
def test_only_complete_audio_has_a_url(changes: dict[str, str], url: str | None) -> None:
    """That of its id, which stays one segment of the path."""
    recording = replace(RECORDING, **changes)  # type: ignore[arg-type]
    assert url == recording_json(recording, "WT1")["audio_url"]
    assert url is None or url == recording_path(recording) + "/audio"


def test_a_reconciliation_names_its_parts() -> None:
    """Reservations and conferences under their own names."""
    part = ReconciledPart("WR1", "recovered", "not-received")
    found = Reconciliation(
        task_sid="WT1", result="incomplete", reason="events-missing", policy_version=3,
        reservations=(part,), conferences=(replace(part, sid="CF1"),),
        recording_sids=("RE1",), added_events=2, checked_at=NOON, updated_at=NOON,
    )  # fmt: skip
    shown = contact_json(replace(CONTACT, reconciliation=found))["reconciliation"]
    assert ["WR1"] == [each["reservation_sid"] for each in shown["reservations"]]
    assert ["CF1"] == [each["conference_sid"] for each in shown["conferences"]]
    assert (2, ["RE1"]) == (shown["events_added"], shown["twilio_recordings"])
    assert contact_json(CONTACT)["reconciliation"] is None


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow])
@given(contacts)
def test_every_contact_is_json(contact: Contact) -> None:
    """For any texts and times."""
    for shown in (contact_json(contact, withheld=True), call_json(contact)):
        assert shown == json.loads(json.dumps(shown))
