"""Logs, metrics, and the HTTP server on which every role reports its state.

Metrics are prometheus_client's, declared in the `metrics.py` of each package, and named
`flexcapture_...`.
"""

import logging
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.runtime.http_server import serving
from pipeline.runtime.log_limits import LimitedHandler
from pipeline.runtime.metrics import INVALID_SIDS
from pipeline.twilio.sids import SidKind


def count_invalid_sids(kinds: Iterable[SidKind]) -> None:
    """Count invalid SIDs, which count as absent, in the process that found them."""
    for kind in kinds:
        INVALID_SIDS.labels(kind.value).inc()


def set_up_logs(role: str, instance: str, level: str) -> None:
    """Set up logs: one JSON object per line on standard error, for our own and the libraries' logs.
    Repeated lines are limited (`pipeline.runtime.log_limits`)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = LimitedHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("aiokafka", "botocore", "urllib3", "uvicorn.access", "twilio", "websockets"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role, instance=instance)


STARTING = "starting"
"""The reason that a role removes once it can do its job."""


class Health:
    """Why this process cannot do its job: one reason for each name, or none.

    Warnings are problems that others must solve. They are shown, and the process stays healthy.
    """

    def __init__(self, **reasons: str) -> None:
        self.was_ready = STARTING not in reasons
        """Whether the process was ever ready to do its job."""
        self._reasons = dict(reasons)
        self._warnings: dict[str, str] = {}

    def bad(self, name: str, reason: str) -> None:
        """Make the process unhealthy, until `good(name)`."""
        self._reasons[name] = reason

    def good(self, name: str) -> None:
        """Remove the named reason, if there is one."""
        self._reasons.pop(name, None)
        self.was_ready |= name == STARTING

    def warn(self, name: str, warning: str) -> None:
        """Show a warning until `clear_warning(name)`; the process stays healthy."""
        self._warnings[name] = warning

    def clear_warning(self, name: str) -> None:
        """Remove the named warning, if there is one."""
        self._warnings.pop(name, None)

    @property
    def reasons(self) -> dict[str, str]:
        """The present reasons, by name."""
        return dict(self._reasons)

    @property
    def warnings(self) -> dict[str, str]:
        """The present warnings, by name."""
        return dict(self._warnings)


def health_routes(health: Health) -> list[Route]:
    """Return the routes `GET /healthz` (200, or 503 with a line for each reason; then the warnings)
    and `GET /metrics`."""

    async def healthz(_: Request) -> Response:
        reasons = health.reasons
        first = "".join(f"{n}: {r}\n" for n, r in sorted(reasons.items())) or "ok\n"
        warnings = "".join(f"warning: {n}: {w}\n" for n, w in sorted(health.warnings.items()))
        return PlainTextResponse(first + warnings, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/metrics", metrics)]


@asynccontextmanager
async def serving_health(listen: str | None, health: Health) -> AsyncIterator[None]:
    """Serve `/healthz` and `/metrics` on `listen` while the block runs; None: serve nothing."""
    if listen is None:
        yield
        return
    async with serving(listen, Starlette(routes=list(health_routes(health)))):
        yield
