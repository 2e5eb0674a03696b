"""What every role's process does around its work: logs, health, signals, exit status."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog

from pipeline.settings import Role, Settings
from pipeline.telemetry import Health, serving_health, set_up_logs

log = structlog.get_logger(__name__)

RoleMain = Callable[[Settings, Health, asyncio.Event], Awaitable[None]]
"""A role: works until the event is set, then ends cleanly; raises where it cannot go on. It must
call `health.good("starting")` once it can do its job."""


async def run_role(role: Role, main: RoleMain, settings: Settings) -> None:
    """Runs `main` until SIGTERM or SIGINT. Raises what `main` raises."""
    set_up_logs(role, settings.instance or role, settings.log_level)
    health = Health(starting="not ready yet")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with serving_health(settings.http_listen, health):
        log.info("started")
        await main(settings, health, stop)
        log.info("stopped")
