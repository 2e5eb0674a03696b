"""The console as an ASGI application: routes, access control, error responses, headers."""

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from console.administration import Administration
from console.api import ConsoleApi
from console.audio import Objects
from console.auditing import Auditor
from console.body import BodyMiddleware
from console.checks_shown import ChecksShown
from console.gate import HEALTH, Gate, GateMiddleware
from console.pages import Pages
from console.rendering import Templates
from console.safety import SafetyMiddleware
from console.sessions import Sessions
from console.sign_in import SignIn
from console.visitor import visitor_of
from pipeline.runtime.telemetry import Health, health_routes
from pipeline.store.audit import AuditLog
from pipeline.store.check_runs import CheckRuns
from pipeline.store.repository import Repository
from pipeline.store.sessions import SessionStore

log = structlog.get_logger(__name__)

_STATIC = Path(__file__).parent / "static"


def now_ms() -> int:
    """Return the time in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


def make_app(
    engine: Engine,
    objects: Objects,
    health: Health,
    tokens: Sequence[str],
    clock: Callable[[], int] = now_ms,
) -> ASGIApp:
    """Return the console for a migrated database. Requests that need the database get 503 while it
    cannot be reached. `tokens`: each of them gives access. `clock`: ms since the Unix epoch."""
    repository, audit_log = Repository(engine), AuditLog(engine)
    auditor, templates = Auditor(audit_log), Templates()
    sessions = Sessions(SessionStore(engine), tokens)
    gate = Gate(tokens, sessions, auditor, clock)
    handlers = _error_handlers(templates)
    app = Starlette(
        routes=[
            *ConsoleApi(repository, objects, auditor).routes(),
            *Pages(repository, templates).routes(),
            *SignIn(gate, auditor, templates).routes(),
            *Administration(sessions, audit_log, auditor, templates).routes(),
            *ChecksShown(CheckRuns(engine), templates).routes(),
            *_health_routes(health),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            # Starlette's own handler is inside of the next two, so their errors need this one.
            Middleware(ExceptionMiddleware, handlers=handlers),
            Middleware(GateMiddleware, gate=gate),
            Middleware(BodyMiddleware),
        ],
        exception_handlers=handlers,
    )
    return SafetyMiddleware(app)


def _health_routes(health: Health) -> list[Route]:
    """Return the routes `/metrics` and `/healthz`. Only admitted visitors get details of health."""
    healthz, metrics = health_routes(health)

    async def guarded_healthz(request: Request) -> Response:
        if visitor_of(request).is_admitted:
            answer: Response = await healthz.endpoint(request)
            return answer
        return PlainTextResponse(*(("unhealthy\n", 503) if health.reasons else ("ok\n", 200)))

    return [Route(HEALTH, guarded_healthz), metrics]


def _error_handlers(templates: Templates) -> dict[Any, Callable[..., Awaitable[Response]]]:
    async def refused(request: Request, error: HTTPException) -> Response:
        return _error(templates, request, error.status_code, error.detail, error.headers)

    async def database_away(request: Request, error: SQLAlchemyError) -> Response:
        log.error("the database failed", path=request.scope["path"], error=type(error).__name__)
        return _error(templates, request, 503, "the database cannot be reached", None)

    async def broken(request: Request, _: Exception) -> Response:
        return _error(templates, request, 500, "internal error; details are in the log", None)

    return {HTTPException: refused, SQLAlchemyError: database_away, Exception: broken}


def _error(
    templates: Templates, request: Request, status: int, text: str, headers: Any
) -> Response:
    path: str = request.scope["path"]
    if path == "/api" or path.startswith("/api/"):
        return JSONResponse({"error": text}, status, headers)
    if path.startswith("/static/") or path in ("/metrics", HEALTH):
        return PlainTextResponse(text, status, headers)
    response = templates.page("error.html", status, here="error", status=status, text=text)
    response.headers.update(headers or {})
    return response
