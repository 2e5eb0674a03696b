"""The filters of Twilio's lists."""

from datetime import datetime

import pytest

from simulator.listing import DEFAULT_EVENTS_MS, is_on_days, is_within, only
from simulator.world import ApiError


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


NOON = at("2026-11-29T12:00:00+00:00")


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({}, True),
        ({"Date": "2026-11-29"}, True),
        ({"Date": "2026-11-28"}, False),
        ({"Date>": "2026-11-29"}, True),
        ({"Date>": "2026-11-30"}, False),
        ({"Date<": "2026-11-30"}, True),
        ({"Date<": "2026-11-29"}, False),
    ],
)
def test_days(query: dict[str, str], fits: bool) -> None:
    """A day with `<` ends the list at its first instant."""
    assert fits == is_on_days(query, "Date", NOON)


def test_times() -> None:
    """Both ends belong to the list, to the second; without any, the last 15 minutes do."""
    query = {"From": "2026-11-29T12:00:00Z", "To": "2026-11-29T13:00:00+01:00"}
    assert is_within(query, "From", "To", NOON, 0)
    assert is_within(query, "From", "To", NOON + 999, 0)
    assert not is_within(query, "From", "To", NOON + 1_000, 0)
    assert not is_within(query, "From", "To", NOON - 1, 0)
    assert is_within({}, "From", "To", NOON, NOON + DEFAULT_EVENTS_MS)
    assert not is_within({}, "From", "To", NOON, NOON + DEFAULT_EVENTS_MS + 1)


def test_wrong_filters_are_refused() -> None:
    """A wrong date, and a filter that the list does not have."""
    for query in ({"Date>": "29.11.2026"}, {"Date": "2026-02-30"}):
        with pytest.raises(ApiError, match="no date"):
            is_on_days(query, "Date", NOON)
    with pytest.raises(ApiError, match="no time"):
        is_within({"From": "2026-11-29"}, "From", "To", NOON, NOON)
    with pytest.raises(ApiError, match="Unknown parameter"):
        only({"Dates": "x"}, frozenset({"Date"}))
    only({"Date": "x", "Page": "1"}, frozenset({"Date"}))
