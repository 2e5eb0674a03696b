"""The filters of Twilio's lists: dates, times and statuses, refused if Twilio refuses them."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from simulator.script import Json
from simulator.world import ApiError

DAY_MS = 24 * 60 * 60 * 1000
DEFAULT_EVENTS_MS = 15 * 60 * 1000
"""TaskRouter lists the events of the last 15 minutes if no date is given."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})")


def is_on_days(query: Mapping[str, str], name: str, at: int) -> bool:
    """Return whether a time fits `name`, `name>` and `name<` of a list of the 2010 API, which knows
    UTC days only. A day with `<` ends the list at its first instant."""
    exact, since, until = (_day(query, name + sign) for sign in ("", ">", "<"))
    if exact is not None and not exact <= at < exact + DAY_MS:
        return False
    return (since is None or at >= since) and (until is None or at <= until)


def is_within(query: Mapping[str, str], first: str, last: str, at: int, now: int) -> bool:
    """Return whether a time fits the times under two names, both inclusive and to the second."""
    since, until = _time(query, first), _time(query, last)
    if since is None and until is None:
        return at >= now - DEFAULT_EVENTS_MS
    return (since is None or at >= since) and (until is None or at <= until + 999)


def only(query: Mapping[str, str], known: frozenset[str]) -> None:
    """Refuse a filter that the list does not have: it would silently be ignored, and hide a
    mistake."""
    paging = {"PageSize", "Page", "PageToken"}
    for name in query:
        if name not in known and name not in paging:
            raise ApiError(400, 20001, f"Unknown parameter: {name}")


def remember(events: dict[str, Json], event: Json) -> None:
    """Add an event of TaskRouter to those that its list shows, once. Others are not listed."""
    data = event.get("data")
    if not isinstance(data, dict):
        return
    payload = data.get("payload")
    if isinstance(payload, dict) and {"eventtype", "timestamp"} <= payload.keys():
        events[str(data["sid"])] = event


def _day(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _DATE.fullmatch(text):
        raise ApiError(400, 20001, f"Invalid {name}: {text!r} is no date")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ApiError(400, 20001, f"Invalid {name}: {text!r} is no date") from None
    return (found - date(1970, 1, 1)).days * DAY_MS


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _TIME.fullmatch(text):
        raise ApiError(400, 20001, f"Invalid {name}: {text!r} is no time in ISO 8601")
    return int(datetime.fromisoformat(text).timestamp() * 1000)
