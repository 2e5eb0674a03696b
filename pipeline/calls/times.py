"""Points in time as Twilio writes them -> milliseconds since the Unix epoch."""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from pipeline.times import iso_time, with_leap_second

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_AT_LEAST_MS = 100_000_000_000  # as seconds the year 5138, as milliseconds March 1973
_LATEST = 4_102_444_800_000  # the year 2100: what is later is no time of an event


def millis(value: Any) -> int | None:
    """The time in `value`: ISO 8601, RFC 2822, or epoch seconds or milliseconds as number or text.

    A time without zone is UTC. None for whatever is no time between 1970 and 2100.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _of_number(float(text))
    return _of_text(text)


def refined(value: Any, fine: int | None) -> int | None:
    """The time in `value`; where it tells whole seconds only, and `fine` lies in the same second,
    `fine`. `fine` too where `value` is no time."""
    coarse = millis(value)
    if coarse is None or fine is None:
        return fine if coarse is None else coarse
    same_second = coarse // 1000 == fine // 1000
    return fine if same_second and coarse % 1000 == 0 and not _tells_fraction(value) else coarse


def _tells_fraction(value: Any) -> bool:
    """Whether the milliseconds are told, be they 0."""
    return "." in value if isinstance(value, str) else value >= _AT_LEAST_MS


def _of_number(value: float) -> int | None:
    if not math.isfinite(value):
        return None
    return _sane(round(value) if abs(value) >= _AT_LEAST_MS else round(value * 1000))


@lru_cache(maxsize=4_096)  # an event's time is told in several places
def _of_text(text: str) -> int | None:
    for parse in (iso_time, _rfc2822_time):
        try:
            moment = parse(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return _sane((aware - _EPOCH) // _MS)
    return None


def _rfc2822_time(text: str) -> datetime:
    return with_leap_second(parsedate_to_datetime, text)


def _sane(ms: int) -> int | None:
    return ms if 0 < ms < _LATEST else None
