"""What became of a task's audio."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.reconciliation.result import of_contact, without_contact
from schemas.records import Contact, ContactDecision, ContactGap, Session
from tests.pipeline.contacts.records import NOON
from tests.pipeline.reconciliation.records import CF, RE, RECORDING, WR, evidence
from tests.pipeline.store.contacts import CONTACT

OTHER = "WR" + "9" * 32
SESSION = Session(WR, "ann@example.com", True, NOON + 2_000, NOON + 32_000)
OPEN = replace(SESSION, ended_at=None)
WHOLE = ContactGap(NOON + 2_000, NOON + 32_000, "", "", "never-reached-gateway")
PART = ContactGap(NOON + 20_000, NOON + 32_000, "1", "", "gateway-died")
COVERED = replace(WHOLE, covered_by="178000000012345678")


def contact(capture: str, *gaps: ContactGap, **changes: Any) -> Contact:
    own: dict[str, Any] = {
        "state": "ended",
        "ended_at": NOON + 32_000,
        "sessions": (SESSION,),
        "capture": capture,
        "gaps": gaps,
        "required_ms": 0 if capture == "not-required" else 30_000,
        "decisions": (),
    }
    return replace(CONTACT, **own | changes)


@pytest.mark.parametrize(
    ("made", "result", "reason"),
    [
        (contact("complete"), "captured", "the required time is in the audio"),
        (contact("partial", PART), "partial", "gateway-died"),
        (contact("missing", WHOLE), "lost", "never-reached-gateway"),
        (contact("missing", COVERED), "recovered", "covered by recording 178000000012345678"),
        (contact("complete", COVERED), "recovered", "covered by recording 178000000012345678"),
        (contact("partial", COVERED, PART), "partial", "gateway-died"),
    ],
)
def test_the_result_follows_the_contact(made: Contact, result: str, reason: str) -> None:
    """For the task, and alike for its conference."""
    found = of_contact(evidence(), made, 3)
    assert found is not None
    assert (result, reason) == (found.result, found.reason)
    assert [(CF, result)] == [(part.sid, part.result) for part in found.conferences]


@pytest.mark.parametrize("made", [contact("pending"), contact("missing", WHOLE, state="active")])
def test_a_call_in_progress_has_no_result(made: Contact) -> None:
    """Nor does a contact with incomplete recordings."""
    assert None is of_contact(evidence(), made, 3)


def test_an_exclusion_names_the_decision_and_its_version() -> None:
    """Without a decision, the version that was in force."""
    decided = ContactDecision(NOON, "do-not-record", "not recorded: internal call", 7)
    found = of_contact(evidence(), contact("not-required", decisions=(decided,)), 3)
    assert found is not None
    assert ("excluded", decided.reason, 7) == (found.result, found.reason, found.policy_version)
    unmonitored = contact("not-required", sessions=(replace(SESSION, monitored=False),))
    found = of_contact(evidence(), unmonitored, 3)
    assert found is not None
    assert ("excluded", "no monitored agent", 3) == (
        found.result,
        found.reason,
        found.policy_version,
    )
    assert [("excluded", "no monitored agent")] == [
        (part.result, part.reason) for part in found.reservations
    ]


def test_each_reservation_has_its_own_result() -> None:
    """By the gaps within its session; a session without any event is lost."""
    second = Session(OTHER, "bob@example.com", True, NOON + 20_000, NOON + 32_000)
    made = contact("partial", PART, sessions=(replace(SESSION, ended_at=NOON + 20_000), second))
    unknown = replace(evidence().reservations[0], reservation_sid="WR" + "f" * 32)
    found = of_contact(evidence(reservations=(*evidence().reservations, unknown)), made, 3)
    assert found is not None
    assert {WR: "captured", OTHER: "lost", unknown.reservation_sid: "lost"} == {
        part.sid: part.result for part in found.reservations
    }


def test_a_session_without_an_end_lasts_until_the_contact_ends() -> None:
    """A gap at its end is in its result."""
    found = of_contact(evidence(), contact("partial", PART, sessions=(OPEN,)), 3)
    assert found is not None
    assert [(WR, "partial", PART.reason)] == [
        (p.sid, p.result, p.reason) for p in found.reservations
    ]


def test_a_loss_says_whether_twilio_has_a_recording() -> None:
    """Once Twilio was asked; deleted ones do not count."""
    made = contact("missing", WHOLE)
    asked = evidence(is_examined=True, recordings=(RECORDING,), added_events=("EV1",))
    found = of_contact(asked, made, 3)
    assert found is not None
    assert (RE,) == found.recording_sids
    assert "Twilio has 1 recordings of it" in found.reason
    assert "never delivered" in found.reason
    deleted = evidence(is_examined=True, recordings=(replace(RECORDING, status="deleted"),))
    found = of_contact(deleted, made, 3)
    assert found is not None
    assert () == found.recording_sids
    assert "Twilio has no recording that can be fetched (deleted)" in found.reason
    found = of_contact(evidence(is_examined=True), made, 3)
    assert found is not None
    assert found.reason.endswith("Twilio has no recording")


def test_a_task_that_makes_no_contact_has_a_result_too() -> None:
    """It is lost if an agent took it, and excluded if none did or it is no voice call."""
    lost = without_contact(evidence(), 3, NOON, is_call=False)
    assert ("lost", [WR]) == (lost.result, [part.sid for part in lost.reservations])
    assert "excluded" == without_contact(evidence(), 3, NOON, is_call=True).result
    untaken = without_contact(evidence(reservations=()), 3, NOON, is_call=False)
    assert ("excluded", "no agent accepted the task") == (untaken.result, untaken.reason)
