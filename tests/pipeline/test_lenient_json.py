"""JSON as JavaScript and Python read it."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lenient_json import REPLACEMENT, Unreadable, loads, read, written

MAX_DEPTH = 200
DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":"x \\ud83d"}', {"a": f"x {REPLACEMENT}"}),
        ('{"a":"\\ude00\\uD83D"}', {"a": REPLACEMENT * 2}),
        ('{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"a":"\\uD83d\\uDE00\\ud83d"}', {"a": f"\U0001f600{REPLACEMENT}"}),
        ('{"a":"\\ud83d\\n"}', {"a": f"{REPLACEMENT}\n"}),
        ('{"a":"\\\\ud83d","b":NaN}', {"a": "\\ud83d", "b": None}),
        ('{"a":"\\\\\\ud83d"}', {"a": f"\\{REPLACEMENT}"}),
        ('{"\\ud83d":1}', {REPLACEMENT: 1}),
        ('{"a":1e999,"b":-1E400,"c":1}', {"a": None, "b": None, "c": 1}),
        ('{"a":NaN,"b":Infinity,"c":-Infinity}', {"a": None, "b": None, "c": None}),
        ('{"a":' + "9" * 30 + "}", {"a": 1e30}),
        ('{"a":' + "9" * 5_000 + ',"b":1}', {"a": None, "b": 1}),
        ('{"a":-9223372036854775808,"b":NaN}', {"a": -(2**63), "b": None}),
        ('{"a":18446744073709551615,"b":NaN}', {"a": 2**64 - 1, "b": None}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a":NaN,"a":2}', {"a": 2}),
        ('{"a":"\\u0000"}', {"a": "\x00"}),
        ('{"a":"\x00"}', {"a": "\x00"}),
        ("\ufeff{}", {}),
        ("\ufeff [1]\n", [1]),
    ],
)  # fmt: skip
def test_what_strict_readers_refuse_is_read(text: str, value: Any) -> None:
    """As text, and as bytes in every encoding that JSON is written in."""
    for form in _forms(text):
        found = loads(form)
        assert value == found
        assert value == orjson.loads(written(found))


@pytest.mark.parametrize("depth", [300, 990, DEEP])
def test_deep_nesting_leaves_the_rest(depth: int) -> None:
    """Brackets inside of texts do not count."""
    inner = "[" * depth + r'"]{\\"' + "]" * depth
    for form in _forms('{"a":' + inner + ',"b":2,"c":{"d":NaN}}'):
        assert (2, {"d": None}) == (loads(form)["b"], loads(form)["c"])
        assert 2 == orjson.loads(written(loads(form)))["b"]


def _forms(text: str) -> tuple[str | bytes, ...]:
    return text, text.encode(), text.encode("utf-16-le"), text.encode("utf-32")


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'a':1}", '{"a":undefined}', "[1,]", "{} {}", "\ufeff", "[" * DEEP, '"\\ud83d',
     '{"a":' * DEEP + "1", "nan"],
)  # fmt: skip
def test_text_that_no_json_reader_accepts_is_unreadable(text: str) -> None:
    """And nothing but `Unreadable` is raised."""
    for form in (text, text.encode()):
        with pytest.raises(Unreadable):
            loads(form)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b'{"a":"\xff","b":1}', f"{REPLACEMENT}"), (b'{"a":"\xed\xa0\xbd"}', REPLACEMENT * 3)],
)
def test_bytes_that_are_no_utf_8_are_replaced(raw: bytes, value: str) -> None:
    """As a browser decodes them."""
    assert value == loads(raw)["a"]


def test_text_that_holds_half_a_pair_is_read() -> None:
    """Python's own strings can."""
    assert {"a": REPLACEMENT} == loads('{"a":"\ud83d"}')


def test_strict_json_is_known_as_such() -> None:
    """Its text needs no rewriting."""
    assert read('{"a":"\\u0000"}').is_strict
    assert not read('{"a":NaN}').is_strict


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_whatever_python_writes_is_read(value: Any, is_escaped: bool) -> None:
    """With its halves of pairs, its NaN and its long numbers; and the result is strict."""
    text = json.dumps(value, ensure_ascii=is_escaped)
    found = loads(text)
    again = orjson.loads(written(found))
    assert again == found
    assert found == loads(written(found))
    if is_escaped:
        assert _as_read(json.loads(text)) == found


def _as_read(value: Any) -> Any:
    """Text as Python reads it, with the values replaced that no strict reader accepts."""
    if isinstance(value, dict):
        return {_as_read(k): _as_read(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_read(each) for each in value]
    if isinstance(value, str):
        return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    is_long = isinstance(value, int) and not -(2**63) <= value < 2**64
    return _as_float(value) if is_long else value


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


@given(st.binary() | st.text(st.characters()), st.sampled_from(["", "[", '{"a":', '"\\ud83d']))
def test_nothing_else_is_ever_raised(raw: Any, before: str) -> None:
    """Any text is read or is `Unreadable`."""
    text = before.encode() + raw if isinstance(raw, bytes) else before + raw
    try:
        written(loads(text))
    except Unreadable:
        return


@given(st.integers(1, 3 * MAX_DEPTH))
def test_what_is_too_deep_to_write_is_left_out(depth: int) -> None:
    """Only that."""
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    text = json.dumps({"deep": value, "kept": 1})
    again = orjson.loads(written(loads(text)))
    assert 1 == again["kept"]
    assert depth >= MAX_DEPTH or again["deep"] == value
