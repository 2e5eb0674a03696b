"""Opening the database as a role does: migrated, and waited for while it is away."""

import asyncio
import contextlib

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.store.database import migrate
from pipeline.telemetry import Health

log = structlog.get_logger(__name__)

RETRY_S = 1.0


async def ready(engine: Engine, health: Health, stop: asyncio.Event) -> bool:
    """Returns True once the database has this version's tables; until then health says why not.
    False: `stop` was set before."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(migrate, engine)
        except SQLAlchemyError as error:
            health.bad("database", f"cannot be opened ({type(error).__name__})")
            log.warning("database not ready", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await stop.wait()
        else:
            health.good("database")
            return True
    return False
