"""The peaks of a recording's audio."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.peaks import NotAWavError, Peaks, find_samples
from pipeline.media.wav import header


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=6), st.integers(1, 40))
def test_peaks_do_not_depend_on_the_cut(audio: bytes, cuts: list[int], buckets: int) -> None:
    """However the audio is cut into pieces, its peaks are the same, and no more than asked for."""
    audio = audio[: len(audio) // 2 * 2]
    frames = len(audio) // 2
    whole, pieces = Peaks(frames, buckets), Peaks(frames, buckets)
    whole.feed(audio)
    edges = [0, *sorted(min(cut, len(audio)) for cut in cuts), len(audio)]
    for start, end in itertools.pairwise(edges):
        pieces.feed(audio[start:end])
    assert (whole.left, whole.right) == (pieces.left, pieces.right)
    assert len(whole.left) == len(whole.right) <= buckets
    assert whole.left == [] or all(0 <= peak <= 1 for peak in whole.left + whole.right)


def test_peaks_know_left_from_right() -> None:
    """The first byte of each pair is the left side's; 0xFF is silence, 0x00 the loudest."""
    peaks = Peaks(2, 1)
    peaks.feed(b"\x00\xff\xff\xff")
    assert ([1.0], [0.0]) == (peaks.left, peaks.right)


def test_the_samples_of_our_wav_are_found() -> None:
    """Right behind the header, to the end."""
    head = header(100)
    samples = find_samples(head, len(head) + 200)
    assert (len(head), len(head) + 200) == (samples.start, samples.end)


@given(st.binary(max_size=100))
def test_what_is_no_wav_is_refused(data: bytes) -> None:
    """By an error of its own."""
    with pytest.raises(NotAWavError):
        find_samples(data, len(data))
