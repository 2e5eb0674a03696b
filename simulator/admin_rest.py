"""Twilio's administrative APIs over HTTP: `events`, `taskrouter` and `monitor`, each below the
first label of its host, with paging as in version 1: absolute URLs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from simulator.event_streams import EventStreams, SinkState, SubscriptionState
from simulator.media import clock
from simulator.script import Json, Sids
from simulator.world import ApiError, not_found

DEFAULT_PAGE_SIZE, LARGEST_PAGE = 50, 1000
Deliver = Callable[[Json, Json], Awaitable[None]]
"""Delivers an event to a sink with this configuration."""


async def not_delivered(_: Json, __: Json) -> None:
    """Deliver nothing, as if Twilio could not assume the sink's role."""


@dataclass(slots=True)
class AdminApis:
    """The contents of an account's administrative APIs. `workers`: friendly name and attributes
    (JSON as text) of each; `alerts`: as the API shows them; `denied`: the APIs that these
    credentials may not use (`events`, `taskrouter`, `monitor`)."""

    sids: Sids
    streams: EventStreams
    workspace_sid: str
    workers: list[tuple[str, str]] = field(default_factory=list)
    alerts: list[Json] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    deliver: Deliver = not_delivered

    @classmethod
    def fresh(cls, sids: Sids) -> "AdminApis":
        """Return an account without sinks, workers and alerts."""
        return cls(sids, EventStreams(sids), sids.new("WS"))

    def alert(self, code: int, text: str, at: datetime) -> None:
        """Add an alert."""
        when = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.alerts.append(
            {
                "sid": self.sids.new("NO"),
                "error_code": str(code),
                "log_level": "error",
                "alert_text": text,
                "date_created": when,
                "date_generated": when,
                "resource_sid": self.sids.new("DG"),
            }
        )


