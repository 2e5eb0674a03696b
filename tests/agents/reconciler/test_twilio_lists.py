"""The requests for Twilio's lists, and the use of the answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from agents.reconciler.twilio_lists import TwilioLists
from agents.twilio_history.client import HistoryApi
from agents.twilio_history.permits import RequestPermits
from pipeline.reconciliation.windows import TwilioPeriod
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import RestClient
from pipeline.times import moment
from tests.agents.twilio_history.counting_server import CountingServer, counting_server
from tests.pipeline.contacts.records import LEG, TASK
from tests.pipeline.reconciliation.records import CF, RE, WS, event_row

ACCOUNT = "AC" + "a" * 32
PERIOD = TwilioPeriod("x", moment("2026-11-29T09:00:00Z"), moment("2026-11-29T14:40:00Z"))
AT = moment("2026-11-29T10:00:00Z")


@asynccontextmanager
async def lists_of(
    server: CountingServer, workspace: str | None = WS
) -> AsyncIterator[TwilioLists]:
    permits = RequestPermits()
    permits.grant(4)
    async with RestClient(ACCOUNT, (ACCOUNT, "token"), server.url, 2.0) as rest:
        api = HistoryApi(rest, permits, Health(), attempts=1, pause_s=(0.01, 0.05))
        yield TwilioLists(api, workspace)


def rows(key: str, *found: dict[str, Any]) -> web.Response:
    return web.json_response({key: list(found), "meta": {"key": key, "next_page_url": None}})


async def test_acceptances_of_the_period_are_taken() -> None:
    """Not those of another account, nor those outside the period."""
    async with counting_server() as server, lists_of(server) as lists:
        server.answers = lambda *_: rows(
            "events",
            event_row(event_date_ms=AT, account_sid=ACCOUNT),
            event_row(event_date_ms=AT, account_sid="AC" + "b" * 32),
            event_row(event_date_ms=PERIOD.ends_at),
            {"sid": "junk"},
        )
        (event,) = await lists.accepted(PERIOD)
        assert (AT, TASK) == (event.at, event.task_sid)
        (query,) = server.queries
        assert {
            "EventType": "reservation.accepted",
            "StartDate": "2026-11-29T09:00:00Z",
            "EndDate": "2026-11-29T14:40:00Z",
            "PageSize": "1000",
        } == query


async def test_ends_of_tasks_that_no_agent_took_are_asked_for() -> None:
    """Both kinds: TaskRouter filters by one type of event."""
    async with counting_server() as server, lists_of(server) as lists:
        server.answers = lambda *_: rows("events", event_row("task.canceled", event_date_ms=AT))
        assert [AT, AT] == [event.at for event in await lists.unanswered_ends(PERIOD)]
        kinds = [query["EventType"] for query in server.queries]
        assert ["task.canceled", "task.deleted"] == kinds


async def test_all_workspaces_are_read_if_none_is_set() -> None:
    """They are listed once. An account without one cannot be compared."""
    other = "WS" + "7" * 32

    def answer(path: str, _: dict[str, str]) -> web.Response:
        if path.endswith("/Workspaces"):
            return rows("workspaces", {"sid": WS}, {"sid": other})
        return rows("events")

    async with counting_server() as server:
        server.answers = answer
        async with lists_of(server, None) as lists:
            await lists.accepted(PERIOD)
            await lists.task_events(TASK, PERIOD, PERIOD.ends_at)
        assert {
            "/taskrouter/v1/Workspaces": 1,
            f"/taskrouter/v1/Workspaces/{WS}/Events": 2,
            f"/taskrouter/v1/Workspaces/{other}/Events": 2,
        } == dict(server.paths)
        server.answers = lambda *_: rows("workspaces")
        async with lists_of(server, None) as lists:
            with pytest.raises(TwilioError, match="no TaskRouter workspace"):
                await lists.accepted(PERIOD)


async def test_conferences_are_asked_for_by_overlapping_days() -> None:
    """Only those that are over."""
    async with counting_server() as server, lists_of(server) as lists:
        row = {"sid": CF, "friendly_name": TASK, "status": "completed"}
        server.answers = lambda *_: rows("conferences", row, {**row, "status": "in-progress"})
        ((task_sid, conference),) = await lists.conferences(PERIOD)
        assert (TASK, CF) == (task_sid, conference.conference_sid)
        (query,) = server.queries
        assert ("2026-11-29", "2026-11-30", "completed") == (
            query["DateCreated>"],
            query["DateCreated<"],
            query["Status"],
        )


async def test_what_twilio_no_longer_has_counts_as_absent() -> None:
    """A deleted resource is no error; a refusal of the account is one."""

    def gone(status: int) -> web.Response:
        return web.json_response({"code": 20404, "message": "gone"}, status=status)

    async with counting_server() as server, lists_of(server) as lists:
        server.answers = lambda *_: gone(404)
        assert () == await lists.participants(CF)
        assert () == await lists.child_calls(LEG)
        assert () == await lists.recordings([CF], [LEG])
        server.answers = lambda *_: gone(401)
        with pytest.raises(TwilioError):
            await lists.participants(CF)


async def test_recordings_of_conferences_and_legs_are_each_once() -> None:
    """Deleted ones that Twilio still lists too."""
    async with counting_server() as server, lists_of(server) as lists:
        server.answers = lambda *_: rows("recordings", {"sid": RE, "status": "deleted"}, {"sid": 1})
        (found,) = await lists.recordings([CF], [LEG])
        assert (RE, "deleted") == (found.recording_sid, found.status)
        assert [{"ConferenceSid": CF}, {"CallSid": LEG}] == [
            {k: v for k, v in query.items() if k.endswith("Sid")} for query in server.queries
        ]
        assert all("true" == query["IncludeSoftDeleted"] for query in server.queries)
