"""Valid SIDs, and texts that resemble them; telephone numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.twilio.sids import PREFIXES, SidKind, e164, invalid_in, is_invalid, sid_in, valid_sid

KINDS = st.sampled_from(SidKind)
DIGITS = st.text("0123456789abcdefABCDEF", min_size=32, max_size=32)


@given(KINDS, DIGITS)
def test_a_prefix_and_32_hexadecimal_digits_are_a_sid_of_one_kind(
    kind: SidKind, digits: str
) -> None:
    """Of its own kind, and of no other."""
    sid = PREFIXES[kind] + digits
    assert [kind] == [each for each in SidKind if valid_sid(each, sid)]
    assert sid == valid_sid(kind, sid) == sid_in({"s": sid}, "s", kind)


@given(KINDS, DIGITS, st.sampled_from(" \n\t\r\0\x0b\u2003\ufeff"), st.booleans())
def test_white_space_around_a_sid_makes_it_invalid(
    kind: SidKind, digits: str, space: str, is_before: bool
) -> None:
    """It is absent, and reported as invalid."""
    sid = PREFIXES[kind] + digits
    spaced = {"sid": space + sid if is_before else sid + space}
    assert sid_in(spaced, "sid", kind) is None
    assert (kind,) == invalid_in(spaced, {"sid": kind})


@given(KINDS, st.text() | st.none() | st.integers() | st.lists(st.text()))
def test_what_is_no_sid_is_absent_and_counted(kind: SidKind, value: object) -> None:
    """For any value; only None and empty text count as absent."""
    assert valid_sid(kind, value) is None
    assert is_invalid(kind, value) == (value not in (None, ""))
    assert sid_in({"sid": value}, "sid", kind) is None


@pytest.mark.parametrize(
    "value",
    [
        "CA" + "a" * 31,
        "CA" + "a" * 33,
        "ca" + "a" * 32,
        "CA" + "g" * 32,
        "CA" + "a" * 32 + "\n",
        "CA" + "\uff11" * 32,
        "CA" + "a" * 32 + ".json?Status=completed&x=",
        "../Messages.json?To=%2B15550100",
        "../../AC" + "f" * 32 + "/Calls/CA" + "a" * 32,
    ],
)
def test_near_misses_are_none(value: str) -> None:
    """What an attacker, or a careless plugin, writes."""
    assert valid_sid(SidKind.CALL, value) is None


def test_each_invalid_one_is_reported() -> None:
    """One kind for each name that is there and wrong."""
    names = {"a": SidKind.CALL, "b": SidKind.CALL, "c": SidKind.TASK, "d": SidKind.TASK}
    values = {"a": "x", "b": "CA" + "0" * 32, "c": 7}
    assert (SidKind.CALL, SidKind.TASK) == invalid_in(values, names)


@pytest.mark.parametrize("text", ["+15550100200", "+1 555 010-0200", "+1 (555) 010.0200"])
def test_a_number_loses_its_punctuation(text):
    """However it is written."""
    assert "+15550100200" == e164(text)


@pytest.mark.parametrize("text", ["", "5550100", "+0123456789", "+1555", "client:x", "+१२३४५६७८९"])
def test_anything_else_is_no_number(text):
    """No country code, too short, another address, digits of another script."""
    with pytest.raises(ValueError, match="is not a number"):
        e164(text)
