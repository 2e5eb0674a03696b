"""The page and the endpoint about the last run of `flexcapture twilio doctor`, and its metrics."""

import asyncio
import contextlib
from collections.abc import Callable
from math import inf

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.metrics import CHECKS, CHECKS_AGE
from console.rendering import Templates
from console.times import rfc3339
from console.views import Json
from console.visitor import visitor_of
from pipeline.check_results import CheckRun, CheckStatus
from pipeline.store.check_runs import CheckRuns

MEASURE_EVERY_S = 15.0


class ChecksShown:
    """The page `/checks` and `GET /api/checks`."""

    def __init__(self, runs: CheckRuns, templates: Templates) -> None:
        self._runs = runs
        self._templates = templates

    def routes(self) -> list[Route]:
        """Return the routes of the page and the endpoint."""
        return [Route("/checks", self.page), Route("/api/checks", self.checks)]

    async def page(self, request: Request) -> Response:
        """Show each check of the last run."""
        run = await run_in_threadpool(self._runs.last)
        at = visitor_of(request).at
        return self._templates.page(
            "checks.html",
            here="checks",
            run=run,
            counts={} if run is None else {status: run.number(status) for status in CheckStatus},
            stale_hours=(at - run.at) // 3_600_000 if run and run.is_stale(at) else None,
        )

    async def checks(self, request: Request) -> Response:
        """Answer with the results of the last run."""
        run = await run_in_threadpool(self._runs.last)
        return JSONResponse(_json(run, visitor_of(request).at))


def _json(run: CheckRun | None, now: int) -> Json:
    results = () if run is None else run.results
    return {
        "ran_at": None if run is None else rfc3339(run.at),
        "stale": run is None or run.is_stale(now),
        "checks": [
            {
                "name": each.name,
                "status": each.status,
                "detail": each.detail,
                "remedy": each.remedy,
            }
            for each in results
        ],
    }


async def measure_checks(runs: CheckRuns, clock: Callable[[], int], stop: asyncio.Event) -> None:
    """Keep the metrics of the last run up to date until `stop` is set. `clock`: ms since the Unix
    epoch."""
    while not stop.is_set():
        with contextlib.suppress(SQLAlchemyError):  # the health says that the database is away
            export(await run_in_threadpool(runs.last), clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MEASURE_EVERY_S):
                await stop.wait()


def export(run: CheckRun | None, now: int) -> None:
    """Set the metrics at `now` (ms)."""
    CHECKS_AGE.set(inf if run is None else max(0, now - run.at) / 1000)
    for status in CheckStatus:
        CHECKS.labels(status).set(0 if run is None else run.number(status))
