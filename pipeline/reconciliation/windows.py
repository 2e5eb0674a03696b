"""Determine which periods must be compared, and when. Pure.

- `recent`: every 15 minutes, the last 6 hours except the last 20 minutes (`ReconciliationRhythm`).
- `daily`: each UTC day, on each of the three days after it.

A period has a name, which is the same in every process, and is compared once. After a pause, only
the latest `recent` period is due: it contains the last 6 hours, and the `daily` periods contain the
rest.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta

from pipeline.times import rfc3339, utc
from schemas.fast_dataclass import dataclass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
RECENT_MS = 6 * HOUR_MS
DAYS = 3
DAY_LAG_MS = HOUR_MS
"""How long (ms) after its end a day is compared at the earliest."""
KEPT_MS = 8 * DAY_MS
"""How long the record of a finished period is kept."""
BEFORE_MS = 4 * HOUR_MS
"""A conference may begin this long before an agent accepts a reservation of its task."""
LONGEST_REQUEST_MS = 31 * DAY_MS


@dataclass(frozen=True, slots=True)
class TwilioPeriod:
    """A period to compare: times in ms, `ends_at` exclusive."""

    name: str
    begins_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class ReconciliationRhythm:
    """How often (ms) the last hours are compared, and how much (ms) of their end is left out,
    because its events may not have arrived yet."""

    every_ms: int = 15 * MINUTE_MS
    settling_ms: int = 20 * MINUTE_MS


RHYTHM = ReconciliationRhythm()


def due(
    now: int, done: Collection[str], rhythm: ReconciliationRhythm = RHYTHM
) -> list[TwilioPeriod]:
    """Return the periods that are due at `now` (ms), without those that are done."""
    return [period for period in _all(now, rhythm) if period.name not in done]


def _all(now: int, rhythm: ReconciliationRhythm) -> Iterator[TwilioPeriod]:
    at = now // rhythm.every_ms * rhythm.every_ms
    yield TwilioPeriod(f"recent:{rfc3339(at)}", at - RECENT_MS, at - rhythm.settling_ms)
    today = (now - DAY_LAG_MS) // DAY_MS
    for back in range(1, DAYS + 1):
        begins_at = (today - back) * DAY_MS
        day = utc(begins_at).date().isoformat()
        yield TwilioPeriod(f"daily:{day}:{back}", begins_at, begins_at + DAY_MS)


def parts(begins_at: int, ends_at: int) -> list[TwilioPeriod]:
    """Return a period that an operator asked for, cut at the ends of UTC days."""
    found, start = [], begins_at
    while start < ends_at:
        end = min((start // DAY_MS + 1) * DAY_MS, ends_at)
        found.append(TwilioPeriod(f"asked:{rfc3339(start)}:{rfc3339(end)}", start, end))
        start = end
    return found


def conference_days(period: TwilioPeriod) -> tuple[str, str]:
    """Return the first and the last UTC date (YYYY-MM-DD) for the list of conferences of a period.
    The list can only be filtered by whole days, and treats the last date as its first instant, so
    the dates overlap the period on both sides."""
    first = utc(period.begins_at - BEFORE_MS).date()
    last = utc(period.ends_at).date() + timedelta(days=1)
    return first.isoformat(), last.isoformat()
