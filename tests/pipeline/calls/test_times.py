"""Times as Twilio writes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.times import millis, refined
from pipeline.times import utc

AT = 1_795_415_820_000


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2026-11-23T06:37:00.123Z", AT + 123),
        ("2026-11-23T06:37:00Z", AT),
        ("2026-11-23T06:37:00.123456+00:00", AT + 123),
        ("2026-11-23T08:37:00+02:00", AT),
        ("2026-11-23 06:37:00", AT),
        ("Mon, 23 Nov 2026 06:37:00 +0000", AT),
        ("Mon, 23 Nov 2026 06:37:00 GMT", AT),
        ("2026-11-23T06:37:00z", AT),
        ("2026-11-23t06:37:00.123z", AT + 123),
        ("2026-11-23t08:37:00+02:00", AT),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T23:59:60.250Z", 1_483_228_800_250),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800_000),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800_000),
        ("2016-12-31T23:59:61Z", None),
        ("9999-12-31T23:59:60Z", None),
        (1_795_415_820, AT),
        ("1795415820", AT),
        (1_795_415_820.25, AT + 250),
        (AT + 5, AT + 5),
        (str(AT + 5), AT + 5),
        ("2026-11-23T06:37Z", AT),
        ("2026-11-23t08:37+02", AT),
        ("2026-11-23 06:37", AT),
        ("2026-11-23T06:37:00,123Z", AT + 123),
        ("2026-11-23 06:37:00,5", AT + 500),
        ("2026-11-23T06:37:00.1234567Z", AT + 123),
        ("20261123T063700Z", AT),
        ("2026-11-23 06:37:00 +0000", AT),
        ("2026-11-23 08:37:00.250 +02:00", AT + 250),
        ("2026-11-23 06:37:00 UTC", AT),
        ("  2026-11-23T06:37:00Z\n", AT),
        ("1795415820.25", AT + 250),
        ("1795415820,25", AT + 250),
        (str(AT + 5) + ".7", AT + 6),
        (float(AT + 5), AT + 5),
        ("2026-11-23T06:37,5Z", None),
        ("2026-11-23", None),
        ("2026-W48-1T06:37:00Z", None),
        ("2026-13-23T06:37:00Z", None),
        ("2026-11-23T24:00:00Z", None),
        ("20261123", None),
        (20261123, None),
        (20261123063700, None),
        ("202611230637", None),
        (1, None),
        (0, None),
        (AT * 1000, None),
        (10**400, None),
        ("1e12", None),
        ("0026-11-23T06:37:00Z", None),
        ("1999-12-31T23:59:59Z", None),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        ("2099-12-31T23:59:59Z", 4_102_444_799_000),
        ("2100-01-01T00:00:00Z", None),
        ("Sat, 23 Nov 126 06:37:00 GMT", None),
        ("2026-11-23T06:37:00Z" + " " * 100, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (-5, None),
        ("", None),
        ("tomorrow", None),
        ("9" * 400, None),
        (None, None),
        ({}, None),
    ],
)
def test_millis(value: Any, ms: int | None) -> None:
    """Each of the forms that were seen, and text that is no time."""
    assert ms == millis(value)


@pytest.mark.parametrize(
    ("value", "fine", "ms"),
    [
        ("Mon, 23 Nov 2026 06:37:00 GMT", AT + 700, AT + 700),
        (AT // 1000, AT + 700, AT + 700),
        ("Mon, 23 Nov 2026 06:37:00 GMT", AT + 1_700, AT),
        ("2026-11-23T06:37:00.000Z", AT + 700, AT),
        ("2026-11-23T06:37:00,000Z", AT + 700, AT),
        ("2026-11-23T06:37Z", AT + 700, AT + 700),
        ("2026-11-23T06:37Z", AT + 59_999, AT + 59_999),
        ("2026-11-23T06:37Z", AT + 60_000, AT + 5_300),
        ("2026-11-23T06:37Z", AT, AT + 5_300),
        ("2026-11-23t06:37", None, AT + 5_300),
        (str(AT // 1000), AT + 700, AT + 700),
        (AT, AT + 700, AT),
        (str(AT), AT + 700, AT),
        ("1795415820,0", AT + 700, AT),
        (None, AT + 700, AT + 700),
        ("20261123", AT + 700, AT + 700),
        ("2026-11-23T06:37:00Z", None, AT),
        ("tomorrow", None, AT + 5_300),
    ],
)
def test_refined(value: Any, fine: int | None, ms: int) -> None:
    """Whole seconds take the event's milliseconds within the same second; stated ones stay. A time
    without seconds takes those of the event's time or arrival within the same minute."""
    assert ms == refined(value, fine, AT + 5_300)
    if value == "2026-11-23T06:37Z":
        assert refined(value, None, AT + 60_000) == AT


FIRST, LAST = 946_684_800_000, 4_102_444_799_999


@given(st.text() | st.floats() | st.integers() | st.from_regex(r"[0-9TtZz:.,+ -]{1,30}"))
def test_a_value_is_a_plausible_time_or_none(value: Any) -> None:
    """Nothing fails, and no time is off by centuries."""
    found = millis(value)
    assert found is None or FIRST <= found <= LAST
    refined(value, 5, 70_000)


@given(
    st.integers(FIRST, LAST),
    st.sampled_from("Tt "),
    st.sampled_from(["Z", "z", "+00:00", "-0000", "+00", "", " UTC"]),
    st.sampled_from(".,"),
    st.sampled_from(["", "0", "000000"]),
)
def test_every_notation_of_a_moment_is_the_same_moment(
    at: int, letter: str, zone: str, mark: str, more: str
) -> None:
    """Case, separators, decimal marks and further digits say nothing else."""
    text = utc(at).strftime(f"%Y-%m-%d{letter}%H:%M:%S") + f"{mark}{at % 1000:03d}{more}{zone}"
    assert at == millis(text)
    minute = at // 60_000 * 60_000
    assert minute == millis(utc(at).strftime(f"%Y-%m-%d{letter}%H:%M") + zone)


@given(st.integers(FIRST, LAST))
def test_epochs_are_read_as_number_and_as_text(at: int) -> None:
    """Of seconds and of milliseconds."""
    assert at == millis(at) == millis(str(at)) == millis(float(at))
    seconds = at // 1000
    assert seconds * 1000 == millis(seconds) == millis(str(seconds))
    assert at == millis(f"{seconds}.{at % 1000:03d}") == millis(at / 1000)
