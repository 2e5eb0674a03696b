"""The REST requests for calls that the account places (`placed.py`)."""

from collections.abc import Callable

from aiohttp import web

from simulator.placed import Begin, PlacedCalls, call_of, number_of
from simulator.script import Json

Page = Callable[[str, list[Json], web.Request], web.Response]
"""Returns one page of a list as a response."""


class PlacedRest:
    """Handles the requests for the calls and numbers of one account."""

    def __init__(self, placed: PlacedCalls, account_sid: str, begin: Begin, page: Page) -> None:
        self._placed, self._account = placed, account_sid
        self._begin, self._page = begin, page

    def add_routes(self, application: web.Application, account: str) -> None:
        """Add the routes; `account` is the path of the account."""
        router = application.router
        router.add_post(account + "/Calls.json", self._place)
        router.add_post(account + "/Calls/{call}.json", self._end)
        router.add_get(account + "/IncomingPhoneNumbers.json", self._numbers)

    async def _place(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        call = self._placed.place(form, self._begin)
        return web.json_response(call_of(call, self._account), status=201)

    async def _end(self, request: web.Request) -> web.Response:
        form = await request.post()
        call = self._placed.end(request.match_info["call"], str(form.get("Status", "")))
        return web.json_response(call_of(call, self._account))

    async def _numbers(self, request: web.Request) -> web.Response:
        rows = [number_of(number, self._account) for number in self._placed.numbers]
        return self._page("incoming_phone_numbers", rows, request)
