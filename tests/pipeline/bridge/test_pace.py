"""Kinesis' limit of five reads a second and shard is kept."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.bridge.pace import LONGEST_BACK_OFF, READ_INTERVAL, Pace


@given(st.lists(st.floats(0, 3)))
def test_reads_begin_an_interval_apart(durations: list[float]) -> None:
    """However long reads take: the next begins an interval after the one before, or at once."""
    pace, now = Pace(), 100.0
    begun = []
    for duration in durations:
        now = max(now, pace.due)
        begun.append(now)
        pace = pace.begin(now)
        now += duration
        pace = pace.answered()
    assert all(b - a > READ_INTERVAL - 1e-9 for a, b in itertools.pairwise(begun))


@given(st.integers(1, 2000), st.floats(0, 1))
def test_throttling_backs_off_up_to_a_limit(times: int, jitter: float) -> None:
    """Each refusal in a row makes the wait longer, never longer than the limit; an answer ends
    it."""
    pace = Pace()
    waits = []
    for _ in range(times):
        pace = pace.refused(0.0, jitter)
        waits.append(pace.due)
    assert sorted(waits) == waits
    assert READ_INTERVAL <= waits[0]
    assert waits[-1] <= LONGEST_BACK_OFF
    assert waits[0] == pace.answered().refused(0.0, jitter).due
