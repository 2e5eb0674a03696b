"""Compare a value of the product with the expected one. Pure."""

from datetime import datetime
from typing import Any

SESSION_TOLERANCE_MS = 1500


def compared(what: str, expected: Any, actual: Any) -> list[str]:
    """Return the difference in words; an empty list if the values are equal."""
    return [] if expected == actual else [f"{what}: {actual!r}, expected {expected!r}"]


def near(what: str, expected: int | None, actual: str | None) -> list[str]:
    """Return the difference of a time of the console API from the expected time (ms), if it is more
    than `SESSION_TOLERANCE_MS`."""
    at = milliseconds(actual)
    if expected is None or at is None:
        return compared(what, expected, at)
    off = at - expected
    return [] if abs(off) <= SESSION_TOLERANCE_MS else [f"{what} is {off} ms off"]


def milliseconds(text: str | None) -> int | None:
    """Return a time of the console API as milliseconds since the epoch."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)
