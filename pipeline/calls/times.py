"""Convert times in Twilio's formats to milliseconds since the Unix epoch."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from pipeline.times import iso_time, with_leap_second

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_NUMBER = re.compile(r"[0-9]{1,20}([.,][0-9]{1,20})?")
_ISO = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[Tt ]([0-9]{2}):?([0-9]{2})"
    r"(?::?([0-9]{2})(?:[.,]([0-9]{1,20}))?)? ?([Zz]|(?:UTC|GMT)|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_FRACTION = re.compile(r"[0-9][.,][0-9]")
_MAX_CHARACTERS = 64
_AT_LEAST_MS = 100_000_000_000  # as seconds the year 5138, as milliseconds March 1973
_EARLIEST = 946_684_800_000  # the year 2000
_MINUTE = 60_000
_LATEST = 4_102_444_800_000  # the year 2100


def millis(value: Any) -> int | None:
    """Return the time in `value`, or None if it is not a time from 2000 to 2099.

    RFC 3339 in either case, also with a space in place of `T`, with `,` as decimal mark, and
    without seconds; RFC 2822; epoch seconds or milliseconds as number or text. A time without zone
    is UTC.
    """
    if isinstance(value, int | float):  # a bool is less than any time
        return _of_number(value)
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        return None
    text = value.strip()
    return _of_number(_number(text)) if _NUMBER.fullmatch(text) else _of_text(text)


def refined(value: Any, fine: int | None, arrived_at: int) -> int:
    """Return the time in `value` (ms), refined by other times of the event.

    For a time with whole seconds only: `fine`, the event's own time, if it is in the same second.
    For a time without seconds: `fine` or `arrived_at`, the first one that is in the same minute and
    not the minute's beginning. If `value` is not a time: `fine`, else `arrived_at`.
    """
    coarse = millis(value)
    if coarse is None:
        return arrived_at if fine is None else fine
    if coarse % _MINUTE == 0 and _has_no_seconds(value):
        finer = (at for at in (fine, arrived_at) if at is not None and at % _MINUTE)
        return next((at for at in finer if at // _MINUTE == coarse // _MINUTE), coarse)
    if fine is None or coarse % 1000 or coarse // 1000 != fine // 1000:
        return coarse
    return coarse if _has_fraction(value) else fine


def _has_no_seconds(value: Any) -> bool:
    """Return whether `value`, which is a time, has no seconds. Only ISO 8601 allows that."""
    found = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    return found is not None and found[6] is None


def _has_fraction(value: Any) -> bool:
    """Return whether `value`, which is a time, has a fraction of a second, even if it is 0."""
    if not isinstance(value, str):
        return bool(value >= _AT_LEAST_MS)
    if "." in value:
        return True
    text = value.strip()
    is_number = _NUMBER.fullmatch(text) is not None
    return _FRACTION.search(text) is not None or (is_number and _number(text) >= _AT_LEAST_MS)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _of_number(value: float) -> int | None:
    if not 0 < value < _LATEST:  # also False for NaN
        return None
    return _plausible(round(value) if value >= _AT_LEAST_MS else round(value * 1000))


@lru_cache(maxsize=4_096)  # an event states its time in several places
def _of_text(text: str) -> int | None:
    try:
        moment = _iso_time(text) or with_leap_second(parsedate_to_datetime, text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return _plausible((aware - _EPOCH) // _MS)


def _iso_time(text: str) -> datetime | None:
    """Return the time in RFC 3339; None if the text has another form. Raise `ValueError`."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups("")
    zone = "Z" if zone in ("UTC", "GMT") else zone
    seconds = f"{second or '00'}.{(fraction or '0')[:6]}"
    return iso_time(f"{year}-{month}-{day}T{hour}:{minute}:{seconds}{zone}")


def _plausible(ms: int) -> int | None:
    return ms if _EARLIEST <= ms < _LATEST else None
