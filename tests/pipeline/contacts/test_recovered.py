"""Recordings that were fetched from Twilio, in a contact."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.records import RecordingCompleted
from tests.pipeline.contacts.records import NOON, answered, call, completed, opened, reservation
from tests.pipeline.contacts.test_contact import made, of

CALL = call(reservation(1, "ann", created=1_000, accepted=2_000, wrapup=62_000), completed=63_000)
"""A call that must be recorded from 2 s to 62 s."""
DIALLED = call(
    reservation(1, "ann", created=1_000, accepted=2_000, wrapup=62_000),
    direction="outbound",
    facts={"customer_call_sid": ""},
    completed=63_000,
)


def recovered(start: int, end: int) -> RecordingCompleted:
    """Return a recording fetched from Twilio, in ms after noon."""
    return completed(
        9, start, end, stream_sid="RE" + "1" * 32, generation=0, lost=0, reason="recovered",
        source="twilio-recording",
    )  # fmt: skip


INUM = recovered(0, 1).inum


def test_a_missed_call_is_complete_once_its_recording_was_fetched() -> None:
    """Its gap stays, and names the recording; covered time counts as captured."""
    before = of(CALL)
    assert ("missing", 0) == (before.capture, before.captured_ms)
    found = of(CALL, recovered(0, 70_000))
    assert ("complete", 60_000) == (found.capture, found.captured_ms)
    assert [INUM] == [gap.covered_by for gap in found.gaps]
    assert ["twilio-recording"] == [r.source for r in found.recordings]
    assert ["ann@example.com"] == [r.extension for r in found.recordings]
    assert before.required == found.required
    assert [(NOON + 2_000, NOON + 62_000)] == [(s.started_at, s.ended_at) for s in found.required]


def test_the_original_recording_and_its_gap_do_not_change() -> None:
    """A gap between two recordings is covered, its reason and neighbours stay."""
    streamed = (completed(1, 2_000, 20_000), completed(2, 30_000, 62_000))
    before, after = of(CALL, *streamed), of(CALL, *streamed, recovered(0, 70_000))
    assert "partial" == before.capture
    assert "complete" == after.capture
    assert [replace(gap, covered_by=INUM) for gap in before.gaps] == list(after.gaps)
    assert before.recordings == tuple(r for r in after.recordings if r.source == "stream")


def test_a_gap_that_is_covered_in_part_leaves_the_contact_partial() -> None:
    """The rest of the gap has no recording."""
    found = of(CALL, recovered(0, 40_000))
    assert ("partial", 38_000) == (found.capture, found.captured_ms)
    assert [(38_000, INUM), (22_000, "")] == [
        (gap.ended_at - gap.started_at, gap.covered_by) for gap in found.gaps
    ]


def test_lost_frames_are_covered_too() -> None:
    """Frames that were lost inside the audio count as captured once a second copy has them."""
    lossy = completed(1, 2_000, 62_000, lost=100)
    assert 59_000 == of(CALL, lossy).captured_ms
    assert 60_000 == of(CALL, lossy, recovered(0, 70_000)).captured_ms


def test_a_recording_of_a_conference_is_no_answer_of_the_called_party() -> None:
    """Twilio records it from the agent's joining on. Neither required time nor outcome follow."""
    silent = completed(1, 3_000, 3_000, received=0, lost=0, invalid=0)
    for rang in ((DIALLED,), (DIALLED, opened(1), answered("done"), silent)):
        before, after = of(*rang), of(*rang, recovered(2_000, 62_000))
        assert ("not-required", 0) == (before.capture, before.required_ms)
        assert ("not-required", 0) == (after.capture, after.required_ms)
        assert before.outcome == after.outcome
    assert "unanswered" == before.outcome


@given(st.permutations([CALL, completed(1, 2_000, 20_000), recovered(0, 70_000)]))
def test_the_order_of_records_does_not_matter(records: list[object]) -> None:
    """The contact is the same."""
    expected = of(CALL, completed(1, 2_000, 20_000), recovered(0, 70_000))
    assert expected == made(*records)  # type: ignore[arg-type]
