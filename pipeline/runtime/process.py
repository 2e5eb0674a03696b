"""The frame of every role's process: logs, health, signals, exit status."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import STARTING, Health, serving_health, set_up_logs

log = structlog.get_logger(__name__)

RoleMain = Callable[[Settings, Health, asyncio.Event], Awaitable[None]]
"""A role: it works until the event is set, then ends cleanly; it raises if it cannot continue. It
must call `health.good("starting")` once it can do its job. Until then it may be cancelled."""

_START_GRACE_S = 1.0
"""Grace after SIGTERM for a role that is still starting. Then it is cancelled."""
END_AFTER_S = 5.0
"""Limit after SIGTERM for a role that is still starting. Then its process ends in any case."""


class StopRequest(asyncio.Event):
    """Set by the first SIGTERM or SIGINT. `urgent` is set by the second: a role that waits for
    calls to end ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.urgent = asyncio.Event()

    def signalled(self) -> None:
        """Note a signal."""
        (self.urgent if self.is_set() else self).set()


def urgent_of(stop: asyncio.Event) -> asyncio.Event:
    """Return the event of the second signal; one that is never set if `stop` has none."""
    return stop.urgent if isinstance(stop, StopRequest) else asyncio.Event()


async def run_role(role: str, main: RoleMain, settings: Settings) -> None:
    """Run `main` until SIGTERM or SIGINT. Raise the errors of `main`. `role`: its name in the log.

    A role that gets the signal before it is ready is cancelled. Its process ends with status 0
    within `END_AFTER_S`, even if a thread or a library does not end.
    """
    set_up_logs(role, settings.instance or role, settings.log_level)
    health = Health(**{STARTING: "not ready yet"})
    stop = StopRequest()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.signalled)
    async with serving_health(settings.http_listen, health):
        log.info("started")
        working = asyncio.ensure_future(main(settings, health, stop))
        stopping = asyncio.create_task(_stopped_at_the_start(working, health, stop))
        try:
            await working
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
        except Exception as error:
            if health.was_ready or not stop.is_set():
                raise
            log.warning("stopped during the start", error=repr(error))
        finally:
            stopping.cancel()
        log.info("stopped")


async def _stopped_at_the_start(
    working: asyncio.Future[None], health: Health, stop: asyncio.Event
) -> None:
    await stop.wait()
    if health.was_ready:
        return
    end = threading.Timer(END_AFTER_S, os._exit, (0,))
    end.daemon = True
    end.start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_GRACE_S):
            await asyncio.wait([working])
    working.cancel()
