"""Spans as sets of moments."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.spans import Span, common, normalized, total, without

_times = st.integers(0, 300)
_loose = st.lists(st.tuples(_times, _times), max_size=6)


@given(_loose, _loose)
def test_spans_are_sets_of_moments(a: list[Span], b: list[Span]) -> None:
    """Union, intersection and difference, against sets of whole numbers."""

    def moments(spans: list[Span] | tuple[Span, ...]) -> set[int]:
        return {at for start, end in spans for at in range(start, end)}

    one, other = normalized(a), normalized(b)
    assert moments(one) == moments(a)
    assert list(one) == sorted(one)
    assert all(x[1] < y[0] for x, y in pairwise(one))
    assert moments(common(one, other)) == moments(one) & moments(other)
    assert moments(without((10, 200), one)) == moments([(10, 200)]) - moments(one)
    assert total(one) == len(moments(one))
