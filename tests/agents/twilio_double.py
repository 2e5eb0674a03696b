"""A small double of Twilio's REST API: enough of it for the adapter, with errors on demand."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BasicAuth, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACCOUNT = "AC" + "0" * 32
TOKEN = "the-auth-token"


@dataclass(frozen=True)
class Reply:
    """An unusual reply. `does`: the request takes effect nevertheless; `until`: it is answered only
    then; `resets`: the connection breaks instead."""

    status: int = 500
    text: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    does: bool = False
    until: asyncio.Event | None = None
    resets: bool = False


@dataclass
class TwilioDouble:
    """`requests`: all requests, as (kind, call or conference or task SID, form); `refused`: the
    number of those with wrong credentials; `failures`: the first answers, as (status, code) or an
    unusual reply; `calls`: the status of each leg; `ends`: the two ends of each leg; `conflict`:
    the answer to a second start with the same name; None: it starts another media stream."""

    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refused: int = 0
    token: str = TOKEN
    conflict: tuple[int, int | None] | None = (409, None)
    failures: deque[tuple[int, int | None] | Reply] = field(default_factory=deque)
    calls: dict[str, str] = field(default_factory=dict)
    streams: dict[str, dict[str, str]] = field(default_factory=dict)
    conferences: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    hanging: asyncio.Event | None = None
    url: str = ""

    def asked(self, kind: str) -> list[tuple[str, dict[str, str]]]:
        """The requests of that kind."""
        return [(sid, form) for k, sid, form in self.requests if k == kind]

    async def until_asked(self, kind: str, times: int = 1) -> None:
        """Returns once so many requests of that kind came."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.asked(kind)) >= times)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._odd])
        base = f"/base/2010-04-01/Accounts/{ACCOUNT}"
        app.router.add_post(base + "/Calls/{call}/Streams.json", self._start)
        app.router.add_post(base + "/Calls/{call}/Streams/{stream}.json", self._stop)
        app.router.add_get(base + "/Calls/{call}.json", self._call)
        app.router.add_get(base + "/Conferences.json", self._conferences)
        app.router.add_get(base + "/Conferences/{sid}/Participants.json", self._participants)
        return app

    async def _note(self, kind: str, sid: str, form: dict[str, str]) -> web.Response | None:
        async with self.changed:
            self.requests.append((kind, sid, form))
            self.changed.notify_all()
        if self.hanging is not None:
            await self.hanging.wait()
        if self.failures and isinstance(self.failures[0], tuple):
            return _error(*self.failures.popleft())
        return None

    @web.middleware
    async def _odd(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.failures or not isinstance(reply := self.failures[0], Reply):
            return await handler(request)
        self.failures.popleft()
        if reply.does:
            await handler(request)
        else:
            await self._note("odd", request.path, {})
        if reply.until is not None:
            await reply.until.wait()
        if reply.resets and request.transport is not None:
            request.transport.abort()
        return web.Response(
            status=reply.status,
            body=reply.text.encode("latin-1"),
            headers=reply.headers | {"Content-Type": reply.content_type},
        )

    def _known(self, request: web.Request) -> web.Response | None:
        header = request.headers.get("Authorization", "")
        if BasicAuth(ACCOUNT, self.token).encode() == header:
            return None
        self.refused += 1
        return _error(401, 20003)

    async def _start(self, request: web.Request) -> web.Response:
        call = request.match_info["call"]
        form = {k: str(v) for k, v in (await request.post()).items()}
        failed = self._known(request) or await self._note("start", call, form)
        if failed is not None:
            return failed
        if call not in self.calls:
            return _error(404, 20404)
        if self.calls[call] != "in-progress":
            return _error(400, 21220)
        taken = any(
            s["name"] == form["Name"] and s["status"] == "in-progress"
            for s in self.streams.values()
        )
        if taken and self.conflict is not None:
            return _error(*self.conflict)
        sid = f"MZ{len(self.streams) + 1:032x}"
        self.streams[sid] = {"name": form["Name"], "call": call, "status": "in-progress"}
        return web.json_response({"sid": sid, "call_sid": call, "name": form["Name"]})

    async def _stop(self, request: web.Request) -> web.Response:
        call, which = request.match_info["call"], request.match_info["stream"]
        form = {k: str(v) for k, v in (await request.post()).items()}
        failed = self._known(request) or await self._note("stop", which, form)
        if failed is not None:
            return failed
        for sid, stream in self.streams.items():
            if which in (sid, stream["name"]) and stream["call"] == call:
                stream["status"] = "stopped"
                return web.json_response({"sid": sid, "status": "stopped"})
        return _error(404, 20404)

    async def _call(self, request: web.Request) -> web.Response:
        call = request.match_info["call"]
        failed = self._known(request) or await self._note("call", call, {})
        if failed is not None:
            return failed
        if call not in self.ends:
            return _error(404, 20404)
        start, end = self.ends[call]
        return web.json_response({"sid": call, "from": start, "to": end})

    async def _conferences(self, request: web.Request) -> web.Response:
        name = request.query.get("FriendlyName", "")
        failed = self._known(request) or await self._note("conferences", name, dict(request.query))
        if failed is not None:
            return failed
        found = [{"sid": f"CF{name[2:]}"}] if name in self.conferences else []
        return web.json_response({"conferences": found, "next_page_uri": None})

    async def _participants(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        failed = self._known(request) or await self._note("participants", sid, dict(request.query))
        if failed is not None:
            return failed
        # One a page, to be followed by a relative address.
        all_of_them = self.conferences["WT" + sid[2:]]
        page = int(request.query.get("Page", "0"))
        path = request.path.removeprefix("/base")
        more = page + 1 < len(all_of_them)
        return web.json_response(
            {
                "participants": all_of_them[page : page + 1],
                "next_page_uri": f"{path}?Page={page + 1}" if more else None,
            }
        )


def _error(status: int, code: int | None) -> web.Response:
    body = {"code": code, "message": "as asked for", "status": status}
    return web.json_response(body, status=status)


@asynccontextmanager
async def twilio_double() -> AsyncIterator[TwilioDouble]:
    """A double that listens at its `url`."""
    double = TwilioDouble()
    runner = web.AppRunner(double.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]
    double.url = f"http://127.0.0.1:{port}/base"
    try:
        yield double
    finally:
        await runner.cleanup()
