"""The part of Twilio's REST API that a recorder needs, over HTTP on a loopback port.

It starts and stops media streams, and lists conferences, participants and call legs; the
administrative APIs are in `admin_rest`. Basic
authentication, paging and errors are like Twilio's. The answers come from the `World`. A task of
this double sends each started media stream. Requests about a task are counted in the `World`,
except those that a fault refuses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import SystemRandom
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from simulator.accounts import AccountKeys, TwilioAccounts
from simulator.admin_rest import AdminApis, AdminRest
from simulator.envelopes import as_listed
from simulator.faults import TOO_MANY_REQUESTS, UNAVAILABLE, Stumble, Stumbles
from simulator.history_rest import HistoryRest
from simulator.media import Credentials, clock, send_media_stream
from simulator.paging import paged
from simulator.parent_account import ParentAccount
from simulator.placed import PlacedCalls, call_of
from simulator.placed_rest import PlacedRest
from simulator.recorded_rest import RecordedRest
from simulator.resources import (
    API,
    call_resource,
    media_stream_resource,
    participant_resource,
)
from simulator.script import Json, Sids
from simulator.unlike import Unlike
from simulator.world import ApiError, MediaStream, World, not_found

OPENED_WITHIN_S, AFTER_OPENING_S = 1.0, 0.25
Sender = Callable[[World, MediaStream, Credentials], Coroutine[Any, Any, None]]
"""Runs a media stream to its end."""


@dataclass(slots=True)
class Faults:
    """How many of the next requests are refused: the first ones with 429, then some with 503."""

    too_many_requests: int = 0
    unavailable: int = 0

    def next(self) -> Stumble | None:
        """Return the refusal of the next request, or None."""
        if self.too_many_requests > 0:
            self.too_many_requests -= 1
            return TOO_MANY_REQUESTS
        if self.unavailable > 0:
            self.unavailable -= 1
            return UNAVAILABLE
        return None


@dataclass(frozen=True, slots=True)
class ApiTrouble:
    """A request that failed. `kind`: how; `began_at`, `ended_at`: ms."""

    method: str
    path: str
    kind: str
    began_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class ApiRefusal:
    """A request that was answered with an error, at `at` (ms)."""

    method: str
    path: str
    status: int
    code: int
    at: int


class TwilioRest:
    """The double of Twilio's REST API: an async context manager that serves while it is open.
    Leaving it ends all media streams.

    `starts`: more failures, of requests to start a media stream only; `accounts`: if the account
    of `credentials` is a subaccount, or has API keys.
    """

    def __init__(
        self,
        world: World,
        credentials: Credentials,
        faults: Stumbles,
        port: int = 0,
        send: Sender = send_media_stream,
        *,
        starts: Stumbles | None = None,
        accounts: TwilioAccounts | None = None,
    ) -> None:
        self._send = send
        self._starts = starts or Faults()
        self._accounts = accounts or TwilioAccounts(AccountKeys(credentials))
        self.placed = PlacedCalls(world, Sids(SystemRandom()))
        self.administration = AdminApis.fresh(Sids(SystemRandom()))
        self._admin = AdminRest(self.administration, credentials.account_sid)
        self.parent: ParentAccount | None = None
        if (owner := self._accounts.parent) is not None:
            self.parent = ParentAccount(owner.sid, Sids(SystemRandom()).new("WS"))
        self.recordings = RecordedRest(world, credentials.account_sid, self._page)
        self._world = world
        self._credentials = credentials
        self._faults = faults
        self._port = port
        self._stack = AsyncExitStack()
        self.url = ""
        self.requests = 0
        self.troubles: list[ApiTrouble] = []
        self.refusals: list[ApiRefusal] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._senders = await stack.enter_async_context(asyncio.TaskGroup())
            runner = web.AppRunner(self._application(), access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for call in self.placed.calls.values():
            call.over.set()
        for leg in self._world.legs.values():
            for media_stream in leg.media_streams:
                media_stream.stopping = True
        await self._stack.aclose()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        call = f"{API}/Accounts/{{account}}/Calls/{{call}}"
        conferences = f"{API}/Accounts/{{account}}/Conferences"
        application.router.add_get(call + ".json", self._call)
        application.router.add_post(call + "/Streams.json", self._start)
        application.router.add_post(call + "/Streams/{media_stream}.json", self._stop)
        account = self._credentials.account_sid
        placed = PlacedRest(self.placed, account, self._senders.create_task, self._page)
        placed.add_routes(application, f"{API}/Accounts/{{account}}")
        application.router.add_get(
            conferences + "/{conference}/Participants.json", self._participants
        )
        self.recordings.add_routes(application, f"{API}/Accounts/{{account}}")
        history = HistoryRest(self._world, self.administration, account, self._page)
        history.add_routes(application, f"{API}/Accounts/{{account}}")
        self._admin.add_routes(application)
        return application

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        self.requests += 1
        try:
            asked = self._asked_account(request)
            self._admin.check(request)
            if (stumble := self._stumble(request)) is not None:
                return await self._stumbles(stumble, request, handler)
            if self.parent is not None and asked != self._credentials.account_sid:
                return self.parent.answer(request)
            self._count(request)
            return await handler(request)
        except ApiError as error:
            self.refusals.append(
                ApiRefusal(request.method, request.path, error.status, error.code, clock())
            )
            return _refusal(error)
        except web.HTTPNotFound:
            return _refusal(not_found(request.path))
        except web.HTTPMethodNotAllowed:
            return _refusal(ApiError(405, 20004, "Method not allowed"))

    async def _stumbles(
        self,
        stumble: Stumble,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        began_at = clock()
        answer: web.StreamResponse = web.Response(status=500)
        try:
            if stumble.carried_out:
                answer = await handler(request)
            await asyncio.sleep(stumble.after_s)
        finally:
            trouble = ApiTrouble(request.method, request.path, stumble.kind, began_at, clock())
            self.troubles.append(trouble)
        if stumble.refusal is not None:
            raise stumble.refusal
        if not stumble.answered and request.transport is not None:
            request.transport.abort()
        return answer

    def _asked_account(self, request: web.Request) -> str:
        given = request.headers.get("Authorization", "")
        return self._accounts.asked(given, request.match_info.get("account"), request.path)

    def _stumble(self, request: web.Request) -> Stumble | None:
        is_start = request.method == "POST" and request.path.endswith("/Streams.json")
        return self._faults.next() or (self._starts.next() if is_start else None)

    def _count(self, request: web.Request) -> None:
        task_sid = request.query.get("FriendlyName", "")
        if leg := self._world.legs.get(request.match_info.get("call", "")):
            task_sid = leg.seed
        if conference := self._world.conferences.get(request.match_info.get("conference", "")):
            task_sid = conference.friendly_name
        self._world.requests.setdefault(task_sid, []).append(clock())

    async def _call(self, request: web.Request) -> web.Response:
        if (placed := self.placed.calls.get(request.match_info["call"])) is not None:
            return web.json_response(call_of(placed, self._credentials.account_sid))
        if (leg := self._world.legs.get(request.match_info["call"])) is None:
            raise not_found(request.path)
        return web.json_response(call_resource(leg, self._credentials.account_sid))

    async def _start(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        call_sid = request.match_info["call"]
        media_stream = self._world.start_media_stream(call_sid, form, clock())
        self._senders.create_task(self._send(self._world, media_stream, self._credentials))
        await self._delayed(request, media_stream)
        return web.json_response(self._media_stream(media_stream))

    async def _delayed(self, request: web.Request, media_stream: MediaStream) -> None:
        """Delay the answer to a start, or drop it, if the assumptions that do not hold require
        it."""
        unlike, loop = self._world.unlike, asyncio.get_running_loop()
        deadline = loop.time() + OPENED_WITHIN_S
        if Unlike.START_ANSWER in unlike:
            while media_stream.began_at is None and loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await asyncio.sleep(AFTER_OPENING_S)
        call_sid = media_stream.call_sid
        is_first = len(self._world.legs[call_sid].media_streams) == 1
        is_asked_again = is_first and call_sid not in self._world.monologues
        if Unlike.SAME_NAME in unlike and is_asked_again and request.transport is not None:
            request.transport.abort()

    async def _stop(self, request: web.Request) -> web.Response:
        form = await request.post()
        call_sid, name = request.match_info["call"], request.match_info["media_stream"]
        media_stream = self._world.stop_media_stream(call_sid, name, str(form.get("Status", "")))
        return web.json_response(self._media_stream(media_stream))

    async def _participants(self, request: web.Request) -> web.Response:
        if (conference := self._world.conferences.get(request.match_info["conference"])) is None:
            raise not_found(request.path)
        account, legs, unlike = self._credentials.account_sid, self._world.legs, self._world.unlike
        rows = [
            as_listed(participant_resource(conference, p, legs[sid].status, account), unlike)
            for sid, p in conference.participants.items()
        ]
        return self._page("participants", rows, request)

    def _page(self, name: str, rows: list[Json], request: web.Request) -> web.Response:
        one_by_one = Unlike.PAGING in self._world.unlike
        page = paged(name, rows, request.path, dict(request.query), one_by_one=one_by_one)
        return web.json_response(page)

    def _media_stream(self, media_stream: MediaStream) -> Json:
        return media_stream_resource(media_stream, self._credentials.account_sid)


def _refusal(error: ApiError) -> web.Response:
    body = {
        "code": error.code,
        "message": error.message,
        "more_info": f"https://www.twilio.com/docs/errors/{error.code}",
        "status": error.status,
    }
    return web.json_response(body, status=error.status)
