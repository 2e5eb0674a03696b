"""Times as the console takes and shows them. Pure."""

from datetime import timedelta

from pipeline import times

_MS = timedelta(milliseconds=1)


def rfc3339(at: int | None) -> str | None:
    """Milliseconds since the epoch as RFC 3339 in UTC, with milliseconds and `Z`."""
    return None if at is None else times.rfc3339(at)


def parse_rfc3339(text: str) -> int:
    """Milliseconds since the epoch, rounded up. Raises `ValueError`: no time, or one without the
    offset that makes it certain."""
    moment = times.iso_time(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError("a date, a time and an offset are needed, as in 2026-01-31T12:00:00Z")
    return -((times.utc(0) - moment) // _MS)


def shown(at: int | None) -> str:
    """For a person: `2026-01-31 12:00:00`, in UTC; a dash where there is none."""
    return "–" if at is None else times.utc(at).strftime("%Y-%m-%d %H:%M:%S")  # noqa: RUF001


def clock(at: int | None) -> str:
    """The time of day alone: `12:00:00`, in UTC."""
    return "–" if at is None else times.utc(at).strftime("%H:%M:%S")  # noqa: RUF001


def lasting(ms: int | None) -> str:
    """A duration for a person: `0:07`, `12:34`, `1:02:03`."""
    if ms is None:
        return "–"  # noqa: RUF001
    seconds = max(0, ms) // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours}:{minutes:02d}:{seconds % 60:02d}"
    return f"{minutes}:{seconds % 60:02d}"
