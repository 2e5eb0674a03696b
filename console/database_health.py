"""Check every few seconds whether the console's database answers, independently of requests."""

import asyncio
import contextlib

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from pipeline.runtime.telemetry import Health
from pipeline.store.repository import Repository

CHECK_EVERY_S = 2.0
TIMEOUT_S = 3.0


async def watch_database(repository: Repository, health: Health, stop: asyncio.Event) -> None:
    """Keep the reason `database` of `health` up to date until `stop` is set."""
    while not stop.is_set():
        await check_database(repository, health)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_EVERY_S):
                await stop.wait()


async def check_database(repository: Repository, health: Health) -> None:
    """Query the database once, and set or clear the reason `database` of `health`."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await run_in_threadpool(repository.ping)
    except (SQLAlchemyError, TimeoutError) as error:
        health.bad("database", f"cannot be reached ({type(error).__name__})")
    else:
        health.good("database")
