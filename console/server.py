"""The console's process."""

import asyncio

from console.app import make_app, now_ms
from console.checks_shown import measure_checks
from console.database_health import watch_database
from console.safety import SAFETY_HEADERS
from pipeline.runtime.http_server import serving
from pipeline.runtime.secret_settings import several
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.check_runs import CheckRuns
from pipeline.store.database import open_database
from pipeline.store.repository import Repository
from pipeline.store.startup import opened_store, ready


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Serve the console until `stop` is set. Raise `SettingsError` if a required setting is
    missing, `OSError` if the port cannot be opened."""
    listen: str = settings.need("console_listen", "host:port that the console listens on")
    tokens = several(settings.need("console_token", "the token that gives access to the console"))
    engine = open_database(settings.need("database_url", "the SQLAlchemy URL of the database"))
    url = settings.need("recordings_url", "the audio store: file:///directory or s3://bucket")
    try:
        objects = await opened_store(url, health)
        app = make_app(engine, objects, health, tokens)
        proxies = settings.trusted_proxies
        async with serving(listen, app, trusted_proxies=proxies, error_headers=SAFETY_HEADERS):
            if await ready(engine, health, stop):
                health.good("starting")
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(measure_checks(CheckRuns(engine), now_ms, stop))
                    await watch_database(Repository(engine), health, stop)
    finally:
        engine.dispose()
