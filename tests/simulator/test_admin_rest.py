"""The administrative APIs of the double."""

import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.admin_rest import LARGEST_PAGE, AdminApis, AdminRest, paged
from simulator.script import Json, Sids
from simulator.world import ApiError
from tests.examples import examples
from tests.simulator.in_process import Form, asked, request

CONFIGURATION = {
    "arn": "arn:aws:kinesis:eu-west-1:123456789012:stream/events",
    "role_arn": "arn:aws:iam::123456789012:role/twilio",
    "external_id": "x",
}
SINK = {
    "Description": "d", "SinkType": "kinesis", "SinkConfiguration": json.dumps(CONFIGURATION),
}  # fmt: skip
ACCEPTED = "com.twilio.taskrouter.reservation.accepted"
COMPLETED = "com.twilio.taskrouter.task.completed"


class Double:
    """An account's APIs."""

    def __init__(self) -> None:
        self.state = AdminApis.fresh(Sids(Random(1)))
        self.rest = AdminRest(self.state, "AC1")
        self.application = web.Application()
        self.rest.add_routes(self.application)

    async def get(self, path: str) -> Any:
        """The body of an answer."""
        status, body = await asked(self.application, "GET", path)
        assert 200 == status
        return body

    async def post(self, path: str, form: Form) -> Any:
        """The body of an answer."""
        status, body = await asked(self.application, "POST", path, form)
        assert 201 == status
        return body

    async def delete(self, path: str) -> None:
        """Nothing is answered."""
        assert (204, None) == await asked(self.application, "DELETE", path)

    async def active_sink(self) -> str:
        """The SID of a sink that is active."""
        sid: str = (await self.post("/events/v1/Sinks", SINK))["sid"]
        self.state.streams.sinks[sid].status = "active"
        return sid


async def test_a_sink_is_tested_and_becomes_active() -> None:
    """The test event is delivered as the sink is configured; with its id the sink is valid."""
    double, delivered = Double(), []

    async def deliver(configuration: Json, event: Json) -> None:
        delivered.append((configuration, event["data"]["test_id"]))

    double.state.deliver = deliver
    made = await double.post("/events/v1/Sinks", SINK)
    path = f"/events/v1/Sinks/{made['sid']}"
    assert ("initialized", "kinesis", CONFIGURATION) == (
        made["status"], made["sink_type"], made["sink_configuration"],
    )  # fmt: skip
    await double.post(path + "/Test", {})
    ((configuration, test_id),) = delivered
    assert (CONFIGURATION, "validating") == (configuration, (await double.get(path))["status"])
    await double.post(path + "/Validate", {"TestId": test_id})
    assert made | {"status": "active"} == await double.get(path)


async def test_sinks_are_listed_until_they_are_deleted() -> None:
    """Then they are not found."""
    double = Double()
    one, other = [(await double.post("/events/v1/Sinks", SINK))["sid"] for _ in range(2)]
    await double.delete(f"/events/v1/Sinks/{one}")
    assert [other] == [s["sid"] for s in (await double.get("/events/v1/Sinks"))["sinks"]]
    with pytest.raises(ApiError, match="404"):
        await double.get(f"/events/v1/Sinks/{one}")


async def test_subscribed_types_are_added_and_removed() -> None:
    """Each with its schema version; a deleted subscription is not listed."""
    double = Double()
    sink_sid, path = await double.active_sink(), "/events/v1/Subscriptions"
    types = [json.dumps({"type": ACCEPTED, "schema_version": 1})]
    form = {"Description": "d", "SinkSid": sink_sid, "Types": types}
    made = await double.post(path, form)
    assert (sink_sid, "AC1", "d") == (made["sink_sid"], made["account_sid"], made["description"])
    subscribed = f"{path}/{made['sid']}/SubscribedEvents"
    added = await double.post(subscribed, {"Type": COMPLETED, "SchemaVersion": "1"})
    assert (COMPLETED, 1, made["sid"]) == (
        added["type"], added["schema_version"], added["subscription_sid"],
    )  # fmt: skip
    await double.delete(f"{subscribed}/{ACCEPTED}")
    assert [added] == (await double.get(subscribed))["types"]
    listed = {sid: await double.get(f"{path}?SinkSid={sid}") for sid in (sink_sid, "DG0")}
    assert ([made], []) == tuple(page["subscriptions"] for page in listed.values())
    await double.delete(f"{path}/{made['sid']}")
    assert [] == (await double.get(path))["subscriptions"]


