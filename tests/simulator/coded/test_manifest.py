"""The missing frames of a manifest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.manifest import (
    EndOfStream,
    Hole,
    Track,
    WithheldFrames,
    contradictions,
    end_of,
    reason_of,
    track_of,
    withheld_of,
)

SIZE = 160


def received(at: int, frames: int) -> dict[str, Any]:
    """A range of heard frames of 20 ms."""
    return {"kind": "received", "at": at, "frames": frames, "size": SIZE}


def lost(at: int, frames: int, reason: str = "not-received") -> dict[str, Any]:
    """A range of missing frames."""
    return {"kind": "lost", "at": at, "samples": frames * SIZE, "frames": frames, "reason": reason}


def segment(*ranges: dict[str, Any], left_out: tuple[int, ...] = ()) -> dict[str, Any]:
    """A segment with one track; `left_out`: the frames of each run that is not in the audio."""
    runs = [{"frames": frames} for frames in left_out]
    return {"tracks": {"inbound": {"ranges": list(ranges), "left_out": runs}}}


SILENCE = {"kind": "silence", "at": 0, "samples": 320, "reason": "start"}


def test_a_track_is_the_ranges_of_all_segments() -> None:
    """Heard and left-out frames are added up, silence is no hole, and a segment without the track
    adds nothing."""
    manifest = {
        "segments": [
            segment(SILENCE, received(320, 2), lost(640, 1), left_out=(1, 2)),
            {"tracks": {}},
            segment(received(800, 3), left_out=(4,)),
        ]
    }
    hole = Hole(640, 800, 1, "not-received")
    assert Track(5, 7, 1280, (hole,), ()) == track_of(manifest, "inbound")
    assert Track(0, 0, 0, (), ()) == track_of(manifest, "outbound")


@pytest.mark.parametrize("at", [319, 321])
def test_ranges_must_adjoin(at: int) -> None:
    """A range that begins before or after the end of the one before contradicts it."""
    track = track_of({"segments": [segment(received(0, 2), received(at, 1))]}, "inbound")
    assert (f"inbound: a range at {at}, the one before ends at 320",) == track.broken


def test_withheld_frames_are_not_heard() -> None:
    """Their span is not in the audio: neither its frames nor the holes that begin in it count, and
    the length is the manifest's."""
    manifest = {
        "segments": [segment(received(0, 2), lost(320, 1), received(480, 1), lost(640, 1))],
        "withheld": [{"at": 320, "samples": 320, "frames": {"inbound": 1, "outbound": 2}}],
        "tracks": {"inbound": {"samples": 480}},
    }
    (span,) = withheld_of(manifest)
    assert WithheldFrames(320, 640, {"inbound": 1, "outbound": 2}) == span
    track = track_of(manifest, "inbound")
    assert (2, 480, (Hole(640, 800, 1, "not-received"),)) == (
        track.received, track.samples, track.holes,
    )  # fmt: skip


def test_a_span_holds_frames_that_are_early() -> None:
    """A frame's timestamp may be 2 ms before its place, at both ends of the span."""
    span = WithheldFrames(320, 640, {})
    assert [False, True, True, False] == [span.holds(ms) for ms in (37, 38, 77, 78)]


def test_the_end_is_of_both_tracks_or_of_each() -> None:
    """A manifest without such frames has no end; one that lists the tracks has their holes."""
    assert end_of({}) is None
    assert end_of({"lost_at_end": 0}) is None
    lost_frames = {"frames": 9, "until_ms": 500, "reason": "gateway-died"}
    assert EndOfStream(9, 500, "gateway-died") == end_of({"lost_at_end": lost_frames})
    tracks = {"inbound": [lost(0, 2, "not-sent")], "outbound": []}
    found = end_of({"lost_at_end": lost_frames | {"tracks": tracks}})
    assert found is not None
    assert {"inbound": (Hole(0, 320, 2, "not-sent"),), "outbound": ()} == found.holes


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), st.integers(0, 9), st.booleans())
def test_sums_must_be_those_of_their_parts(by: dict[str, int], frames: int, other: bool) -> None:
    """Lost frames by reason, if the manifest has them, and withheld ones by span; of withheld
    frames, no spans is as good as none."""
    spans = [{"at": 0, "samples": 1, "frames": {"inbound": frames, "outbound": 1}}]
    sums = {"lost": sum(by.values()) + other, "withheld": frames + 1 + other}
    manifest = {"lost_for": by, "frames": sums, "withheld": spans}
    wrong = contradictions(manifest)
    assert [text.partition(",")[0] for text in wrong] == (["lost", "withheld"] if other else [])
    del manifest["lost_for"]
    assert ["withheld"] * other == [t.partition(",")[0] for t in contradictions(manifest)]


TRACK = Track(0, 0, 1600, (Hole(320, 480, 1, "first"), Hole(800, 960, 1, "second")), ())


@pytest.mark.parametrize(
    ("reason", "timestamps"),
    [
        ("first", (31, 40, 59)),
        ("second", (91, 100, 119)),
        (None, (0, 30, 60, 90, 120, 200)),
    ],
)
def test_a_hole_has_the_reason_of_the_frames_in_it(
    reason: str | None, timestamps: tuple[int, ...]
) -> None:
    """Of frames that would begin in it, or less than 10 ms before it."""
    assert {reason} == {reason_of(at, "inbound", TRACK, None) for at in timestamps}


def test_the_end_has_the_reason_of_the_frames_after_the_audio() -> None:
    """Until its media time. If it lists the tracks, only the holes of the frame's track count."""
    both = EndOfStream(9, 500, "gateway-died")
    found = [reason_of(at, "inbound", TRACK, both) for at in (190, 191, 499, 500)]
    assert [None, "gateway-died", "gateway-died", None] == found
    each = EndOfStream(9, 500, "gateway-died", {"outbound": (Hole(1600, 1760, 1, "not-sent"),)})
    assert ["not-sent", None] == [reason_of(200, n, TRACK, each) for n in ("outbound", "inbound")]
    assert "first" == reason_of(45, "inbound", TRACK, each)
    assert reason_of(300, "outbound", TRACK, each) is None
