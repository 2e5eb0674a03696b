"""Values in events, read with tolerance."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.fields import flag, parsed, part, repeated, stated_version, text, version

MAX_REPEATED_CHARACTERS = 16_384
MAX_VERSION = 2**62
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON)
def test_attributes_are_an_object_or_nothing(value: object) -> None:
    """As an object, or as JSON in text."""
    expected = value if isinstance(value, dict) else {}
    assert expected == parsed(json.dumps(value))
    if not isinstance(value, str):
        assert expected == parsed(value)


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading(value: str) -> None:
    """Text that is no JSON holds nothing."""
    assert isinstance(parsed(value), dict)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0), (7, 7), ("7", 7), (" 7 ", 7), ("0012", 12), (MAX_VERSION - 1, MAX_VERSION - 1),
        (MAX_VERSION, None), (str(MAX_VERSION), None), ("9" * 19, None), ("0" * 19, 0),
        ("0" * 20, None), (-1, None), ("-1", None), ("", None), ("1.0", None), (1.0, None),
        (True, None), (None, None), ([1], None), ("\u0663", None), ("1e3", None),
    ],
)  # fmt: skip
def test_a_version_is_a_whole_number(value: object, expected: int | None) -> None:
    """As number or text; a larger one could not be stored."""
    assert expected == stated_version(value)
    assert (expected or 0) == version(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), (" a b ", "a b"), ("", None), ("  ", None), (None, None), (1, None), ({}, None),
     (["a"], None), ("x" * 501, "x" * 500), (" " * 9 + "x" * 500, "x" * 500)],
)  # fmt: skip
def test_a_text_has_no_spaces_around_it(value: object, expected: str | None) -> None:
    """It is cut if it is long, and absent if nothing is left of it."""
    assert expected == text({"name": value}, "name")
    assert text({"other": value}, "name") is None


@pytest.mark.parametrize(
    ("value", "expected"), [({"b": 1}, {"b": 1}), ("{}", {}), (None, {}), ([], {})]
)
def test_a_part_is_an_object(value: object, expected: object) -> None:
    """Empty if there is none of the name."""
    assert expected == part({"a": value}, "a")
    assert {} == part({"a": value}, "b")


def test_repeated_texts_are_read_once() -> None:
    """Long texts and other values are read each time, so that they fill no memory."""
    read: list[object] = []
    once = repeated(lambda value: read.append(value) or len(read), 2)
    longest = "x" * MAX_REPEATED_CHARACTERS
    assert [1, 1, 2, 2] == [once(value) for value in ("a", "a", longest, longest)]
    assert [3, 4] == [once(longest + "x") for _ in range(2)]
    assert [5, 6] == [once(7) for _ in range(2)]
    assert [7, 7, 8] == [once(value) for value in ("b", "b", "a")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "true"), (False, "false"), ("true", "true"), ("False", "false"), ("TRUE", "true"),
        (1, None), (0, None), ("1", None), ("yes", None), ("", None), (None, None),
        (["true"], None), ({"true": True}, None),
    ],
)  # fmt: skip
def test_a_flag_is_a_boolean_or_its_name(value: object, expected: str | None) -> None:
    """Twilio writes flags as text, plugins in either way."""
    assert expected == flag({"Muted": value}, "Muted")