async def test_types_are_listed_by_schema() -> None:
    """A type and a schema that do not exist are not found; a schema has all versions up to the
    newest."""
    double = Double()
    double.state.streams.types = {"a": ("S", 3), "b": ("S", 3), "c": ("T", 1)}
    pages = [await double.get("/events/v1/Types" + query) for query in ("", "?SchemaId=S")]
    assert [["a", "b", "c"], ["a", "b"]] == [[t["type"] for t in p["types"]] for p in pages]
    assert "T" == (await double.get("/events/v1/Types/c"))["schema_id"]
    versions = (await double.get("/events/v1/Schemas/S/Versions"))["schema_versions"]
    assert [1, 2, 3] == [each["schema_version"] for each in versions]
    for path in ("Types/d", "Schemas/U/Versions"):
        with pytest.raises(ApiError, match="404"):
            await double.get("/events/v1/" + path)


async def test_workers_belong_to_the_workspace() -> None:
    """Each has a SID and attributes as text; another workspace is not found."""
    double = Double()
    double.state.workers = [("Ann", "{}"), ("Ben", '{"a":1}')]
    (workspace,) = (await double.get("/taskrouter/v1/Workspaces"))["workspaces"]
    path = f"/taskrouter/v1/Workspaces/{workspace['sid']}/Workers"
    workers = (await double.get(path))["workers"]
    assert [("Ann", "{}"), ("Ben", '{"a":1}')] == [
        (worker["friendly_name"], worker["attributes"]) for worker in workers
    ]
    assert 2 == len({worker["sid"] for worker in workers})
    with pytest.raises(ApiError, match="404"):
        await double.get("/taskrouter/v1/Workspaces/WS0/Workers")


async def test_alerts_are_chosen_by_level_and_time() -> None:
    """Both ends of the time are part of it; times are in UTC."""
    double, zone = Double(), timezone(timedelta(hours=2))
    for hour in (2, 3, 4):
        double.state.alert(11200 + hour, "text", datetime(2026, 1, 1, hour, tzinfo=zone))
    double.state.alerts[2]["log_level"] = "warning"

    async def codes(**query: str) -> list[str]:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        found = await double.get(f"/monitor/v1/Alerts?{text}")
        return [alert["error_code"] for alert in found["alerts"]]

    at = datetime(2026, 1, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert at == double.state.alerts[1]["date_generated"]
    assert ["11202", "11203", "11204"] == await codes()
    assert ["11202", "11203"] == await codes(LogLevel="error")
    assert ["11203", "11204"] == await codes(StartDate=at)
    assert ["11202", "11203"] == await codes(EndDate=at)


@pytest.mark.parametrize("api", ["events", "taskrouter", "monitor"])
async def test_credentials_may_be_denied_an_api(api: str) -> None:
    """Only this one."""
    double = Double()
    double.state.denied = {api}
    refused = []
    for each in ("events", "taskrouter", "monitor"):
        try:
            double.rest.check(request("GET", f"/{each}/v1/Any"))
        except ApiError as error:
            refused.append((each, error.status, error.code))
    assert [(api, 403, 20403)] == refused


async def test_no_event_is_delivered_without_an_emulator() -> None:
    """The test of a sink is answered nevertheless."""
    double = Double()
    sid = (await double.post("/events/v1/Sinks", SINK))["sid"]
    assert {"result": "submitted"} == await double.post(f"/events/v1/Sinks/{sid}/Test", {})


def _page(rows: list[Json], query: str) -> Any:
    answer = paged(make_mocked_request("GET", "/events/v1/Rows" + query), "rows", rows)
    assert answer.text is not None
    return json.loads(answer.text)


@given(st.integers(0, 9), st.integers(1, 4))
@settings(max_examples=examples(40))
def test_the_pages_are_the_list(count: int, size: int) -> None:
    """Following the absolute URL of the next page gives every row once, in order; the previous
    pages are the way back."""
    rows: list[Json] = [{"n": number} for number in range(count)]
    query, found, before = f"?PageSize={size}&Status=any", [], None
    while True:
        page = _page(rows, query)
        meta = page["meta"]
        found += page["rows"]
        assert min(count, 1) <= len(page["rows"]) <= size
        assert before == meta["previous_page_url"]
        before = meta["url"]
        if (following := meta["next_page_url"]) is None:
            break
        base, _, rest = following.partition("?")
        assert "https://events.twilio.com/v1/Rows" == base
        query = "?" + rest
        assert "Status=any" in query
    assert rows == found


def test_a_page_has_a_largest_size() -> None:
    """And at least one row."""
    rows: list[Json] = [{}] * (LARGEST_PAGE + 1)
    sizes = [len(_page(rows, f"?PageSize={size}")["rows"]) for size in (LARGEST_PAGE + 1, 0)]
    assert [LARGEST_PAGE, 1] == sizes
    assert 50 == len(_page(rows, "")["rows"])


@pytest.mark.parametrize("query", ["?PageSize=-1", "?PageSize=x", "?Page=1.5"])
def test_a_page_is_a_number(query: str) -> None:
    """Everything else is refused."""
    with pytest.raises(ApiError, match="400/20001"):
        _page([], query)
