"""contract.md, "Audio" and "INUM", at their edges: each sentence with its own figures."""

import hashlib
from typing import Any

import pytest

from pipeline.media.wav import HEADER_SIZE
from schemas.records import RecordingCompleted
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    Message,
    batch_of,
    closed,
    of_stream,
    opened,
)
from tests.pipeline.recordings.verifier import verify
from tests.pipeline.recordings.world import World


def recorded(*frames: Frame, at: int = T0, cut: int = 3) -> tuple[RecordingCompleted, bytes, Any]:
    """Record frames, divided into batches by `cut`. Return the reports, the audio and the
    manifest."""
    pieces = [frames[n : n + cut] for n in range(0, len(frames), cut)]
    batches = [batch_of("MZ1", 1 + n, piece) for n, piece in enumerate(pieces)]
    records = [opened("MZ1", at), *batches, closed("MZ1")]
    log = [Message(record, n, T0) for n, record in enumerate(records)]
    world = World()
    world.live(log, [(1, True)] * len(log))
    (done,) = [each for each in world.published if isinstance(each, RecordingCompleted)]
    verify(world.audio[done.recording_id], world.manifest(done.recording_id), of_stream(log, "MZ1"))
    return done, world.audio[done.recording_id][HEADER_SIZE:], world.manifest(done.recording_id)


def pair(d: int, size: int = 160) -> tuple[Frame, Frame]:
    """Two frames, the second `d` samples after the end of the first; the first is not regular."""
    first = 4_000 - d - 800  # samples from timestamp 100 on
    return Frame("inbound", 100, b"a" * first), Frame("inbound", 500, b"b" * size)


@pytest.mark.parametrize(
    ("d", "silence", "lost"),
    [
        *((0, 0, 0), (1, 0, 0), (79, 0, 0), (-1, 0, 0), (-79, 0, 0)),
        *((80, 80, 1), (81, 81, 1), (160, 160, 1), (239, 239, 1)),
        *((240, 240, 2), (241, 241, 2), (400, 400, 2), (401, 401, 3), (1_600, 1_600, 10)),
    ],
)
@pytest.mark.parametrize("cut", [1, 2])
def test_a_frame_that_follows(d, silence, lost, cut):
    """Jitter leaves no seam; a hole is silence, and counted by the rule."""
    first, second = pair(d)
    done, audio, _ = recorded(first, second, cut=cut)
    expected = b"\xff" * 800 + first.payload + b"\xff" * silence + second.payload
    assert expected == audio[::2]
    assert b"\xff" * len(expected) == audio[1::2]
    assert (2, lost, 0, 0) == (done.received, done.lost, done.duplicate, done.overlap)


@pytest.mark.parametrize("d", [-80, -81, -3_000])
def test_a_frame_that_comes_too_early(d):
    """It is left out: an overlap, and when it comes again a duplicate."""
    first, second = pair(d)
    done, audio, manifest = recorded(first, second, second)
    assert b"\xff" * 800 + first.payload == audio[::2]
    assert (1, 0, 1, 1) == (done.received, done.lost, done.duplicate, done.overlap)
    assert 1 == manifest["frames"]["overlap"]


def test_a_timestamp_that_is_repeated_at_once():
    """The second is a duplicate; the same timestamp on the other track is none."""
    done, _, _ = recorded(*(Frame(track, 100, b"x" * 160) for track in ["inbound"] * 2))
    assert (1, 1) == (done.received, done.duplicate)
    done, _, _ = recorded(*(Frame(track, 100, b"x" * 160) for track in ("inbound", "outbound")))
    assert (2, 0) == (done.received, done.duplicate)


@pytest.mark.parametrize("first", [0, 7, 99, 171, 600_000])
def test_the_first_frame_lies_at_its_timestamp(first):
    """However late, and the silence before it is no loss."""
    done, audio, _ = recorded(Frame("outbound", first, b"x" * 160))
    assert (16 * first + 320, 0) == (len(audio), done.lost)
    assert b"x" * 160 == audio[16 * first + 1 :: 2]
    assert first + 20 == done.duration_ms


@pytest.mark.parametrize("size", [1, 7, 80, 159, 161, 4_000])
def test_frames_of_other_sizes(size):
    """They are as long as they are; less than a millisecond of audio lasts 0 ms."""
    done, audio, _ = recorded(Frame("inbound", 0, b"x" * size))
    assert (2 * size, size // 8) == (len(audio), done.duration_ms)


def test_jitter_that_adds_up():
    """Frames 21 ms apart follow without a seam until they are 80 samples late: then is a hole,
    and it begins again."""
    done, audio, _ = recorded(*(Frame("inbound", 21 * n, b"x" * 160) for n in range(40)), cut=7)
    assert (40, 3) == (done.received, done.lost)
    assert 40 * 160 + 3 * 80 == len(audio) // 2


def test_the_shorter_track_is_filled_up():
    """With silence, which is no loss."""
    frames = [Frame("inbound", 0, b"x" * 160), Frame("outbound", 0, b"y" * 480)]
    done, audio, manifest = recorded(*frames)
    assert b"x" * 160 + b"\xff" * 320 == audio[::2]
    assert (0, 320) == (done.lost, manifest["tracks"]["inbound"]["filled"])


@pytest.mark.parametrize("at", [T0, 1_999, 0, 9_999_999_999_999])
def test_the_inum(at):
    """18 digits: the second of the gateway's clock, and the hash of the stream SID."""
    done, _, _ = recorded(at=at)
    digest = int.from_bytes(hashlib.sha256(b"MZ1").digest(), "big") % 10**8
    assert f"{at // 1000:010d}{digest:08d}" == done.inum
    assert 18 == len(done.inum)
