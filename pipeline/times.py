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
