"""The names of files and days in a lake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.layout import PartitionRef, day_from, day_of, day_text, start_of


@given(st.integers(-(2**63), 2**63 - 1))
def test_each_time_has_a_day(timestamp: int) -> None:
    """Also one that no calendar has."""
    day = day_of(timestamp)
    assert day == day_from(day_text(day))


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_keys_sort_as_offsets(one: int, other: int) -> None:
    """Stores list keys in their order as texts."""
    ref = PartitionRef("calls", 3)
    assert (one < other) == (ref.claim_key(one) < ref.claim_key(other))
    assert one == start_of(ref.claim_key(one))
    assert start_of(f"{ref.claims}/.hidden") is None


def test_the_keys_of_a_partition() -> None:
    """A change of a key would hide the objects that were written before."""
    ref, start = PartitionRef("calls", 3), 7
    assert "topic=calls/day=1970-01-02/03-00000000000000000007.parquet" == ref.file_key(1, start)
    assert "_claims/calls/03/00000000000000000007" == ref.claim_key(start)
    assert "_heads/calls/03" == ref.head_key


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (-1, "1970-01-01"),
        (86_399_999, "1970-01-01"),
        (86_400_000, "1970-01-02"),
        (1_790_000_000_000, "2026-09-21"),
        (253_402_300_799_999, "9999-12-31"),
        (2**62, "9999-12-31"),
    ],
)
def test_a_day_is_that_of_utc(timestamp: int, text: str) -> None:
    """A time without a day of its own counts as of the first or the last one."""
    assert text == day_text(day_of(timestamp))
