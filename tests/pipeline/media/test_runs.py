"""Frames go into runs and batches and come out as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.runs import frames_of, runs_of
from schemas.records import Run

frame_lists = st.lists(
    st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 10**8)), st.sampled_from([160, 8, 1])),
    max_size=50,
)


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


@pytest.mark.parametrize(("step", "runs"), [(10, 2), (11, 1), (20, 1), (29, 1), (30, 2)])
def test_jitter_of_less_than_ten_ms_is_no_gap(step, runs):
    """In either direction: frames of 20 ms come 11 to 29 ms apart."""
    assert runs == len(runs_of([(100, 160), (100 + step, 160)]))
