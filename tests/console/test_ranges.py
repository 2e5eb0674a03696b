"""Ranges of bytes, and conditions on versions, as headers ask for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ranges import ByteRange, UnsatisfiableError, none_match_fails, wanted_span

TAG = st.text(st.characters(min_codepoint=0x23, max_codepoint=0x7E), max_size=5).map('"{}"'.format)
TEXT = st.text(max_size=30) | st.sampled_from(["http://[", "//[", "[::1", "null", "a:b:c"])


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_span_lies_within(first: int, last: int, size: int) -> None:
    """A range is answered by bytes that exist, all of it if it was none, or not at all."""
    for header_text in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            span = wanted_span(header_text, size)
        except UnsatisfiableError:
            assert first >= size or last == 0
            continue
        if span is not None:
            assert 0 <= span.start < span.end <= size


@pytest.mark.parametrize(
    "text", [None, "", "bytes=", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"]
)
def test_what_is_no_single_range_asks_for_all(text: str | None) -> None:
    """As RFC 9110 lets a server do."""
    assert wanted_span(text, 100) is None


def test_a_suffix_longer_than_all_is_all() -> None:
    """The last 200 of 100 bytes are the 100."""
    assert ByteRange(0, 100) == wanted_span("bytes=-200", 100)


@given(st.lists(st.tuples(TAG, st.booleans()), min_size=1, max_size=5), TAG, st.data())
def test_a_list_of_tags_names_the_version_if_one_tag_does(
    tags: list[tuple[str, bool]], etag: str, data: st.DataObject
) -> None:
    """Weak or not, however the list is laid out in fields."""
    fields = [""]
    for tag, is_weak in tags:
        fields[-1] += data.draw(st.sampled_from(["", " ", ", ,"])) + ("W/" if is_weak else "") + tag
        if data.draw(st.booleans()):
            fields.append("")
        else:
            fields[-1] += data.draw(st.sampled_from([",", " , "]))
    assert (etag in [tag for tag, _ in tags]) == none_match_fails(fields, etag)


@given(st.lists(TEXT, max_size=3))
def test_no_header_breaks_the_condition(fields: list[str]) -> None:
    """A header that is not a list of tags is ignored, except for `*`."""
    if '"' not in "".join(fields):
        is_star = [f.strip(" \t") for f in fields if f.strip(" \t,")] == ["*"]
        assert is_star or not none_match_fails(fields, '"x"')
