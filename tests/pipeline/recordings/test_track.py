"""One track of a recording: frames in place, reasons for missing ones, pending state."""

import pytest

from pipeline.recordings.track import TrackAssembler
from schemas.records import (
    DroppedStretch,
    LeftOutRun,
    PlacedRun,
    RecorderTrack,
    Run,
    SegmentTrack,
    SequenceBreak,
    TrackBatch,
)

EMPTY = RecorderTrack("inbound", None, 0, 0, 0, 0, 0, False, (), (), {}, "")


def batch(*runs: Run, invalid: int = 0, breaks: dict[int, str] | None = None) -> TrackBatch:
    """A batch of these runs, each with audio of its own."""
    audio = b"".join(bytes([65 + n]) * run.frames * run.size for n, run in enumerate(runs))
    noted = tuple(SequenceBreak(at, reason) for at, reason in (breaks or {}).items())
    return TrackBatch("inbound", runs, invalid, audio, noted)


def track(*batches: TrackBatch) -> TrackAssembler:
    made = TrackAssembler(EMPTY)
    for each in batches:
        made.add(each)
    return made


def regular(timestamp: int, frames: int = 1) -> Run:
    return Run(timestamp, frames, 20 if frames > 1 else 0, 160)


def placed(made: TrackAssembler) -> list[tuple[int, int, int, int, str]]:
    """Timestamp, frames, silence before, lost frames in it, and the reason of each pending run."""
    runs = made.pending().runs
    return [(r.timestamp, r.frames, r.silence, r.lost, r.reason) for r in runs]


def test_frames_that_continue_the_run_are_gathered_and_join_it():
    """Nothing differs from placing them batch by batch."""
    quick, slow = track(batch(regular(100, 2))), track(batch(regular(100, 2)))
    assert 140 == quick.goes_on_at
    for at in (140, 180):
        assert at == quick.goes_on_at
        quick.gather(b"A" * 320)
        slow.add(batch(regular(at, 2)))
    assert (220 * 8, 1, 6 * 160) == (quick.end, quick.pending_runs, quick.pending_bytes)
    assert (slow.end, slow.goes_on_at) == (quick.end, quick.goes_on_at)
    assert slow.pending() == quick.pending()
    assert slow.state() == quick.state()
    assert (220 * 8, 220) == (quick.end, quick.goes_on_at)
    quick.gather(b"A" * 160)
    slow.add(batch(regular(220)))
    assert slow.cut() == quick.cut()
    assert slow.state() == quick.state()


@pytest.mark.parametrize(
    ("runs", "at"),
    [
        ((), -1),
        ((regular(100),), 120),
        ((regular(100, 3),), 160),
        ((regular(100), regular(120)), 140),
        ((Run(100, 1, 0, 80),), -1),
        ((Run(100, 2, 21, 160),), -1),
        ((regular(100, 2), regular(149)), 169),
        ((regular(100, 2), regular(145), regular(170), regular(194)), -1),
    ],
)
def test_only_a_regular_run_continues(runs, at):
    """Frames of 160 samples, 20 ms apart, with timestamps near their place."""
    assert at == track(batch(*runs)).goes_on_at


def test_no_run_continues_in_a_new_segment():
    """Its first batch is placed, as a segment's runs do not continue those of another."""
    made = track(batch(regular(0, 2), invalid=3))
    assert SegmentTrack("inbound", 0, made.pending().runs, (), 3, b"A" * 320) == made.cut()
    assert (-1, 0, 0, 320) == (made.goes_on_at, made.pending_bytes, made.pending_runs, made.end)
    assert SegmentTrack("inbound", 320, (), (), 0, b"") == made.pending()
    made.add(batch(regular(40)))
    assert [(40, 1, 0, 0, "")] == placed(made)
    assert (3, 3) == (made.state().received, made.state().invalid)


def test_a_track_is_taken_up_from_its_state_and_pending_part():
    """As if it had never been interrupted."""
    first, then = batch(regular(100, 2), regular(100), invalid=1), batch(regular(200), invalid=2)
    uninterrupted, begun = track(first), track(first)
    begun.batch_missing()
    uninterrupted.batch_missing()
    resumed = TrackAssembler(begun.state(), begun.pending())
    assert begun.goes_on_at == resumed.goes_on_at
    for made in (uninterrupted, resumed):
        made.add(then)
    assert (uninterrupted.state(), uninterrupted.pending()) == (resumed.state(), resumed.pending())
    assert (3, uninterrupted.pending_bytes) == (resumed.pending().invalid, resumed.pending_bytes)


def test_silence_before_the_first_frame_is_no_loss():
    """Unless frames before it were dropped, which made it late."""
    assert [(100, 1, 800, 0, "start")] == placed(track(batch(regular(100))))
    late = TrackAssembler(EMPTY)
    late.drop((regular(40, 3),), "spill-full")
    late.add(batch(regular(100)))
    assert [(0, 0, 320, 0, "start"), (100, 1, 480, 3, "spill-full")] == placed(late)
    assert {"spill-full": 3} == late.state().lost_for
    near = TrackAssembler(EMPTY)
    near.drop((Run(91, 1, 0, 160),), "spill-full")
    near.add(batch(regular(100)))
    assert [(100, 1, 800, 0, "start")] == placed(near)


