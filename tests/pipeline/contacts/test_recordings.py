"""The recordings of a contact."""

from pipeline.contacts.capture import AWAITED_MS
from pipeline.contacts.contact import contact, unmatched
from pipeline.contacts.state import Input, empty, fold
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    CommandAnswered,
    RecordingPolicy,
)
from tests.pipeline.contacts.contacts import ANN_LEFT, EVE, WANTED, of
from tests.pipeline.contacts.records import (
    HISTORY,
    LEG,
    NOON,
    TASK,
    call,
    completed,
    opened,
    reservation,
    started,
    supplement,
)


def test_a_recording_that_never_becomes_complete_is_no_audio_in_the_end() -> None:
    """Four days after the last record it will not come any more."""
    before, after = (
        of(WANTED, opened(1, 2_300), started(1, 2_300), now=NOON + AWAITED_MS + more)
        for more in (-1, 0)
    )
    assert ("pending", "missing") == (before.capture, after.capture)


def test_a_supplement_is_in_the_contact_of_its_recording() -> None:
    """With its own INUM and its workers, beside the recording that it completes."""
    extra = supplement(2, of=1)
    found = of(WANTED, completed(1, 2_300, 30_000), completed(2, 30_000, 62_000, **extra))
    assert ["", f"{NOON}1"] == [r.supplement_of for r in found.recordings]
    assert [f"{NOON}1", extra["inum"]] == [r.inum for r in found.recordings]
    assert ["MZ1", "MZ1"] == [r.stream_sid for r in found.recordings]
    assert ["ann@example.com"] * 2 == [r.extension for r in found.recordings]
    assert () == found.gaps
    assert "complete" == found.capture


def test_what_a_recording_accounts_for_is_in_the_contact() -> None:
    """Losses by reason, at the end, and withheld frames, as the recorder counted them."""
    reported = completed(
        1, 2_300, 62_000, recording_id="id", lost=7, lost_for={"not-sent": 5, "not-received": 2},
        lost_at_end=1, withheld=9, withheld_ms=90,
    )  # fmt: skip
    (recording,) = of(WANTED, reported).recordings
    assert ("id", {"not-sent": 5, "not-received": 2}, 1, 9, 90, "stream") == (
        recording.recording_id, recording.lost_for, recording.lost_at_end, recording.withheld,
        recording.withheld_ms, recording.source,
    )  # fmt: skip


def test_recordings_without_a_contact_are_known() -> None:
    """The call is not known, or is none: its recordings are there, of no worker."""
    state = empty(TASK)
    for record in (started(2, 50_000), completed(1, 2_300, 30_000)):
        state = fold(state, record, NOON)
    assert contact(state, HISTORY, NOON) is None
    assert [(f"{NOON}1", "complete"), (f"{NOON}2", "recording")] == [
        (r.inum, r.state) for r in unmatched(state)
    ]
    assert [None, None] == [r.extension for r in unmatched(state)]
    assert () == unmatched(empty(TASK))


def test_a_recording_without_an_agent() -> None:
    """Without a monitored session there is no extension."""
    (recording,) = of(call(EVE), completed(1, 2_300, 30_100)).recordings
    assert (None, ()) == (recording.extension, recording.extensions)


def test_a_recording_is_never_of_an_unmonitored_agent() -> None:
    """Although on the call before all others, and longer."""
    (recording,) = of(call(EVE, ANN_LEFT), completed(1, 1_500, 30_100)).recordings
    assert ("ann@example.com", ("ann@example.com",)) == (recording.extension, recording.extensions)


def test_a_recording_is_of_an_agent_on_the_list_when_it_began() -> None:
    """Ann came first, and had been taken off the list; Bob was added, and Ann again later."""
    lists = [(1, 0, "ann"), (2, 5_000, "bob"), (3, 20_000, "ann")]
    history = PolicyHistory.of(
        RecordingPolicy(n, 0, NOON + at if at else 0, (f"{who}@example.com",), True, True)
        for n, at, who in lists
    )
    bob = reservation(2, "bob", created=3_000, accepted=4_000, wrapup=30_000)
    found = of(call(ANN_LEFT, bob), completed(1, 5_300, 15_000), history=history)
    (recording,) = found.recordings
    assert ("bob@example.com", ("bob@example.com",)) == (recording.extension, recording.extensions)
    assert [True, True] == [session.monitored for session in found.sessions]


def test_the_recording_of_another_calls_leg_is_withheld_and_covers_nothing() -> None:
    """Twilio says so at any time, before or after the recording is complete."""
    foreign = CommandAnswered(
        f"verify:{TASK}:{LEG}:1", TASK, 1, "verify", "contradicted", LEG, None, None, None, "", 1,
        NOON + 3_000,
    )  # fmt: skip
    records: list[Input] = [
        call(ANN_LEFT, completed=40_000), opened(1), started(1, 2_000), completed(1, 2_000, 30_000),
    ]  # fmt: skip
    contact = of(*records)
    assert ("complete", "") == (contact.capture, contact.recordings[0].withheld_because)
    for order in ([*records, foreign], [foreign, *records]):
        withheld = of(*order)
        assert ["leg-contradicted"] == [r.withheld_because for r in withheld.recordings]
        assert ("missing", 0) == (withheld.capture, withheld.captured_ms)


def test_an_incomplete_recording_has_counted_nothing_yet() -> None:
    """A complete one has the recorder's counts."""
    records = (started(1, 2_300), completed(2, 2_300, 62_000, received=6, lost=1, duplicate=2))
    found = of(WANTED, *records).recordings
    assert [("recording", None, 0, 0, 0, 0), ("complete", 59_700, 6, 1, 2, 3)] == [
        (r.state, r.duration_ms, r.received, r.lost, r.duplicate, r.invalid) for r in found
    ]
    assert [(None, None), ("2.wav", "2.json")] == [(r.audio, r.manifest) for r in found]
