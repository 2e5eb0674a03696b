"""What Twilio still knows of calls that are over: TaskRouter's events, conferences, participants
and calls. It lists what the `World` remembers, with the filters of the real lists."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from simulator.admin_rest import AdminApis, paged
from simulator.listing import is_on_days, is_within, only
from simulator.media import clock
from simulator.resources import call_resource, conference_resource, conference_status
from simulator.script import Json
from simulator.world import ApiError, Conference, World, WorldLeg, not_found

Page = Callable[[str, list[Json], web.Request], web.Response]
"""Returns one page of a list of the 2010 API as a response."""

CONFERENCE_STATUSES = frozenset({"init", "in-progress", "completed"})
_EVENTS = frozenset(
    {"EventType", "StartDate", "EndDate", "Minutes", "TaskSid", "ReservationSid", "TaskChannel",
     "TaskQueueSid", "WorkerSid", "WorkflowSid", "Sid"}
)  # fmt: skip
_CONFERENCES = frozenset(
    {"FriendlyName", "Status", "DateCreated", "DateCreated>", "DateCreated<", "DateUpdated",
     "DateUpdated>", "DateUpdated<"}
)  # fmt: skip
_CALLS = frozenset(
    {"To", "From", "ParentCallSid", "Status", "StartTime", "StartTime>", "StartTime<", "EndTime",
     "EndTime>", "EndTime<"}
)  # fmt: skip


class HistoryRest:
    """Handles the requests for lists of one account."""

    def __init__(self, world: World, state: AdminApis, account_sid: str, page: Page) -> None:
        self._world, self._state = world, state
        self._account, self._page = account_sid, page

    def add_routes(self, application: web.Application, account: str) -> None:
        """Add the routes; `account` is the path of the account."""
        router = application.router
        router.add_get("/taskrouter/v1/Workspaces/{workspace}/Events", self._events)
        router.add_get(account + "/Conferences.json", self._conferences)
        router.add_get(account + "/Calls.json", self._calls)

    async def _events(self, request: web.Request) -> web.Response:
        if request.match_info["workspace"] != self._state.workspace_sid:
            raise not_found(request.path)
        query, now = dict(request.query), clock()
        only(query, _EVENTS)
        found = [e for e in self._world.events.values() if _is_wanted(e, query, now)]
        found.sort(key=lambda e: str(e["data"]["timestamp"]), reverse=True)
        return paged(request, "events", [self._event(e, request) for e in found])

    def _event(self, event: Json, request: web.Request) -> Json:
        data: Any = event["data"]
        payload = dict(data["payload"])
        kind, at = payload.pop("eventtype"), payload.pop("timestamp")
        group = kind.partition(".")[0]
        return {
            "account_sid": self._account,
            "actor_sid": None,
            "actor_type": None,
            "description": f"{group} {kind}",
            "event_data": payload,
            "event_date": at.partition(".")[0].removesuffix("Z") + "Z",
            "event_date_ms": _millis(at),
            "event_type": kind,
            "resource_sid": payload.get(f"{group}_sid"),
            "resource_type": group,
            "sid": data["sid"],
            "source": "twilio",
            "workspace_sid": self._state.workspace_sid,
            "url": f"https://taskrouter.twilio.com{request.path.removeprefix('/taskrouter')}"
            f"/{data['sid']}",
        }

    async def _conferences(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        only(query, _CONFERENCES)
        status = query.get("Status")
        if status is not None and status not in CONFERENCE_STATUSES:
            raise ApiError(400, 20001, f"Invalid Status: {status!r}")
        found = [c for c in self._world.conferences.values() if _fits(c, query)]
        found.sort(key=lambda conference: conference.began_at, reverse=True)
        rows = [conference_resource(conference, self._account) for conference in found]
        return self._page("conferences", rows, request)

    async def _calls(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        only(query, _CALLS)
        found = [leg for leg in self._world.legs.values() if _is_listed(leg, query)]
        found.sort(key=lambda leg: leg.began_at, reverse=True)
        return self._page("calls", [call_resource(leg, self._account) for leg in found], request)


def _is_wanted(event: Json, query: Mapping[str, str], now: int) -> bool:
    payload: Any = event["data"]["payload"]
    wanted = {
        "EventType": payload["eventtype"],
        "TaskSid": payload.get("task_sid"),
        "ReservationSid": payload.get("reservation_sid"),
        "WorkerSid": payload.get("worker_sid"),
        "TaskChannel": payload.get("task_channel_unique_name"),
    }
    if any(query.get(name) not in (None, value) for name, value in wanted.items()):
        return False
    return is_within(query, "StartDate", "EndDate", _millis(payload["timestamp"]), now)


def _fits(conference: Conference, query: Mapping[str, str]) -> bool:
    name, status = query.get("FriendlyName"), query.get("Status")
    if status not in (None, conference_status(conference)):
        return False
    updated_at = conference.ended_at or clock()
    on_days = is_on_days(query, "DateCreated", conference.began_at)
    return (
        on_days
        and is_on_days(query, "DateUpdated", updated_at)
        and (name in (None, conference.friendly_name))
    )


def _is_listed(leg: WorldLeg, query: Mapping[str, str]) -> bool:
    wanted = {"To": leg.ends.called, "From": leg.ends.caller, "Status": leg.status.value}
    if "ParentCallSid" in query or any(
        query.get(name) not in (None, value) for name, value in wanted.items()
    ):
        return False  # no leg of this double was dialed by another one
    ended_at = leg.ended_at or clock()
    return is_on_days(query, "StartTime", leg.began_at) and is_on_days(query, "EndTime", ended_at)


def _millis(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)
