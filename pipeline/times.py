"""Points in time as text: as they are shown, and as they are read. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LEAP_SECOND = re.compile(r"(?<=[Tt ]\d\d:\d\d:)60(?!\d)")


def utc(at: int) -> datetime:
    """Milliseconds since the epoch as a time in UTC."""
    return _EPOCH + at * _MS


def rfc3339(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, with milliseconds and `Z`."""
    return utc(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def iso_time(text: str) -> datetime:
    """Parse ISO 8601, of which RFC 3339 is a part, with letters in either case. Raises
    `ValueError`."""
    return with_leap_second(datetime.fromisoformat, text.upper())


def with_leap_second(parse: Callable[[str], datetime], text: str) -> datetime:
    """Parse a text that may name a leap second, `23:59:60`, by a function that knows none.

    Unix time has no leap seconds: such a second is the one after it. Raises what `parse` raises,
    and `ValueError` for the second after the last that there is.
    """
    plain, leaps = _LEAP_SECOND.subn("59", text, count=1)
    found = parse(plain)
    try:
        return found + timedelta(seconds=leaps)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too late") from error


def moment(text: str) -> int:
    """Return a moment of the command line in ms: RFC 3339 with its offset, or whole milliseconds
    since the epoch. Raises `ValueError` that says what is wrong."""
    if text.isascii() and text.isdigit():
        if len(text) != 13:
            raise ValueError(f"{text} is not milliseconds since the epoch: those have 13 digits")
        return int(text)
    try:
        found = iso_time(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: RFC 3339, as in 2026-01-31T12:00:00.000Z, or milliseconds"
        ) from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write Z after it, or +01:00")
    return (found - utc(0)) // _MS
