"""Times of the command line and of settings, and what all readers of times share."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.times import iso_time, moment, rfc3339
from tests.pipeline.contacts.records import NOON

LAST = 253_402_300_799_000


@given(st.integers(0, LAST), st.booleans())
def test_rfc_3339_is_read_in_either_case(at: int, is_lower: bool) -> None:
    """`t` and `z` mean what `T` and `Z` mean."""
    text = rfc3339(at)
    assert at == moment(text.lower() if is_lower else text)


@given(st.integers(0, LAST // 60_000 - 1), st.integers(0, 999))
def test_a_leap_second_is_the_second_after_it(minute: int, ms: int) -> None:
    """`:60` is the first second of the next minute, as Unix time has it."""
    text = rfc3339(minute * 60_000 + 59_000 + ms).replace(":59.", ":60.")
    if text[17:19] == "60":
        assert (minute + 1) * 60_000 + ms == moment(text)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:60Z", "2026-01-31T12:00:61Z", "12:00:60", "tz"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    """Also the leap second after the last second that there is."""
    with pytest.raises(ValueError, match=r".+"):
        moment(text)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading(text: str) -> None:
    """It is a time, or a `ValueError`."""
    with contextlib.suppress(ValueError):
        iso_time(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1780000000123", 1_780_000_000_123),
        ("2026-05-28T20:26:40Z", NOON),
        ("2026-05-28T22:26:40.123456+02:00", NOON + 123),
    ],
)
def test_a_moment_is_read(text: str, at: int) -> None:
    """Milliseconds, or RFC 3339 with an offset."""
    assert at == moment(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1780000000", "2026-05-28T20:26:40", "2026-05-28", "-1", "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ],
)  # fmt: skip
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    """Seconds, times without an offset and times before Kafka's first are refused too."""
    with pytest.raises(ValueError, match=r"milliseconds|offset|1970"):
        moment(text)
