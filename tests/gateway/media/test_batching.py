"""Batches of one media stream: how they are cut, numbered and described."""

import pytest

from gateway.media.batching import Batcher, Identity
from gateway.media.messages import Frame, InvalidFrame
from schemas.records import MediaBatch, Run, SequenceBreak

WHO = Identity("MZ1", "CA1", "WT1", "fc-1", 2, "gateway-0", 7)
T0 = 1_000_000


def _batch(*frames: Frame, sequence: int | None = 1) -> MediaBatch:
    """The frames as one batch, with consecutive sequence numbers."""
    batcher = Batcher(WHO, sequence=sequence)
    for number, frame in enumerate(frames):
        assert batcher.add(frame, None if sequence is None else sequence + 1 + number, T0) is None
    [batch] = batcher.cut()
    return batch


def _runs(*frames: tuple[int, int]) -> tuple[Run, ...]:
    batch = _batch(*(Frame("inbound", timestamp, bytes(size)) for timestamp, size in frames))
    return batch.tracks[0].runs


@pytest.mark.parametrize(
    ("frames", "runs"),
    [
        ([(100, 160), (120, 160), (140, 160)], [Run(100, 3, 20, 160)]),
        ([(100, 80), (120, 80), (140, 80)], [Run(t, 1, 0, 80) for t in (100, 120, 140)]),
        ([(100, 160), (110, 160), (120, 160)], [Run(t, 1, 0, 160) for t in (100, 110, 120)]),
        ([(100, 160)], [Run(100, 1, 0, 160)]),
        ([(100, 160), (120, 160), (140, 80)], [Run(100, 2, 20, 160), Run(140, 1, 0, 80)]),
    ],
)
def test_runs_state_each_frames_place_and_size(frames, runs):
    """Frames of the usual size and distance, and all others."""
    assert tuple(runs) == _runs(*frames)


def test_the_batch_says_whose_it_is_and_which_messages_it_holds():
    """The numbers are those of the first and the last frame; the tracks are in order."""
    batcher = Batcher(WHO, last_number=4, sequence=1)
    assert [] == batcher.cut()
    batcher.add(Frame("outbound", 40, b"o" * 160), 2, T0)
    batcher.add(Frame("inbound", 40, b"i" * 160), 3, T0 + 7)
    [batch] = batcher.cut()
    assert ("MZ1", "CA1", "WT1", "gateway-0", 7) == (
        batch.stream_sid, batch.call_sid, batch.task_sid, batch.gateway, batch.epoch,
    )  # fmt: skip
    assert (5, T0 + 7, 2, 3) == (
        batch.number, batch.at, batch.first_sequence, batch.last_sequence,
    )  # fmt: skip
    assert [("inbound", b"i" * 160), ("outbound", b"o" * 160)] == [
        (track.track, track.audio) for track in batch.tracks
    ]
    assert (5, 2, 0) == (batcher.batches, batcher.frames, batcher.invalid)
    batcher.add(Frame("inbound", 60, bytes(160)), 4, T0 + 8)
    [following] = batcher.cut()
    assert (6, 4, 4) == (following.number, following.first_sequence, following.last_sequence)


def test_a_batch_is_cut_before_a_frame_that_does_not_fit():
    """Half a second of media time after the track's first frame, or beyond 4,000 samples."""
    for fits, too_far in (
        (Frame("inbound", 599, bytes(160)), Frame("inbound", 600, bytes(160))),
        (Frame("inbound", 120, bytes(3_840)), Frame("inbound", 120, bytes(3_841))),
    ):
        batcher = Batcher(WHO)
        assert batcher.add(Frame("inbound", 100, bytes(160)), 1, T0) is None
        assert batcher.add(fits, 2, T0) is None
        batcher = Batcher(WHO)
        assert batcher.add(Frame("inbound", 100, bytes(160)), 1, T0) is None
        [batch] = batcher.add(too_far, 2, T0) or []
        assert (1, 1) == (batch.first_sequence, batch.last_sequence)
        assert 1 == len(batcher.cut())


def test_a_batch_is_cut_half_a_second_after_its_first_frame():
    """Also if that frame was of the other track; a clock that is set back cuts it too."""
    batcher = Batcher(WHO)
    assert [] == batcher.tick(T0)
    batcher.add(Frame("inbound", 100, bytes(160)), 1, T0)
    batcher.add(Frame("outbound", 100, bytes(160)), 2, T0 + 300)
    assert [] == batcher.tick(T0 + 499)
    assert 1 == len(batcher.tick(T0 + 500))
    batcher.add(Frame("inbound", 120, bytes(160)), 3, T0 + 600)
    assert [] == batcher.tick(T0 + 600)
    assert 1 == len(batcher.tick(T0 + 599))


def _breaks(batcher: Batcher) -> dict[str, tuple[SequenceBreak, ...]]:
    [batch] = batcher.cut()
    return {track.track: track.breaks for track in batch.tracks}


