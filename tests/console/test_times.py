"""Times and durations as text."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.times import lasting, parse_rfc3339, rfc3339


@given(st.integers(0, 4_000_000_000_000))
def test_times_read_back(at: int) -> None:
    """A formatted time means the same moment, to the millisecond."""
    text = rfc3339(at)
    assert text is not None
    assert at == parse_rfc3339(text)
    assert datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") == text[:19]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0:00"), (61_999, "1:01"), (3_723_000, "1:02:03"), (None, "–")],  # noqa: RUF001
)
def test_durations_for_a_person(ms: int | None, text: str) -> None:
    """Minutes and seconds, and hours only if there are any."""
    assert text == lasting(ms)
