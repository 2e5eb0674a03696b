"""Times as they are told to the outside. Pure."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def utc(at: int) -> datetime:
    """Milliseconds since the epoch as a time in UTC."""
    return _EPOCH + at * _MS


def rfc3339(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, with milliseconds and `Z`."""
    return utc(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def moment(text: str) -> int:
    """A moment as it is given on the command line, as ms: RFC 3339 with its offset, or whole
    milliseconds since the epoch. Raises `ValueError` that says what is wrong."""
    if text.isascii() and text.isdigit():
        if len(text) != 13:
            raise ValueError(f"{text} is not milliseconds since the epoch: those have 13 digits")
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: RFC 3339, as in 2026-01-31T12:00:00.000Z, or milliseconds"
        ) from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write Z after it, or +01:00")
    return (found - utc(0)) // _MS
