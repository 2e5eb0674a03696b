"""The query strings of the API."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from console.parameters import BadParameterError, read_search, read_unmatched


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=30)), max_size=4))
def test_any_query_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    """No query string breaks the reading."""
    with contextlib.suppress(BadParameterError):
        read_search(query)


@given(st.sampled_from(["from", "to", "limit", "cursor", "customer", "q"]), st.text(max_size=40))
def test_any_value_is_read_or_refused(name: str, value: str) -> None:
    """Nor does any value of a known parameter."""
    with contextlib.suppress(BadParameterError):
        read_search([(name, value)])


@given(st.lists(st.tuples(st.sampled_from(["unmatched", "limit", "x"]), st.text(max_size=9))))
def test_any_query_of_recordings_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    """No query string breaks the reading of `/api/recordings`."""
    with contextlib.suppress(BadParameterError):
        assert 1 <= read_unmatched(query).limit <= 500
