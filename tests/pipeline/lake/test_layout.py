"""The names of files and days in a lake."""

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
