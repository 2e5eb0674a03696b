"""When a file is closed, and which records it has."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.layout import day_of
from pipeline.lake.partition import Closing, FileLimits, LogDiffers, Partition, to_read
from tests.pipeline.lake.landers import DAY_MS, Record

RECORD_BYTES = 500
LIMITS = FileLimits(size=10 * RECORD_BYTES, age=300.0)


def opened(*days: int, start: int = 0, claimed: int | None = None) -> Partition:
    """Return a partition opened at time 0, with a record of each day, from `start` on."""
    made = Partition(start, claimed, 0.0)
    made.add([Record(start + n, day * DAY_MS) for n, day in enumerate(days)], 0.0)
    return made


def test_a_file_is_closed_by_size_day_and_age() -> None:
    """The limits of the settings hold; a record of another day closes the file at once."""
    assert opened().due(10_000.0, LIMITS) is None
    assert Closing.SIZE is opened(*[0] * 10).due(0.0, LIMITS)
    assert Closing.DAY is opened(0, 0, 1).due(0.0, LIMITS)
    old = Partition(0, None, 0.0)
    old.add([Record(0, 0)], 10_000.0)
    assert old.due(10_299.0, LIMITS) is None
    assert Closing.AGE is old.due(10_300.0, LIMITS)


def test_the_first_files_are_closed_early() -> None:
    """At half of the age of the process."""
    young = Partition(0, None, 0.0)
    young.add([Record(0, 0)], 100.0)
    assert young.due(199.0, LIMITS) is None
    assert Closing.AGE is young.due(200.0, LIMITS)


def test_the_size_is_that_of_the_records_that_wait() -> None:
    """Of their keys and values, and 500 bytes for each."""
    made = opened()
    assert 0 == made.size
    made.add([Record(0, 0, b"key", b"value"), Record(1, 0)], 0.0)
    assert 8 + 2 * RECORD_BYTES == made.size


@given(st.floats(0.5, 5_000), st.floats(0.1, 0.9))
def test_a_lander_that_is_killed_loses_no_more_than_half(killed: float, poll: float) -> None:
    """Of the time for which it read a partition without a pause, at most half, a second and a poll
    is not landed when it ends; later at most the age of the settings."""
    partition, now, offset = Partition(0, None, 0.0), 0.0, 0
    landed_at = 0.0
    while now < killed:
        partition.add([Record(offset, 0)], now)
        offset += 1
        if partition.due(now, FileLimits(2**60, 300.0)):
            partition.landed(partition.next_file().end, now)
            landed_at = now
        now += max(poll, killed / 2_000)
    lost = killed - landed_at
    assert lost <= min(300.0, max(1.0, killed / 2)) + 2 * max(poll, killed / 2_000)


@given(st.lists(st.integers(0, 2), min_size=1), st.integers(0, 5))
def test_files_take_all_records_in_order(days: list[int], start: int) -> None:
    """Each file begins at the end of the one before it, and has records of one day."""
    partition, found = opened(*days, start=start), []
    while len(partition):
        file = partition.next_file()
        assert file.start == partition.start
        assert {day_of(record.timestamp) for record in file.records} == {file.day}
        found += [record.offset for record in file.records]
        assert not partition.landed(file.end, 1.0)
    assert [*range(start, start + len(days))] == found
    assert (0, start + len(days)) == (partition.size, partition.position)


def test_another_landers_file_may_end_earlier_or_later() -> None:
    """Its records are dropped here; if it has more than was read, reading continues behind it."""
    partition = opened(0, 0, 0, 1)
    assert not partition.landed(2, 5.0)
    assert [2] == [record.offset for record in partition.next_file().records]
    assert partition.landed(9, 6.0)
    assert (9, 9, 0, 0) == (partition.start, partition.position, len(partition), partition.size)
    partition.add([Record(8, 0), Record(9, DAY_MS)], 7.0)
    assert [9] == [record.offset for record in partition.next_file().records]


def test_a_claimed_day_holds() -> None:
    """If the first record that is left is of another day, the file has none; if it is the very
    record at the beginning, the log is another one than that which was landed."""
    partition = Partition(5, 0, 0.0)
    partition.add([Record(7, DAY_MS)], 0.0)
    file = partition.next_file()
    assert (5, 7, 0, 0) == (file.start, file.end, file.day, len(file.records))
    assert Closing.DAY is partition.due(0.0, LIMITS)
    try:
        opened(1, start=5, claimed=0).next_file()
    except LogDiffers:
        return
    raise AssertionError("a file that ends at its beginning")


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 12 * RECORD_BYTES)),
    st.sets(st.integers(0, 9)),
)
def test_memory_is_bounded(sizes: dict[int, int], unread: set[int]) -> None:
    """Nothing is read from four files' worth on; from two on only partitions that can grow."""
    chosen = to_read(sizes, unread, LIMITS)
    total = sum(sizes.values())
    if total < 2 * LIMITS.size:
        assert chosen is None
        return
    assert chosen is not None
    assert total < 4 * LIMITS.size or not chosen
    assert all(each in unread and sizes.get(each, 0) < LIMITS.size for each in chosen)
    left = {sizes.get(each, 0) for each in unread - {*chosen} if sizes.get(each, 0) < LIMITS.size}
    assert not chosen or max(left, default=0) <= min(sizes.get(each, 0) for each in chosen)


def test_what_is_read_depends_on_what_waits() -> None:
    """From two files' worth on the fullest partitions that can grow; from four on nothing."""
    sizes = {1: LIMITS.size - 1, 2: 2, 3: 1}
    assert to_read({0: LIMITS.size - 3, **sizes}, [1, 2, 3], LIMITS) is None
    assert [1, 2] == to_read({0: LIMITS.size - 2, **sizes}, [1, 2, 3], LIMITS)
    assert [1, 2] == to_read({0: 3 * LIMITS.size - 3, **sizes}, [1, 2, 3], LIMITS)
    assert [] == to_read({0: 3 * LIMITS.size - 2, **sizes}, [1, 2, 3], LIMITS)
