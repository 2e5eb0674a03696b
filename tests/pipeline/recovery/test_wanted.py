"""Only required time is wanted, by the modes of FLEXCAPTURE_RECOVERY and FLEXCAPTURE_CAPTURE."""

from dataclasses import replace

import pytest

from pipeline.recovery.wanted import CaptureMode, Recovery, effective, own_legs, wanted
from pipeline.streams.verification import FOREIGN_LEG
from schemas.records import ContactStream
from tests.pipeline.recovery.contacts_made import AT, CUSTOMER, contact_with, recording_at

MISSING = contact_with(gaps=((0, 60_000),))
PARTIAL = contact_with(
    gaps=((20_000, 60_000),), recordings=(recording_at(0, 20_000),), capture="partial"
)
COMPLETE = contact_with(recordings=(recording_at(0, 60_000),), capture="complete")


def span(start: int, end: int) -> tuple[int, int]:
    """Return a span that counts from the beginning of the call."""
    return AT + start, AT + end


@pytest.mark.parametrize(
    ("mode", "missing", "partial", "complete"),
    [
        (Recovery.OFF, (), (), ()),
        (Recovery.MISSING, (span(0, 60_000),), (), ()),
        (Recovery.PARTIAL, (span(0, 60_000),), (span(20_000, 60_000),), ()),
        (Recovery.ALL, (span(0, 60_000),), (span(0, 60_000),), (span(0, 60_000),)),
    ],
)
def test_the_mode_decides_what_is_wanted(
    mode: Recovery, missing: object, partial: object, complete: object
) -> None:
    """`missing`: calls without any audio; `partial`: also gaps; `all`: all required time."""
    assert missing == wanted(MISSING, mode)
    assert partial == wanted(PARTIAL, mode)
    assert complete == wanted(COMPLETE, mode)


@pytest.mark.parametrize("mode", Recovery)
def test_a_call_that_was_not_required_or_is_not_over_is_never_wanted(mode: Recovery) -> None:
    """Nor is one with a recording that is still open."""
    assert () == wanted(contact_with((), capture="not-required"), mode)
    assert () == wanted(contact_with(gaps=((0, 9_000),), capture="pending"), mode)
    assert () == wanted(contact_with(gaps=((0, 9_000),), state="active", ended_at=None), mode)


def test_what_was_recovered_is_not_wanted_again() -> None:
    """A covered gap has its recording; in the mode `all`, required time has it too. Less than a
    second beside it is no reason to fetch again."""
    recovered = recording_at(400, 59_500, "twilio-recording")
    covered = contact_with(recordings=(recovered,), capture="complete")
    for mode in Recovery:
        assert () == wanted(covered, mode)
    late = contact_with(((0, 60_000), (70_000, 90_000)), recordings=(recovered,), capture="partial")
    assert (span(70_000, 90_000),) == wanted(late, Recovery.ALL)


def test_capture_after_the_call_wants_every_required_call() -> None:
    """With any value of FLEXCAPTURE_RECOVERY."""
    for mode in Recovery:
        assert mode == effective(mode, CaptureMode.REALTIME)
        assert Recovery.ALL == effective(mode, CaptureMode.POST_CALL)
        assert Recovery.ALL == effective(mode, CaptureMode.BOTH)


def test_a_leg_that_belonged_to_another_call_is_not_looked_up() -> None:
    """By its recording, of which the audio was withheld, or by the end of its media stream."""
    withheld = replace(recording_at(0, 1), call_sid="CA3", withheld_because="leg of another call")
    streams = (
        ContactStream(0, "MZ4", "CA4", None, "stopped", FOREIGN_LEG.text),
        ContactStream(1, "MZ5", "CA5", None, "stopped", "stopped: no monitored agent"),
    )
    contact = contact_with(recordings=(withheld, recording_at(0, 1)), streams=streams)
    assert (CUSTOMER, "CA5") == own_legs(contact, [CUSTOMER, "CA3", "CA4", "CA5"])
