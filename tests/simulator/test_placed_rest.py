"""The REST requests for calls that the account places."""

from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from aiohttp import web

from simulator.placed import OWN_NUMBER, PlacedCalls
from simulator.placed_rest import PlacedRest
from simulator.script import Json, LegStatus, Sids
from simulator.world import ApiError, World
from tests.simulator.in_process import asked

ROOT = "/2010-04-01/Accounts/AC1"
FORM = {"To": "+15550100200", "From": OWN_NUMBER, "Twiml": "<Response><Say>a</Say></Response>"}


class Double:
    """An account's calls. The course of each is closed when it begins."""

    def __init__(self) -> None:
        self.world = World(Sids(Random(1)))
        self.begun: list[Coroutine[Any, Any, None]] = []
        self.application = web.Application()
        placed = PlacedCalls(self.world, Sids(Random(2)))
        rest = PlacedRest(placed, "AC1", self._begin, self._page)
        rest.add_routes(self.application, ROOT)

    def _begin(self, course: Coroutine[Any, Any, None]) -> None:
        course.close()
        self.begun.append(course)

    def _page(self, name: str, rows: list[Json], request: web.Request) -> web.Response:
        return web.json_response({name: rows, "path": request.path})


async def test_a_placed_call_begins() -> None:
    """It is queued, and can be ended by its SID."""
    double = Double()
    status, call = await asked(double.application, "POST", ROOT + "/Calls.json", FORM)
    assert (201, "queued", FORM["To"]) == (status, call["status"], call["to"])
    assert 1 == len(double.begun)
    path = f"{ROOT}/Calls/{call['sid']}.json"
    status, ended = await asked(double.application, "POST", path, {"Status": "completed"})
    assert (200, call["sid"], "canceled") == (status, ended["sid"], ended["status"])
    assert LegStatus.NO_ANSWER is double.world.legs[call["sid"]].status


@pytest.mark.parametrize("form", [{}, {"Status": "paused"}])
async def test_only_an_end_can_be_asked_for(form: dict[str, str]) -> None:
    """Another status, and none, are refused."""
    double = Double()
    _, call = await asked(double.application, "POST", ROOT + "/Calls.json", FORM)
    with pytest.raises(ApiError, match="21218"):
        await asked(double.application, "POST", f"{ROOT}/Calls/{call['sid']}.json", form)


async def test_a_wrong_call_does_not_begin() -> None:
    """It is refused with Twilio's code."""
    double = Double()
    with pytest.raises(ApiError, match="21201"):
        await asked(double.application, "POST", ROOT + "/Calls.json", FORM | {"To": ""})
    assert [] == double.begun


async def test_numbers_are_one_page_of_a_list() -> None:
    """Under Twilio's name of the list."""
    path = ROOT + "/IncomingPhoneNumbers.json"
    status, found = await asked(Double().application, "GET", path)
    numbers = [row["phone_number"] for row in found["incoming_phone_numbers"]]
    assert (200, path, True) == (status, found["path"], OWN_NUMBER in numbers)
