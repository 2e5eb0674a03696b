"""Kinesis' limit of five reads a second and shard is kept."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kinesis.pacing import LIVE_SHARE, LONGEST_BACK_OFF, REPLAY_SHARE, Pace, Share


@given(
    st.sampled_from([LIVE_SHARE, REPLAY_SHARE]),
    st.floats(0, 1, exclude_max=True),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 10_000_000))),
)
def test_a_reader_keeps_to_its_share(
    share: Share, phase: float, reads: list[tuple[float, int]]
) -> None:
    """For reads of any duration and size, the next read begins at least an interval after the one
    before, and not before the returned bytes are within the share."""
    pace, now = Pace(share, phase), 100.0
    begun = []
    for duration, size in reads:
        now = max(now, pace.due)
        begun.append(now)
        pace = pace.begin(now)
        now += duration
        pace = pace.answered(now, size)
        assert (pace.due - now) * share.bytes_per_second > size - 1 or share is LIVE_SHARE
    assert all(b - a > share.interval - 1e-9 for a, b in itertools.pairwise(begun))


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
    assert LIVE_SHARE.interval <= waits[0]
    assert waits[-1] <= LONGEST_BACK_OFF
    assert waits[0] == pace.answered(0.0, 0).refused(0.0, jitter).due


def test_the_shares_are_within_kinesis_limits() -> None:
    """Five reads a second for the live bridge; a replay takes at most half of the 2 MB."""
    assert Share(0.2, 10_000, float("inf")) == LIVE_SHARE
    assert Share(1.0, 1_000, 1_000_000) == REPLAY_SHARE


def test_each_refusal_in_a_row_doubles_the_wait() -> None:
    """From 0.4 s to 5 s; the jitter halves it at most."""
    pace, waits = Pace(), []
    for _ in range(6):
        pace = pace.refused(0.0, 1.0)
        waits.append(pace.due)
    assert [0.4, 0.8, 1.6, 3.2, 5.0, 5.0] == waits
    assert 2.5 == pace.refused(0.0, 0.0).due


def test_the_phase_delays_the_second_read_once() -> None:
    """The reads after it follow at the interval."""
    pace = Pace(REPLAY_SHARE, 0.5).begin(10.0)
    assert (11.5, 12.5) == (pace.due, pace.begin(11.5).due)
