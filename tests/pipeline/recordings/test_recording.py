"""The numbers of a recording's batches."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings.recording import Batches, batches_of, with_range
from schemas.records import BatchRange
from tests.pipeline.recordings.closing import closing_checkpoint

NUMBERS = st.lists(st.integers(1, 30), max_size=40)


def numbers_in(ranges: tuple[BatchRange, ...]) -> list[int]:
    return [n for each in ranges for n in range(each.first, each.last + 1)]


@given(NUMBERS)
def test_the_numbers_that_came_are_known(numbers: list[int]) -> None:
    """Ranges are ascending and apart, and hold each number once, in whatever order they came."""
    batches = Batches()
    for number in numbers:
        batches = batches.with_number(number)
    assert sorted(set(numbers)) == numbers_in(batches.ranges)
    assert all(a.last + 1 < b.first for a, b in pairwise(batches.ranges))
    assert {n for n in range(32) if batches.has(n)} == set(numbers)


@given(NUMBERS)
def test_a_number_is_missing_until_the_highest(numbers: list[int]) -> None:
    """Each number up to the highest was counted or skipped when a higher one came; a number that is
    not higher than all before it is a repetition."""
    batches, highest, skipped, repeated = Batches(), 0, 0, 0
    for number in numbers:
        batches = batches.with_number(number)
        skipped += max(0, number - highest - 1)
        repeated += number <= highest
        highest = max(highest, number)
    assert (len(numbers), highest) == (batches.count, batches.last)
    assert (skipped, repeated) == (batches.missing, batches.repeated)


@given(NUMBERS, st.integers(0, 9))
def test_consecutive_batches_at_once_are_batches_one_by_one(numbers: list[int], count: int) -> None:
    """`with_next` is a quick way for the regular case."""
    quick = slow = Batches()
    for number in numbers:
        quick = slow = slow.with_number(number)
    for _ in range(count):
        slow = slow.with_number(slow.last + 1)
    assert slow == quick.with_next(count)


@pytest.mark.parametrize(
    ("first", "last", "missing", "dropped", "highest"),
    [
        (6, 8, 0, 3, 8),  # right behind the last that came
        (8, 9, 2, 2, 9),  # 6 and 7 are missing without a report
        (4, 7, 0, 2, 7),  # 4 and 5 came all the same
        (2, 5, 0, 0, 5),  # nothing new
    ],
)
def test_dropped_batches(first: int, last: int, missing: int, dropped: int, highest: int) -> None:
    """Only numbers beyond the highest count as dropped; numbers between are missing."""
    batches = Batches().with_next(5).with_dropped(first, last)
    assert (missing, dropped, highest) == (batches.missing, batches.dropped, batches.last)
    assert [1, 2, 3, 4, 5] == numbers_in(batches.ranges)


def test_batches_after_the_last_that_came_are_missing() -> None:
    """The close says how many were sent."""
    assert 3 == Batches().with_next(5).up_to(8).missing
    assert 0 == Batches().with_next(5).up_to(5).missing
    assert 0 == Batches().with_next(5).up_to(0).missing


def test_a_checkpoint_has_the_numbers() -> None:
    """One of an earlier version has the highest number only: all up to it came."""
    ranges = (BatchRange(2, 3),)
    checkpoint = replace(
        closing_checkpoint("MZ1"),
        batches=4, last_batch=9, missing_batches=3, repeated_batches=2, dropped_batches=1,
        ranges=ranges,
    )  # fmt: skip
    assert Batches(4, 9, 3, 2, 1, ranges) == batches_of(checkpoint)
    earlier = replace(checkpoint, by_task=False)
    assert (BatchRange(1, 9),) == batches_of(earlier).ranges
    assert ranges == batches_of(replace(earlier, last_batch=0)).ranges


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=12))
def test_ranges_are_a_set_of_numbers(pairs: list[tuple[int, int]]) -> None:
    """Whatever overlaps or touches becomes one range."""
    ranges: tuple[BatchRange, ...] = ()
    expected: set[int] = set()
    for first, more in pairs:
        ranges = with_range(ranges, BatchRange(first, first + more))
        expected |= set(range(first, first + more + 1))
    assert sorted(expected) == numbers_in(ranges)
    assert all(a.last + 1 < b.first for a, b in pairwise(ranges))
