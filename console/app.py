"""The console as an ASGI application: routes, the gate before them, errors, headers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.access import Gate, GateMiddleware
from console.api import Api
from console.audio import Objects
from console.pages import Pages
from pipeline.store.repository import Repository
from pipeline.telemetry import Health, health_routes

log = structlog.get_logger(__name__)

PING_S = 3
_STATIC = Path(__file__).parent / "static"
_CSP = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "media", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(repository: Repository, objects: Objects, health: Health, token: str) -> ASGIApp:
    """The console. What needs the database answers 503 while that is away."""
    gate = Gate(token)
    pages = Pages(repository, gate)
    healthz, metrics = health_routes(health)

    async def checked_healthz(request: Request) -> Response:
        await _look_at_database(repository, health)
        answer: Response = await healthz.endpoint(request)
        return answer

    return Starlette(
        routes=[
            *Api(repository, objects).routes(),
            *pages.routes(),
            Route("/healthz", checked_healthz),
            metrics,
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(_HeadersMiddleware), Middleware(GateMiddleware, gate=gate)],
        exception_handlers=_error_handlers(pages),
    )


async def _look_at_database(repository: Repository, health: Health) -> None:
    try:
        async with asyncio.timeout(PING_S):
            await run_in_threadpool(repository.ping)
    except (SQLAlchemyError, TimeoutError) as error:
        health.bad("database", f"cannot be reached ({type(error).__name__})")
    else:
        health.good("database")


def _error_handlers(pages: Pages) -> dict[Any, Callable[..., Awaitable[Response]]]:
    async def refused(request: Request, error: HTTPException) -> Response:
        return _told(pages, request, error.status_code, error.detail, error.headers)

    async def database_away(request: Request, error: SQLAlchemyError) -> Response:
        log.error("the database failed", path=request.url.path, error=type(error).__name__)
        return _told(pages, request, 503, "the database cannot be reached", None)

    async def broken(request: Request, _: Exception) -> Response:
        return _told(pages, request, 500, "something is broken here; the log says what", None)

    return {HTTPException: refused, SQLAlchemyError: database_away, Exception: broken}


def _told(pages: Pages, request: Request, status: int, text: str, headers: Any) -> Response:
    path = request.url.path
    if path.startswith("/api"):
        return JSONResponse({"error": text}, status, headers)
    if path.startswith("/static/"):
        return PlainTextResponse(text, status, headers)
    return pages.error(status, text)


class _HeadersMiddleware:
    """Puts what keeps a browser safe on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fallback = "no-cache" if scope["path"].startswith("/static/") else "no-store"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, fallback)
            await send(message)

        await self._app(scope, receive, with_headers)


def _add(message: MutableMapping[str, Any], cache: str) -> None:
    headers = MutableHeaders(scope=message)
    headers.setdefault("Cache-Control", cache)
    for name, value in _HEADERS.items():
        headers[name] = value