def test_a_skipped_number_and_a_hole_are_a_break_of_each_track():
    """Noted at the first frame after the hole, once, also across batches."""
    batcher = Batcher(WHO, sequence=1)
    batcher.add(Frame("inbound", 100, bytes(160)), 2, T0)
    batcher.add(Frame("outbound", 100, bytes(160)), 3, T0)
    batcher.cut()
    batcher.add(Frame("inbound", 140, bytes(160)), 6, T0)
    batcher.add(Frame("outbound", 140, bytes(160)), 7, T0)
    batcher.add(Frame("inbound", 180, bytes(160)), 8, T0)
    noted = (SequenceBreak(140, "not-received"),)
    assert {"inbound": noted, "outbound": noted} == _breaks(batcher)
    assert batcher.is_unbroken


def test_neither_a_skipped_number_nor_a_hole_alone_is_a_break():
    """Nor a number that is lower than expected, nor a track's first frame. The frames of a hole
    shorter than half a frame follow without a seam."""
    batcher = Batcher(WHO, sequence=1)
    batcher.add(Frame("inbound", 100, bytes(160)), 2, T0)
    for timestamp, sequence in ((120, 4), (160, 5), (180, 3), (220, 4), (249, 9)):
        batcher.add(Frame("inbound", timestamp, bytes(160)), sequence, T0)
    batcher.add(Frame("outbound", 300, bytes(160)), 11, T0)
    assert {"inbound": (), "outbound": ()} == _breaks(batcher)
    for timestamp, sequence in ((279, 13), (309, 15)):
        batcher.add(Frame("inbound", timestamp, bytes(160)), sequence, T0)
    assert {
        "inbound": (SequenceBreak(279, "not-received"), SequenceBreak(309, "not-received"))
    } == (_breaks(batcher))


def test_messages_without_frames_use_up_their_numbers():
    """A message without a number counts as one, and may stand for others that are missing."""
    batcher = Batcher(WHO, sequence=1)
    batcher.add(Frame("inbound", 100, bytes(160)), 2, T0)
    batcher.pass_over(3)
    batcher.add(Frame("inbound", 160, bytes(160)), 4, T0)
    assert {"inbound": ()} == _breaks(batcher)
    batcher.pass_over(None)
    assert not batcher.is_unbroken
    batcher.add(Frame("inbound", 220, bytes(160)), 6, T0)
    batcher.add(Frame("inbound", 280, bytes(160)), 7, T0)
    assert {"inbound": (SequenceBreak(220, "not-received"),)} == _breaks(batcher)


def test_the_first_number_of_a_connection_is_no_gap():
    """Nothing is known to be missing before it."""
    batcher = Batcher(WHO)
    batcher.add(Frame("inbound", 100, bytes(160)), 9, T0)
    assert batcher.is_unbroken
    batcher.add(Frame("inbound", 180, bytes(160)), 10, T0)
    assert {"inbound": ()} == _breaks(batcher)


def test_a_frame_that_cannot_be_used_is_counted_and_breaks_its_track():
    """If its track is unknown, either track may miss it, and no batch counts it."""
    batcher = Batcher(WHO, sequence=1)
    batcher.add_invalid(InvalidFrame("inbound", "payload", 2, "MZ1"), T0 + 1)
    [batch] = batcher.cut()
    assert (T0 + 1, 2, 2, 1) == (
        batch.at, batch.first_sequence, batch.last_sequence, batch.tracks[0].invalid,
    )  # fmt: skip
    for track in ("inbound", "outbound"):
        batcher.add(Frame(track, 100, bytes(160)), None, T0)
    _breaks(batcher)
    batcher = Batcher(WHO, sequence=1)
    batcher.add(Frame("inbound", 100, bytes(160)), 2, T0)
    batcher.add(Frame("outbound", 100, bytes(160)), 3, T0)
    batcher.add_invalid(InvalidFrame(None, "track", 4, "MZ1"), T0 + 1)
    batcher.add_invalid(InvalidFrame("inbound", "payload", 5, "MZ1"), T0 + 2)
    batcher.add(Frame("inbound", 160, bytes(160)), 6, T0 + 3)
    batcher.add(Frame("outbound", 160, bytes(160)), 7, T0 + 3)
    noted = (SequenceBreak(160, "undecodable"),)
    assert {"inbound": noted, "outbound": noted} == _breaks(batcher)
    assert (2, 4, 1) == (batcher.batches + 1, batcher.frames, batcher.invalid)


def test_a_frame_without_a_number_uses_up_one_number():
    """The next number is no gap, so a hole before its frame is no break; one after that is."""
    for number, breaks in ((4, ()), (5, (SequenceBreak(180, "not-received"),))):
        batcher = Batcher(WHO, sequence=1)
        batcher.add(Frame("inbound", 100, bytes(160)), 2, T0)
        batcher.add(Frame("inbound", 120, bytes(160)), None, T0)
        batcher.add(Frame("inbound", 180, bytes(160)), number, T0)
        assert {"inbound": breaks} == _breaks(batcher)
