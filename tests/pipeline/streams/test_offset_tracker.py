"""The offset to commit."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.streams.offset_tracker import UnfinishedOffsets


@given(st.lists(st.integers(0, 100), unique=True, min_size=1), st.randoms(use_true_random=False))
def test_the_smallest_unfinished_offset_is_committed(offsets: list[int], random: object) -> None:
    """Whatever the order in which records are finished, and whatever gaps the offsets have."""
    offsets.sort()
    unfinished = UnfinishedOffsets()
    for offset in offsets:
        unfinished.begin(offset)
    left = list(offsets)
    random.shuffle(left)  # type: ignore[attr-defined]
    while left:
        assert min(left) == unfinished.committable
        unfinished.finish(left.pop())
    assert offsets[-1] + 1 == unfinished.committable


def test_nothing_begun_is_nothing_to_commit() -> None:
    """No offset is better than a wrong one."""
    assert UnfinishedOffsets().committable is None


@given(st.lists(st.integers(0, 30), max_size=60))
def test_records_that_are_read_again_are_not_begun_again(offsets: list[int]) -> None:
    """Only an offset beyond all before it counts as new."""
    unfinished, begun = UnfinishedOffsets(), list[int]()
    for offset in offsets:
        if unfinished.begin(offset):
            begun.append(offset)
            unfinished.finish(offset)

    assert sorted(set(begun)) == begun
    assert (max(offsets) + 1 if offsets else None) == unfinished.committable
