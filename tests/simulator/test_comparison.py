"""Values of the product are compared with the expected ones."""

import pytest

from simulator.comparison import SESSION_TOLERANCE_MS, compared, milliseconds, near
from simulator.events import iso

AT = 1_700_000_000_000


def test_only_differences_are_reported() -> None:
    """With both values."""
    assert [] == compared("capture", "complete", "complete")
    assert ["capture: 'partial', expected 'complete'"] == compared("capture", "complete", "partial")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_time_may_be_a_little_off(sign: int) -> None:
    """Earlier or later, not more than the tolerance."""
    off = sign * SESSION_TOLERANCE_MS
    assert [] == near("ended_at", AT, iso(AT + off))
    assert [f"ended_at is {off + sign} ms off"] == near("ended_at", AT, iso(AT + off + sign))


def test_a_missing_time_is_no_time() -> None:
    """It is right only if none is expected."""
    assert [] == near("started_at", None, None)
    assert [f"started_at: None, expected {AT}"] == near("started_at", AT, None)
    assert [f"started_at: {AT}, expected None"] == near("started_at", None, iso(AT))
    assert None is milliseconds(None)
    assert AT + 7 == milliseconds(iso(AT + 7))
