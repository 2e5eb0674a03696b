"""Frames go into runs and batches and come out as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.batch import AudioFrame, MalformedBatch, check, frames, run_audio
from pipeline.media.runs import frames_of, runs_of
from schemas.records import MediaBatch, Run, TrackBatch

frame_lists = st.lists(
    st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 10**8)), st.sampled_from([160, 8, 1])),
    max_size=50,
)


def batch_of(**tracks: list[tuple[int, bytes]]) -> MediaBatch:
    made = tuple(
        TrackBatch(
            track,
            runs_of((timestamp, len(payload)) for timestamp, payload in frames_),
            0,
            b"".join(payload for _, payload in frames_),
        )
        for track, frames_ in tracks.items()
    )
    return MediaBatch("MZ1", "CA1", "WT1", "gateway-0", 1, 1, 1, 1, 2, made)


@given(frame_lists)
def test_runs_hold_exactly_the_frames(given_frames):
    """In their order, whatever they are."""
    assert given_frames == list(frames_of(runs_of(given_frames)))


def test_regular_frames_are_one_run():
    """25 frames of 20 ms take one run."""
    regular = [(119 + 20 * n, 160) for n in range(25)]
    assert (Run(119, 25, 20, 160),) == runs_of(regular)


def test_a_run_holds_no_gap():
    """A frame after a hole begins a run, and the regular frames after it belong to that one."""
    assert (Run(100, 1, 0, 160), Run(300, 3, 20, 160)) == runs_of(
        [(100, 160), (300, 160), (320, 160), (340, 160)]
    )


@given(
    st.lists(st.tuples(st.integers(0, 500), st.binary(min_size=1, max_size=9)), max_size=20),
    st.lists(st.tuples(st.integers(0, 500), st.binary(min_size=1, max_size=9)), max_size=20),
)
def test_a_batch_gives_its_frames_back(inbound, outbound):
    """Track after track, in order of arrival, each with its own bytes."""
    batch = batch_of(inbound=inbound, outbound=outbound)
    expected = [AudioFrame("inbound", t, p) for t, p in inbound]
    expected += [AudioFrame("outbound", t, p) for t, p in outbound]
    assert expected == list(frames(batch))
    for track in batch.tracks:
        assert track.audio == b"".join(audio for _, audio in run_audio(track))


@pytest.mark.parametrize(
    ("runs", "size"),
    [
        ((Run(0, 2, 20, 160),), 160),
        ((Run(0, 2, 0, 160),), 320),
        ((Run(-20, 1, 0, 160),), 160),
        ((Run(0, 0, 0, 160),), 0),
        ((Run(0, 1, -1, 160),), 160),
    ],
)
def test_runs_that_do_not_describe_the_audio_are_refused(runs, size):
    """A batch like that is no batch of ours."""
    with pytest.raises(MalformedBatch):
        check(TrackBatch("inbound", runs, 0, bytes(size)))
