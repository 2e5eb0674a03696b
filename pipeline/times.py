"""Points in time as text: formatting and parsing. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LEAP_SECOND = re.compile(r"(?<=[Tt ]\d\d:\d\d:)60(?!\d)")


def utc(at: int) -> datetime:
    """Return milliseconds since the epoch as a time in UTC."""
    return _EPOCH + at * _MS


def rfc3339(at: int) -> str:
    """Return milliseconds since the epoch as RFC 3339 in UTC, with milliseconds and `Z`."""
    return utc(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def iso_time(text: str) -> datetime:
    """Parse ISO 8601, which includes RFC 3339, with letters in either case. Raise `ValueError`."""
    return with_leap_second(datetime.fromisoformat, text.upper())


def with_leap_second(parse: Callable[[str], datetime], text: str) -> datetime:
    """Parse a text that may name a leap second, `23:59:60`, by a function that does not know any.

    Unix time has no leap seconds: such a second equals the one after it. Raise the errors of
    `parse`, and `ValueError` if the result is later than the latest `datetime`.
    """
    plain, leaps = _LEAP_SECOND.subn("59", text, count=1)
    found = parse(plain)
    try:
        return found + timedelta(seconds=leaps)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too late") from error


def moment(text: str) -> int:
    """Return a moment from the command line in ms: RFC 3339 with its offset, or whole milliseconds
    since the epoch. Raise `ValueError` with the reason."""
    if text.isascii() and text.isdigit():
        if len(text) != 13:
            raise ValueError(f"{text} is not milliseconds since the epoch: those have 13 digits")
        return int(text)
    try:
        found = iso_time(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: RFC 3339, as in 2026-01-31T12:00:00.000Z, or milliseconds"
        ) from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write Z after it, or +01:00")
    if found < _EPOCH:
        raise ValueError(f"{text!r} is before 1970")
    return (found - _EPOCH) // _MS
