"""Parse and format the console's times. Pure."""

from datetime import timedelta

from pipeline import times

_MS = timedelta(milliseconds=1)


def rfc3339(at: int | None) -> str | None:
    """Return `at` (ms since the Unix epoch) as RFC 3339 in UTC, with milliseconds and `Z`."""
    return None if at is None else times.rfc3339(at)


def parse_rfc3339(text: str) -> int:
    """Return the time in ms since the Unix epoch, rounded up. Raise `ValueError` if the text is not
    a time, or has no offset and is thus ambiguous."""
    moment = times.iso_time(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError("a date, a time and an offset are needed, as in 2026-01-31T12:00:00Z")
    return -((times.utc(0) - moment) // _MS)


def shown(at: int | None) -> str:
    """Return a time for display, as `2026-01-31 12:00:00` in UTC; a dash for None."""
    return "–" if at is None else times.utc(at).strftime("%Y-%m-%d %H:%M:%S")  # noqa: RUF001


def clock(at: int | None) -> str:
    """Return the time of day, as `12:00:00` in UTC; a dash for None."""
    return "–" if at is None else times.utc(at).strftime("%H:%M:%S")  # noqa: RUF001


def lasting(ms: int | None) -> str:
    """Return a duration for display, as `0:07`, `12:34`, `1:02:03`; a dash for None."""
    if ms is None:
        return "–"  # noqa: RUF001
    seconds = max(0, ms) // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours}:{minutes:02d}:{seconds % 60:02d}"
    return f"{minutes}:{seconds % 60:02d}"