@pytest.mark.parametrize(
    ("breaks", "missing", "reason"),
    [
        ({}, False, "not-sent"),
        ({160: "not-received"}, False, "not-received"),
        ({160: "undecodable"}, False, "undecodable"),
        ({999: "not-received"}, False, "not-sent"),
        ({160: "not-received"}, True, "batch-missing"),
    ],
)
def test_a_hole_has_the_reason_that_is_known_of_it(breaks, missing, reason):
    """A missing batch, else the gateway's word on the sequence numbers; without any, Twilio sent
    nothing. The next hole starts anew."""
    made = track(batch(regular(100)))
    if missing:
        made.batch_missing()
    made.add(batch(regular(160), breaks=breaks))
    made.add(batch(regular(220)))
    assert [(160, 1, 320, 2, reason), (220, 1, 320, 2, "not-sent")] == placed(made)[1:]
    lost = {reason: 2} | {"not-sent": 4 if reason == "not-sent" else 2}
    assert (lost, 4) == (made.state().lost_for, made.state().lost)


def test_a_missing_batch_explains_only_the_hole_after_it():
    """Frames that were gathered before it came before it."""
    made = track(batch(regular(100, 2)))
    made.gather(b"A" * 160)
    made.batch_missing()
    assert made.state().batch_missing
    made.add(batch(regular(160), regular(220)))
    assert not made.state().batch_missing
    assert [(100, 4, 800, 0, "start"), (220, 1, 320, 2, "not-sent")] == placed(made)


def test_dropped_frames_explain_their_part_of_a_hole():
    """The rest beside them may have been received; what the track has audio for is not missing."""
    made = track(batch(regular(100, 2)))
    made.gather(b"A" * 160)
    made.drop((regular(140),), "spill-full")
    assert () == made.state().dropped
    made.drop((regular(140, 3),), "spill-full")
    assert (DroppedStretch(1_120, 1_600, "spill-full"),) == made.state().dropped
    made.add(batch(regular(240)))
    assert [(0, 0, 320, 2, "spill-full"), (240, 1, 320, 2, "not-received")] == placed(made)[1:]
    assert () == made.state().dropped
    assert {"spill-full": 2, "not-received": 2} == made.state().lost_for


def test_a_break_at_a_frame_that_is_left_out_explains_the_next_hole():
    """A number that was not received outweighs a frame that could not be decoded."""
    made = track(batch(regular(100, 2)))
    made.add(batch(regular(100), breaks={100: "not-received"}))
    made.add(batch(regular(120), breaks={120: "undecodable"}))
    assert "not-received" == made.state().break_reason
    made.add(batch(regular(180)))
    assert [(180, 1, 320, 2, "not-received")] == placed(made)[1:]
    assert "" == made.state().break_reason


def test_frames_that_are_left_out_form_runs_too():
    """Repeated frames and overlapping ones apart; each run with its step and size."""
    made = track(batch(regular(100, 4)))
    made.add(batch(regular(100, 3), regular(130), Run(160, 1, 0, 80)))
    assert (
        LeftOutRun(100, 3, 20, 160, True),
        LeftOutRun(130, 1, 0, 160, False),
        LeftOutRun(160, 1, 0, 80, True),
    ) == made.pending().left_out
    assert 4 == made.pending_runs
    assert (4, 4, 1) == (made.state().received, made.state().duplicate, made.state().overlap)
    assert b"A" * 640 == made.pending().audio


def test_runs_join_only_with_the_same_step_and_size():
    """The step of a run of one frame is that of the frame after it."""
    made = track(batch(regular(0), regular(20), Run(40, 2, 20, 160), Run(80, 2, 21, 160)))
    assert (
        PlacedRun(0, 4, 20, 160, 0, 0, ""),
        PlacedRun(80, 2, 21, 160, 0, 0, ""),
    ) == made.pending().runs
    made = track(batch(regular(0), Run(20, 1, 0, 80), Run(30, 1, 0, 80)))
    assert [(0, 1, 160), (20, 2, 80)] == [
        (r.timestamp, r.frames, r.size) for r in made.pending().runs
    ]


def test_lost_frames_of_an_earlier_checkpoint_get_a_reason():
    """Checkpoints once counted lost frames without their reasons."""
    earlier = RecorderTrack(
        "inbound", 800, 5, 7, 0, 0, 0, False, (), (), {"batch-missing": 4, "not-received": 1}, ""
    )
    assert {"batch-missing": 4, "not-received": 3} == TrackAssembler(earlier).state().lost_for
    assert 7 == TrackAssembler(earlier).state().lost
