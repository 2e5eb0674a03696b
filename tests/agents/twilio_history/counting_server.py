"""A server that answers each request after a while, and counts how many are in flight at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class CountingServer:
    """`url`: its base URL; `most`: the most requests in flight at once; `paths`: answered ones."""

    def __init__(self, hold_s: float) -> None:
        self.hold_s = hold_s
        self.most = 0
        self.in_flight = 0
        self.paths: Counter[str] = Counter()
        self.queries: list[dict[str, str]] = []
        self.url = ""
        self._news = asyncio.Event()
        self.answers: Callable[[str, dict[str, str]], web.Response] = lambda *_: web.json_response(
            {}
        )

    async def answered(self, prefix: str, least: int) -> None:
        """Return once so many requests for paths with the prefix were answered."""
        while sum(n for path, n in self.paths.items() if path.startswith(prefix)) < least:
            self._news.clear()
            await self._news.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self.hold_s)
        finally:
            self.in_flight -= 1
        self.paths[request.path] += 1
        self.queries.append(dict(request.query))
        self._news.set()
        return self.answers(request.path, dict(request.query))


@asynccontextmanager
async def counting_server(hold_s: float = 0.0) -> AsyncIterator[CountingServer]:
    server = CountingServer(hold_s)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site: Any = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
