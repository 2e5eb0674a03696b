"""Batches and their frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.batch import AudioFrame, MalformedBatch, check, frames, run_audio
from pipeline.media.runs import runs_of
from schemas.records import MediaBatch, Run, TrackBatch


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


def test_each_run_has_its_own_bytes():
    """In the order of the runs."""
    runs = (Run(0, 2, 20, 3), Run(60, 1, 0, 2), Run(80, 3, 20, 1))
    found = list(run_audio(TrackBatch("inbound", runs, 0, b"aaabbbccdef")))
    assert list(zip(runs, [b"aaabbb", b"cc", b"def"], strict=True)) == found


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
