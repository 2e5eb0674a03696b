"""A period holds what Kinesis took in it; a shard is left once nothing of it can follow."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kinesis.messages import KinesisRecord
from pipeline.kinesis.period import ALWAYS, Period

LEEWAY_MS = 1_000
times = st.integers(0, 5_000)


def records(arrivals: list[int]) -> tuple[KinesisRecord, ...]:
    """One for each arrival time, in that order."""
    return tuple(KinesisRecord(str(n), at, b"") for n, at in enumerate(arrivals))


@given(times, times, st.lists(st.tuples(times, st.integers(0, LEEWAY_MS - 1))), st.integers(1, 5))
def test_all_of_a_period_is_read(
    begins: int, ends: int, arrivals: list[tuple[int, int]], size: int
) -> None:
    """Reading in batches yields exactly the records of the period, in order, even if arrival times
    go back by less than the leeway."""
    period = Period(begins, ends)
    rising = sorted(at for at, _ in arrivals)
    shard = records([at - back for at, (_, back) in zip(rising, arrivals, strict=True)])
    found: list[KinesisRecord] = []
    for start in range(0, len(shard), size):
        batch = shard[start : start + size]
        found += period.of(batch)
        if period.is_over(batch, 0, 10_000):
            break
    assert [each for each in shard if begins <= each.arrived_at < ends] == found


@given(st.lists(times), st.integers(0, 100))
def test_always_has_no_end(arrivals: list[int], behind_ms: int) -> None:
    """Everything is of it, and it is never over."""
    assert records(arrivals) == ALWAYS.of(records(arrivals))
    assert not ALWAYS.is_over(records(arrivals), behind_ms, 2**60)


def test_a_silent_shard_is_over_once_the_end_has_passed() -> None:
    """An empty read is the end only at the tip, and only once the period's end is past."""
    period = Period(0, 1_000)
    later = 1_000 + LEEWAY_MS
    over = [period.is_over((), behind, now) for behind, now in [(0, later), (0, 999), (5, later)]]
    assert [True, False, False] == over


def test_the_begin_belongs_to_a_period_and_the_end_does_not() -> None:
    """Periods that follow each other hold each record once."""
    found = Period(10, 20).of(records([9, 10, 19, 20]))
    assert [10, 19] == [record.arrived_at for record in found]
