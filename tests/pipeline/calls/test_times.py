"""Times as Twilio writes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.times import millis, refined

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
        (True, None),
        (float("nan"), None),
        (-5, None),
        ("", None),
        ("tomorrow", None),
        ("9" * 400, None),
        (None, None),
        ({}, None),
    ],
)
def test_millis(value: Any, ms: int | None) -> None:
    """Each of the forms that were seen, and what is none."""
    assert ms == millis(value)


@pytest.mark.parametrize(
    ("value", "fine", "ms"),
    [
        ("Mon, 23 Nov 2026 06:37:00 GMT", AT + 700, AT + 700),
        (AT // 1000, AT + 700, AT + 700),
        ("Mon, 23 Nov 2026 06:37:00 GMT", AT + 1_700, AT),
        ("2026-11-23T06:37:00.000Z", AT + 700, AT),
        (None, AT + 700, AT + 700),
        ("2026-11-23T06:37:00Z", None, AT),
    ],
)
def test_refined(value: Any, fine: int | None, ms: int) -> None:
    """Whole seconds take the event's milliseconds within the same second; told ones stay."""
    assert ms == refined(value, fine)


@given(st.text() | st.floats() | st.integers())
def test_nothing_ever_fails(value: Any) -> None:
    """Whatever it is, it is a time or it is none."""
    refined(value, 5)
