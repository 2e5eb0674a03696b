"""A job begins with a contact, waits, and is done or fails; nothing is fetched twice."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recovery.jobs import (
    Timing,
    after_attempt,
    after_contact,
    after_failure,
    is_expired,
    is_wanted_again,
    next_part,
    parts_to_keep,
    spans_of,
    spans_to_keep,
    with_latest,
    with_results,
)
from pipeline.recovery.wanted import Recovery
from schemas.codec import decode
from schemas.records import Contact, RetrievalJob, RetrievedRecording
from tests.pipeline.recovery.contacts_made import AT, contact_with, recording_at

KEPT_MS = 45 * 24 * 60 * 60 * 1000
MAX_PAUSE_MS = 60 * 60 * 1000
TIMING = Timing(delay_ms=60_000, give_up_ms=86_400_000)
MISSED = contact_with(gaps=((0, 60_000),))
SID = "RE" + "1" * 32


def begun(contact: Contact = MISSED, now: int = AT + 61_000) -> RetrievalJob:
    """Return the job that a contact begins."""
    job = after_contact(None, contact, Recovery.PARTIAL, TIMING, now)
    assert job is not None
    return job


def stored(sid: str = SID, part: int = 0) -> RetrievedRecording:
    """Return a recording that was stored."""
    return RetrievedRecording(sid, part, "stored", "", "1-a", "high", False)


def refused(reason: str) -> RetrievedRecording:
    """Return a recording that could not be used."""
    return RetrievedRecording(SID, 0, "refused", reason, "", "", False)


def test_a_missed_call_begins_a_job_that_is_due_after_its_end() -> None:
    """Twilio needs a while. The job has the contact, so that another retriever can carry it
    out."""
    job = begun()
    assert ("waiting", AT + 60_000 + TIMING.delay_ms) == (job.state, job.due_at)
    assert MISSED.required == decode(job.contact).required


def test_a_contact_that_wants_nothing_begins_none() -> None:
    """Nor does it change one that is over."""
    fine = contact_with(capture="complete", revision=9)
    assert after_contact(None, fine, Recovery.PARTIAL, TIMING, AT) is None
    done = after_attempt(begun(), [stored()], [], TIMING, AT)
    assert after_contact(done, fine, Recovery.PARTIAL, TIMING, AT) is None


def test_a_later_version_changes_a_job_that_waits() -> None:
    """Its wanted time is that of the latest version; an older version changes nothing."""
    job = begun()
    later = contact_with(gaps=((0, 30_000),), revision=5)
    changed = after_contact(job, later, Recovery.PARTIAL, TIMING, AT + 62_000)
    assert changed is not None
    assert ((AT, AT + 30_000),) == spans_of(changed.wanted)
    assert (job.due_at, job.since) == (changed.due_at, changed.since)
    assert after_contact(changed, MISSED, Recovery.PARTIAL, TIMING, AT) is None
    over = after_contact(
        changed, contact_with(capture="complete", revision=6), Recovery.PARTIAL, TIMING, AT
    )
    assert over is not None
    assert ("done", "nothing-wanted") == (over.state, over.reason)


def test_a_call_that_is_open_again_for_a_while_is_fetched_all_the_same() -> None:
    """Late audio opens a recording, or late events the call: its next final version counts."""
    job = begun()
    for reopened in (
        contact_with(gaps=((0, 60_000),), capture="pending", revision=2),
        contact_with(gaps=((0, 60_000),), state="active", ended_at=None, revision=2),
    ):
        assert after_contact(job, reopened, Recovery.PARTIAL, TIMING, AT + 62_000) is None
    final = contact_with(gaps=((0, 60_000),), revision=3)
    after = after_contact(job, final, Recovery.PARTIAL, TIMING, AT + 63_000)
    assert after is not None
    assert ("waiting", 3) == (after.state, after.revision)


def test_time_that_is_required_again_is_wanted_again() -> None:
    """It was never fetched: the policy said for a while that nothing was required."""
    no = contact_with((), capture="not-required", revision=2)
    over = after_contact(begun(), no, Recovery.PARTIAL, TIMING, AT + 62_000)
    assert over is not None
    assert ("done", 2) == (over.state, over.revision)
    yes = replace(MISSED, revision=3)
    after = after_contact(over, yes, Recovery.PARTIAL, TIMING, AT + 63_000)
    assert after is not None
    assert "waiting" == after.state
    assert after_contact(over, MISSED, Recovery.PARTIAL, TIMING, AT + 63_000) is None


@pytest.mark.parametrize(
    ("found", "not_yet", "gap", "expected"),
    [
        ([refused("no WAV file")], [], 60_000, ("failed", 2)),
        ([refused("no WAV file")], [], 90_000, ("waiting", 2)),
        ([stored()], [], 90_000, ("waiting", 2)),
        ([stored()], [], 0, ("done", 2)),
        ([], ["RE1"], 90_000, ("waiting", 2)),
        ([], ["RE1"], 0, ("done", 2)),
    ],
)
def test_versions_that_come_during_an_attempt_count(
    found: list[RetrievedRecording], not_yet: list[str], gap: int, expected: tuple[str, int]
) -> None:
    """More time is fetched too, whatever the attempt's result; a job without wanted time does not
    wait. The results stay."""
    job = begun()
    contact = contact_with(
        ((0, 90_000),),
        gaps=((0, gap),) if gap else (),
        capture="missing" if gap else "complete",
        revision=2,
    )
    present = after_contact(job, contact, Recovery.PARTIAL, TIMING, AT + 62_000)
    assert present is not None
    after = after_attempt(job, found, not_yet, TIMING, AT + 63_000)
    latest = with_latest(after, present, Recovery.PARTIAL, TIMING, AT + 63_000)
    assert expected == (latest.state, latest.revision)
    assert tuple(found) == latest.retrieved
    if "waiting" == latest.state:
        assert ((AT, AT + gap),) == spans_of(latest.wanted)
    assert after == with_latest(after, job, Recovery.PARTIAL, TIMING, AT + 63_000)


@given(st.integers(0, 50), st.integers(0, 10**7))
def test_a_replay_of_contacts_begins_nothing_again(revision: int, later: int) -> None:
    """If any version of the contact comes again, no recording is requested a second time, whether
    it was found or not."""
    job = begun()
    for over in (
        after_attempt(job, [stored()], [], TIMING, AT),
        after_attempt(job, [refused("mono")], [], TIMING, AT),
        after_attempt(job, [], [], TIMING, AT + 10**9),
    ):
        assert "waiting" != over.state
        again = replace(MISSED, revision=revision)
        assert after_contact(over, again, Recovery.PARTIAL, TIMING, AT + later) is None


def test_time_that_was_found_to_be_required_later_is_fetched_as_another_part() -> None:
    """Late events can do that. The part keeps only new spans."""
    done = after_attempt(begun(), [stored()], [], TIMING, AT)
    first = replace(recording_at(0, 60_000, "twilio-recording"), stream_sid=SID, recording_id="1-a")
    more = contact_with(
        ((0, 60_000), (80_000, 95_000)), gaps=((80_000, 95_000),), recordings=(first,),
        capture="partial", revision=7,
    )  # fmt: skip
    job = after_contact(done, more, Recovery.PARTIAL, TIMING, AT)
    assert job is not None
    assert ("waiting", 1) == (job.state, next_part(job, more, SID))
    assert ((AT + 80_000, AT + 95_000),) == spans_to_keep(job, more, ())


def test_the_first_recording_keeps_all_required_time() -> None:
    """So it can be heard as a whole, although only a gap is wanted; a second one fills the rest."""
    contact = contact_with(
        ((0, 60_000),), gaps=((20_000, 60_000),), recordings=(recording_at(0, 20_000),),
        capture="partial",
    )  # fmt: skip
    job = begun(contact)
    assert ((AT, AT + 60_000),) == spans_to_keep(job, contact, ())
    before = ((AT, AT + 50_000),)
    assert ((AT + 50_000, AT + 60_000),) == spans_to_keep(job, contact, before)


def test_a_later_recording_never_spans_time_that_an_earlier_one_has() -> None:
    """It would seem to cover that time with silence. The first one has all required time."""
    contact = contact_with(((0, 20_000), (30_000, 60_000)), gaps=((0, 20_000), (30_000, 60_000)))
    job, source = begun(contact), (AT, AT + 60_000)
    spans = ((AT, AT + 20_000), (AT + 30_000, AT + 60_000))
    assert (spans,) == parts_to_keep(job, contact, source, ())
    before = ((AT + 10_000, AT + 40_000),)
    pieces = (((AT, AT + 10_000),), ((AT + 40_000, AT + 60_000),))
    assert pieces == parts_to_keep(job, contact, source, before)
    assert pieces[:1] == parts_to_keep(job, contact, (AT, AT + 12_000), before)


def test_a_call_without_recordings_is_looked_up_ever_more_rarely_and_given_up() -> None:
    """A recording may appear late. After `give_up_ms` the job fails with its reason."""
    job, now, pauses = begun(), AT + 120_000, []
    while job.state == "waiting":
        job = after_attempt(job, [], [], TIMING, now)
        pauses.append(job.due_at - now)
        now = max(job.due_at, now + 1)
    assert ("failed", "no-recording") == (job.state, job.reason)
    assert [60_000, 120_000, 240_000] == pauses[:3]
    assert max(pauses) == MAX_PAUSE_MS
    assert 20 < len(pauses) < 40


def test_another_recording_is_awaited_if_all_that_are_listed_are_gone() -> None:
    """Twilio may list one minutes after the call. Then the job is done; otherwise it fails with the
    reason of those that are gone, at the time to give up."""
    gone = refused("status-deleted")
    job = after_attempt(begun(), [], [], TIMING, AT + 70_000, gone=[gone])
    assert ("waiting", "status-deleted") == (job.state, job.reason)
    assert (gone,) == job.retrieved
    done = after_attempt(job, [stored("RE" + "2" * 32)], [], TIMING, AT + 80_000, gone=[gone])
    assert ("done", "stored") == (done.state, done.reason)
    late = after_attempt(job, [], [], TIMING, AT + 10**9, gone=[gone])
    assert ("failed", "status-deleted") == (late.state, late.reason)
    unusable = after_attempt(job, [refused("mono")], [], TIMING, AT + 80_000, gone=[gone])
    assert ("failed", "status-deleted; mono") == (unusable.state, unusable.reason)


def test_what_was_stored_stays_stored_if_twilio_deletes_the_recording() -> None:
    """So that a later part has another number."""
    job = with_results(with_results(begun(), [stored()]), [refused("status-deleted")])
    assert (stored(),) == job.retrieved
    assert 1 == next_part(job, MISSED, SID)


def test_a_part_counts_that_only_the_contact_has() -> None:
    """The retriever died after its announcement, before the job had the result."""
    announced = replace(
        recording_at(0, 30_000, "twilio-recording"), stream_sid=SID, recording_id="1-b"
    )
    contact = replace(MISSED, recordings=(announced,))
    assert 1 == next_part(begun(), contact, SID)
    assert 2 == next_part(with_results(begun(), [stored()]), contact, SID)
    both = replace(MISSED, recordings=(replace(announced, recording_id="1-a"),))
    assert 1 == next_part(with_results(begun(), [stored()]), both, SID)


def test_a_recording_is_wanted_again_for_time_within_it_only() -> None:
    """Its edges are known to a second: time that is left there is not in it."""
    job = begun()
    assert is_wanted_again(job, (AT, AT + 60_000), [(AT, AT + 50_000)])
    assert not is_wanted_again(job, (AT, AT + 60_000), [(AT + 1_000, AT + 59_000)])
    assert not is_wanted_again(job, (AT, AT + 50_000), [(AT, AT + 50_000)])
    assert not is_wanted_again(job, (AT, AT + 1_000), [])


def test_a_recording_that_is_processed_is_awaited() -> None:
    """Also if another one was stored already."""
    job = after_attempt(begun(), [stored()], ["RE" + "2" * 32], TIMING, AT + 70_000)
    assert "waiting" == job.state
    assert job.reason.startswith("not-ready: RE2")
    late = after_attempt(job, [], ["RE" + "2" * 32], TIMING, AT + 10**9)
    assert "failed" == late.state


def test_a_failure_that_passes_is_never_given_up() -> None:
    """Twilio may be away for days."""
    job = after_failure(begun(), "503", TIMING, AT + 10**10)
    assert ("waiting", "503", 1) == (job.state, job.reason, job.attempts)
    assert decode(job.contact).task_sid == job.task_sid


def test_the_reason_of_a_failure_is_bounded() -> None:
    """To 500 characters."""
    assert "x" * 500 == after_failure(begun(), "x" * 501, TIMING, AT).reason


def test_without_a_later_version_the_attempt_decides() -> None:
    """Whatever the state of the job of the same version was."""
    over = after_attempt(begun(), [stored()], [], TIMING, AT + 63_000)
    waits = after_failure(begun(), "503", TIMING, AT + 63_000)
    for after, present in ((over, waits), (waits, over)):
        assert after == with_latest(after, present, Recovery.PARTIAL, TIMING, AT + 64_000)


def test_jobs_that_are_over_expire() -> None:
    """Those that wait do not."""
    done = after_attempt(begun(), [stored()], [], TIMING, AT)
    assert not is_expired(done, AT + KEPT_MS - 1)
    assert is_expired(done, AT + KEPT_MS)
    assert not is_expired(begun(), AT + 2 * KEPT_MS)
