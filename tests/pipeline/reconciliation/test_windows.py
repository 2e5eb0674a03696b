"""The periods that are due, the same in every process."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reconciliation.windows import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    ReconciliationRhythm,
    TwilioPeriod,
    conference_days,
    due,
    parts,
)
from pipeline.times import moment, rfc3339

NOW = moment("2026-11-29T15:08:00Z")
TIMES = st.integers(NOW - 400 * DAY_MS, NOW + 400 * DAY_MS)


def test_the_last_six_hours_and_three_days_are_due() -> None:
    """Without the last 20 minutes; each only until it is done."""
    recent, *days = due(NOW, ())
    assert ("2026-11-29T09:00:00Z", "2026-11-29T14:40:00Z") == tuple(
        at.replace(".000", "") for at in _texts(recent)
    )
    assert ["daily:2026-11-28:1", "daily:2026-11-27:2", "daily:2026-11-26:3"] == [
        day.name for day in days
    ]
    assert days == due(NOW, {recent.name})
    assert [] == due(NOW, {recent.name, *(day.name for day in days)})


def test_the_rhythm_can_be_another() -> None:
    """Every 10 s, without the last 5: for tests and the demo."""
    recent, *_ = due(NOW + 19_999, (), ReconciliationRhythm(10_000, 5_000))
    assert "recent:2026-11-29T15:08:10.000Z" == recent.name
    assert (NOW + 10_000 - 6 * HOUR_MS, NOW + 5_000) == (recent.begins_at, recent.ends_at)


def _texts(period: TwilioPeriod) -> tuple[str, str]:
    return rfc3339(period.begins_at), rfc3339(period.ends_at)


@given(TIMES)
def test_every_moment_is_compared_again_and_again(at: int) -> None:
    """A moment is in a recent period within 36 minutes, and in three periods of its day later."""
    soon = {p.name for late in range(20, 36) for p in due(at + late * MINUTE_MS, ())
            if p.name.startswith("recent") and p.begins_at <= at < p.ends_at}  # fmt: skip
    assert soon
    days = {p.name for hour in range(24 * 6) for p in due(at + hour * HOUR_MS, ())
            if p.name.startswith("daily") and p.begins_at <= at < p.ends_at}  # fmt: skip
    assert 3 == len(days)


@given(TIMES)
def test_a_name_means_one_period(at: int) -> None:
    """Also if two processes look at different times."""
    for other in (at, at + MINUTE_MS, at + 15 * MINUTE_MS - 1):
        known = {period.name: period for period in due(at, ())}
        again = [p for p in due(other, ()) if p.name in known]
        assert all(known[period.name] == period for period in again)


@given(TIMES, st.integers(1, 40 * DAY_MS))
def test_a_request_is_cut_at_days(begins_at: int, length: int) -> None:
    """The parts are the whole, without gap or overlap."""
    made = parts(begins_at, begins_at + length)
    assert begins_at == made[0].begins_at
    assert begins_at + length == made[-1].ends_at
    assert all(a.ends_at == b.begins_at for a, b in pairwise(made))
    assert all(0 < p.ends_at - p.begins_at <= DAY_MS for p in made)


def test_the_days_of_the_conference_list_overlap_the_period() -> None:
    """The list ends at the first instant of its last day, and conferences begin earlier than
    acceptances."""
    period = TwilioPeriod("x", moment("2026-11-29T01:00:00Z"), moment("2026-11-29T23:30:00Z"))
    assert ("2026-11-28", "2026-11-30") == conference_days(period)
