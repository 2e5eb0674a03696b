"""Requests about calls that are over: paging, repetition, and the role's health."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from agents.twilio_history.client import HistoryApi
from agents.twilio_history.permits import RequestPermits
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import RestClient
from pipeline.twilio.urls import API, TASKROUTER
from tests.agents.twilio_history.counting_server import CountingServer, counting_server

ACCOUNT = "AC" + "a" * 32
CALLS = f"{API}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
EVENTS = f"{TASKROUTER}/Workspaces/WS1/Events"


@asynccontextmanager
async def api_of(
    server: CountingServer, health: Health | None = None, attempts: int = 4
) -> AsyncIterator[HistoryApi]:
    permits = RequestPermits(jitter=lambda: 0.0)
    permits.grant(4)
    async with RestClient(ACCOUNT, (ACCOUNT, "token"), server.url, 2.0) as rest:
        yield HistoryApi(rest, permits, health or Health(), attempts=attempts, pause_s=(0.01, 0.05))


def in_turn(*answers: web.Response | Exception) -> Callable[..., web.Response]:
    remaining = list(answers)

    def answer(*_: object) -> web.Response:
        each = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(each, Exception):
            raise each
        return each

    return answer


def failed(status: int, code: int) -> web.Response:
    return web.json_response({"code": code, "message": "no"}, status=status)


async def test_lists_are_read_to_their_end_in_both_styles() -> None:
    """The first request asks for the largest pages."""

    def pages(path: str, query: dict[str, str]) -> web.Response:
        page = int(query.get("Page", "0"))
        if path.startswith("/taskrouter"):
            link = f"https://taskrouter.twilio.com/v1/Workspaces/WS1/Events?Page={page + 1}"
            meta = {"key": "events", "next_page_url": link if page < 2 else None}
            return web.json_response({"meta": meta, "events": [{"sid": page}]})
        uri = f"{path}?Page={page + 1}" if page < 2 else None
        return web.json_response({"calls": [{"sid": page}], "next_page_uri": uri})

    async with counting_server() as server, api_of(server) as api:
        server.answers = pages
        query = {"StartTime>": "2026-11-01"}
        assert [{"sid": 0}, {"sid": 1}, {"sid": 2}] == await api.rows("c", CALLS, "calls", query)
        assert {"PageSize": "1000", **query} == server.queries[0]
        assert [{"sid": 0}, {"sid": 1}, {"sid": 2}] == await api.rows("e", EVENTS, "events")


async def test_a_list_that_leads_elsewhere_is_an_error() -> None:
    """Its rest is unknown."""
    async with counting_server() as server, api_of(server) as api:
        server.answers = lambda *_: web.json_response({"next_page_uri": "/2010-04-01/Other.json"})
        with pytest.raises(TwilioError, match="next page"):
            await api.rows("calls", CALLS, "calls")


@pytest.mark.parametrize("passing", [failed(429, 20429), failed(503, 20500)])
async def test_a_request_is_repeated_after_a_passing_failure(passing: web.Response) -> None:
    """Reading is always safe to repeat."""
    async with counting_server() as server, api_of(server) as api:
        server.answers = in_turn(passing, web.json_response({"sid": "CA1"}))
        assert {"sid": "CA1"} == await api.get("call", CALLS)


async def test_a_wrong_request_is_not_repeated() -> None:
    """A resource that was deleted stays so."""
    health = Health()
    async with counting_server() as server, api_of(server, health) as api:
        server.answers = in_turn(failed(404, 20404))
        with pytest.raises(TwilioError, match="404"):
            await api.get("call", CALLS)
        assert 1 == sum(server.paths.values())
    assert not health.reasons


async def test_health_is_red_while_twilio_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And green again with the first answer."""
    monkeypatch.setattr("agents.twilio_history.client.SLOW_S", 0.0)
    health = Health()
    async with counting_server() as server, api_of(server, health, attempts=2) as api:
        server.answers = in_turn(failed(500, 20500))
        with pytest.raises(TwilioError):
            await api.get("call", CALLS)
        assert "does not answer" in health.reasons["twilio"]
        server.answers = in_turn(web.json_response({}))
        await api.get("call", CALLS)
        assert not health.reasons
        server.answers = in_turn(failed(401, 20003))
        with pytest.raises(TwilioError):
            await api.get("call", CALLS)
        assert "refuses the credentials" in health.reasons["twilio"]


async def test_many_requests_share_the_permits() -> None:
    """Twenty requests, of which at most four are in flight."""
    async with counting_server(0.01) as server, api_of(server) as api:
        await asyncio.gather(*(api.get("call", f"{API}/{number}") for number in range(20)))
        assert (4, 20) == (server.most, sum(server.paths.values()))