class AdminRest:
    """Handles the requests."""

    def __init__(self, state: AdminApis, account_sid: str) -> None:
        self._state, self._account = state, account_sid

    def add_routes(self, application: web.Application) -> None:
        """Add the routes of the three APIs."""
        router, sinks = application.router, "/events/v1/Sinks"
        router.add_get(sinks, self._sinks)
        router.add_post(sinks, self._create_sink)
        router.add_get(sinks + "/{sid}", self._sink)
        router.add_delete(sinks + "/{sid}", self._delete_sink)
        router.add_post(sinks + "/{sid}/Test", self._test)
        router.add_post(sinks + "/{sid}/Validate", self._validate)
        router.add_get("/events/v1/Types", self._types)
        router.add_get("/events/v1/Types/{type}", self._type)
        router.add_get("/events/v1/Schemas/{schema}/Versions", self._versions)
        subscriptions = "/events/v1/Subscriptions"
        router.add_get(subscriptions, self._subscriptions)
        router.add_post(subscriptions, self._subscribe)
        router.add_delete(subscriptions + "/{sid}", self._unsubscribe)
        subscribed = subscriptions + "/{sid}/SubscribedEvents"
        router.add_get(subscribed, self._subscribed)
        router.add_post(subscribed, self._add_type)
        router.add_delete(subscribed + "/{type}", self._remove_type)
        router.add_get("/taskrouter/v1/Workspaces", self._workspaces)
        router.add_get("/taskrouter/v1/Workspaces/{workspace}/Workers", self._workers)
        router.add_get("/monitor/v1/Alerts", self._alerts)

    def check(self, request: web.Request) -> None:
        """Raise `ApiError` if the credentials may not use the API."""
        if request.path.split("/")[1] in self._state.denied:
            raise ApiError(403, 20403, "Permission denied")

    async def _sinks(self, request: web.Request) -> web.Response:
        return paged(request, "sinks", [_sink(s) for s in self._state.streams.sinks.values()])

    async def _create_sink(self, request: web.Request) -> web.Response:
        sink = self._state.streams.create_sink(await _form(request))
        return web.json_response(_sink(sink), status=201)

    async def _sink(self, request: web.Request) -> web.Response:
        return web.json_response(_sink(self._state.streams.sink(request.match_info["sid"])))

    async def _delete_sink(self, request: web.Request) -> web.Response:
        self._state.streams.delete_sink(request.match_info["sid"])
        return web.Response(status=204)

    async def _test(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        event = self._state.streams.test(sid, clock())
        await self._state.deliver(self._state.streams.sink(sid).configuration, event)
        return web.json_response({"result": "submitted"}, status=201)

    async def _validate(self, request: web.Request) -> web.Response:
        self._state.streams.validate(request.match_info["sid"], await _form(request))
        return web.json_response({"result": "valid"}, status=201)

    async def _types(self, request: web.Request) -> web.Response:
        wanted = request.query.get("SchemaId")
        types = self._state.streams.types.items()
        rows = [_type(name, schema) for name, (schema, _) in types if wanted in (None, schema)]
        return paged(request, "types", rows)

    async def _type(self, request: web.Request) -> web.Response:
        name = request.match_info["type"]
        if name not in self._state.streams.types:
            raise not_found(request.path)
        return web.json_response(_type(name, self._state.streams.types[name][0]))

    async def _versions(self, request: web.Request) -> web.Response:
        schema = request.match_info["schema"]
        newest = dict(self._state.streams.types.values()).get(schema)
        if newest is None:
            raise not_found(request.path)
        rows: list[Json] = [{"id": schema, "schema_version": n} for n in range(1, newest + 1)]
        return paged(request, "schema_versions", rows)

    async def _subscriptions(self, request: web.Request) -> web.Response:
        sink_sid, found = request.query.get("SinkSid"), self._state.streams.subscriptions.values()
        rows = [self._subscription(s) for s in found if sink_sid in (None, s.sink_sid)]
        return paged(request, "subscriptions", rows)

    async def _subscribe(self, request: web.Request) -> web.Response:
        subscription = self._state.streams.subscribe(await _form(request))
        return web.json_response(self._subscription(subscription), status=201)

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        self._state.streams.delete_subscription(request.match_info["sid"])
        return web.Response(status=204)

    async def _subscribed(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        types = self._state.streams.subscription(sid).types
        return paged(request, "types", [self._subscribed_type(sid, name) for name in types])

    async def _add_type(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        name = self._state.streams.add_type(sid, await _form(request))
        return web.json_response(self._subscribed_type(sid, name), status=201)

    async def _remove_type(self, request: web.Request) -> web.Response:
        path = request.match_info
        self._state.streams.remove_type(path["sid"], path["type"])
        return web.Response(status=204)

    async def _workspaces(self, request: web.Request) -> web.Response:
        workspace: Json = {
            "sid": self._state.workspace_sid,
            "account_sid": self._account,
            "friendly_name": "Flex Task Assignment",
        }
        return paged(request, "workspaces", [workspace])

    async def _workers(self, request: web.Request) -> web.Response:
        workspace = request.match_info["workspace"]
        if workspace != self._state.workspace_sid:
            raise not_found(request.path)
        rows: list[Json] = [
            {
                "sid": f"WK{number:032x}",
                "friendly_name": name,
                "attributes": attributes,
                "workspace_sid": workspace,
            }
            for number, (name, attributes) in enumerate(self._state.workers)
        ]
        return paged(request, "workers", rows)

    async def _alerts(self, request: web.Request) -> web.Response:
        level, query = request.query.get("LogLevel"), request.query
        start, end = query.get("StartDate", ""), query.get("EndDate", "9999")
        rows = [
            alert
            for alert in self._state.alerts
            if level in (None, alert["log_level"]) and start <= str(alert["date_generated"]) <= end
        ]
        return paged(request, "alerts", rows)

    def _subscription(self, subscription: SubscriptionState) -> Json:
        return {
            "account_sid": self._account,
            "sid": subscription.sid,
            "description": subscription.description,
            "sink_sid": subscription.sink_sid,
        }

    def _subscribed_type(self, sid: str, name: str) -> Json:
        return {
            "account_sid": self._account,
            "subscription_sid": sid,
            "type": name,
            "schema_version": self._state.streams.subscription(sid).types[name],
        }


def _sink(sink: SinkState) -> Json:
    return {
        "sid": sink.sid,
        "description": sink.description,
        "sink_type": sink.sink_type,
        "sink_configuration": sink.configuration,
        "status": sink.status,
    }


def _type(name: str, schema: str) -> Json:
    return {"type": name, "schema_id": schema, "status": "active", "description": ""}


async def _form(request: web.Request) -> Mapping[str, Sequence[str]]:
    form = await request.post()
    return {name: [str(value) for value in form.getall(name)] for name in form}


def paged(request: web.Request, key: str, rows: Sequence[Json]) -> web.Response:
    """Return one page of a list as version 1 of the APIs gives it."""
    query = dict(request.query)
    numbers = (query.get("PageSize", str(DEFAULT_PAGE_SIZE)), query.get("Page", "0"))
    if not all(number.isdecimal() for number in numbers):
        raise ApiError(400, 20001, "Invalid PageSize or Page")
    size, page = min(max(int(numbers[0]), 1), LARGEST_PAGE), int(numbers[1])
    _, label, path = request.path.split("/", 2)

    def url(number: int) -> str:
        values = urlencode(query | {"PageSize": str(size), "Page": str(number)})
        return f"https://{label}.twilio.com/{path}?{values}"

    more = len(rows) > (page + 1) * size
    meta = {
        "key": key,
        "page": page,
        "page_size": size,
        "url": url(page),
        "first_page_url": url(0),
        "previous_page_url": url(page - 1) if page else None,
        "next_page_url": url(page + 1) if more else None,
    }
    return web.json_response({key: rows[page * size : (page + 1) * size], "meta": meta})
