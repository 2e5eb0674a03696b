"""Open the database and the recordings store for a role, and wait while they are unavailable."""

import asyncio
import contextlib
import time

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.runtime.state_log import Lasting
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.database import migrate

RETRY_S = 1.0


async def ready(engine: Engine, health: Health, stop: asyncio.Event) -> bool:
    """Return True once the database has this version's tables; meanwhile `health` has the reason.
    Return False if `stop` is set before."""
    said = Lasting("waiting for the database", "the database can be used")
    while not stop.is_set():
        try:
            await asyncio.to_thread(migrate, engine)
        except SQLAlchemyError as error:
            health.bad("database", f"cannot be opened ({type(error).__name__})")
            said.lasts(time.monotonic(), type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await stop.wait()
        else:
            said.ends()
            health.good("database")
            return True
    return False


async def opened_store(url: str, health: Health, name: str = "recordings-store") -> AudioStore:
    """Return the store at `url` once it can be opened (a directory may be on a volume that is not
    mounted yet). Meanwhile `health` has the reason, under `name`."""
    called = name.replace("-", " ")
    said = Lasting(f"waiting for the {called}", f"the {called} can be used")
    while True:
        try:
            store = AudioStore.from_url(url)
        except StoreError as error:
            health.bad(name, f"cannot be opened: {error}")
            said.lasts(time.monotonic(), str(error))
            await asyncio.sleep(RETRY_S)
        else:
            said.ends()
            health.good(name)
            return store
