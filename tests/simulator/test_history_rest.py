"""The double lists what Twilio still knows of calls that are over, and refuses what Twilio
refuses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp
import pytest

from simulator.events import Account, iso, taskrouter_event
from simulator.listing import remember
from simulator.media import Credentials, clock
from simulator.script import ConferenceBegan, ConferenceEnded, Json, LegBegan, LegStatus, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
TASK, LEG, CONFERENCE = "WT" + "1" * 32, "CA" + "2" * 32, "CF" + "3" * 32
DAY = 24 * 3_600_000


class HistoryClient:
    """A client of the double."""

    def __init__(self, session: aiohttp.ClientSession, rest: TwilioRest) -> None:
        self._session, self.rest = session, rest
        self.now = clock()

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        return await self.asked(path, query)

    async def asked(self, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        path = path.replace("AC", f"/2010-04-01/Accounts/{CREDENTIALS.account_sid}", 1)
        auth = aiohttp.BasicAuth(CREDENTIALS.account_sid, CREDENTIALS.auth_token)
        url = self.rest.url + path
        async with self._session.get(url, auth=auth, params=query) as answer:
            return answer.status, await answer.json()

    async def events(self, **query: str) -> tuple[int, list[Json]]:
        sid = self.rest.administration.workspace_sid
        status, body = await self.get(f"/taskrouter/v1/Workspaces/{sid}/Events", **query)
        return status, body.get("events", [])


def event(name: str, at: int, task_sid: str = TASK) -> Json:
    account = Account(CREDENTIALS.account_sid, "WS" + "4" * 32)
    payload: Json = {"task_sid": task_sid, "task_channel_unique_name": "voice"}
    return taskrouter_event(account, Sids(Random(at)), name, at, payload)


@asynccontextmanager
async def double() -> AsyncIterator[HistoryClient]:
    world, now = World(Sids(Random(1))), clock()
    world.apply(LegBegan(LEG, LegStatus.IN_PROGRESS), now - 60_000)
    world.apply(ConferenceBegan(CONFERENCE, TASK), now - 60_000)
    world.apply(ConferenceEnded(CONFERENCE), now - 10_000)
    for name, at in (("task.created", now - 2 * DAY), ("reservation.accepted", now - 60_000)):
        remember(world.events, event(name, at))
        remember(world.events, event(name, at))
    rest = TwilioRest(world, CREDENTIALS, Faults())
    async with rest, aiohttp.ClientSession() as session:
        yield HistoryClient(session, rest)


async def test_events_of_the_last_quarter_are_listed_without_dates() -> None:
    """With dates, those between them; each once, with its payload as data."""
    async with double() as api:
        (found,) = (await api.events())[1]
        assert ("reservation.accepted", TASK) == (
            found["event_type"],
            found["event_data"]["task_sid"],
        )
        assert "eventtype" not in found["event_data"]
        all_ = (await api.events(StartDate=iso(api.now - 3 * DAY)))[1]
        assert ["reservation.accepted", "task.created"] == [row["event_type"] for row in all_]
        until = iso(api.now - DAY)
        old = (await api.events(StartDate=iso(api.now - 3 * DAY), EndDate=until))[1]
        assert ["task.created"] == [row["event_type"] for row in old]
        assert [] == (await api.events(EventType="task.canceled"))[1]
        assert [] == (await api.events(TaskSid="WT" + "9" * 32))[1]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/taskrouter/v1/Workspaces/WS1/Events", {}, 404),
        ("events", {"StartDate": "yesterday"}, 400),
        ("events", {"StartDate": "2026-11-29"}, 400),
        ("events", {"Type": "reservation.accepted"}, 400),
        ("AC/Conferences.json", {"DateCreated>": "2026-11-29T00:00:00Z"}, 400),
        ("AC/Conferences.json", {"DateCreated>": "2026-02-30"}, 400),
        ("AC/Conferences.json", {"CreatedAfter": "2026-11-29"}, 400),
        ("AC/Conferences.json", {"Status": "over"}, 400),
        ("AC/Calls.json", {"StartedAfter": "2026-11-29"}, 400),
        ("AC/Calls.json", {"PageSize": "many"}, 400),
    ],
)
async def test_the_double_is_strict(path: str, query: dict[str, str], status: int) -> None:
    """A wrong filter is refused, not ignored."""
    async with double() as api:
        own = f"/taskrouter/v1/Workspaces/{api.rest.administration.workspace_sid}/Events"
        assert status == (await api.asked(own if path == "events" else path, query))[0]


async def test_conferences_and_calls_are_listed_by_days() -> None:
    """UTC days; `<` ends the list at the first instant of the day."""
    async with double() as api:
        today, tomorrow = iso(api.now - 60_000)[:10], iso(api.now + DAY)[:10]
        both = {"DateCreated>": today, "DateCreated<": tomorrow, "Status": "completed"}
        (found,) = (await api.asked("AC/Conferences.json", both))[1]["conferences"]
        assert (TASK, "completed") == (found["friendly_name"], found["status"])
        early = await api.asked("AC/Conferences.json", {"DateCreated<": today})
        assert [] == early[1]["conferences"]
        (leg,) = (await api.asked("AC/Calls.json", {"StartTime>": today}))[1]["calls"]
        assert LEG == leg["sid"]
        assert [] == (await api.get("AC/Calls.json", ParentCallSid=LEG))[1]["calls"]
