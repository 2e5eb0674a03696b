"""The console's process."""

import asyncio

from console.app import make_app
from console.database_health import watch_database
from console.safety import SAFETY_HEADERS
from pipeline.runtime.http_server import serving
from pipeline.runtime.secret_settings import several
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.database import open_database
from pipeline.store.repository import Repository
from pipeline.store.startup import opened_store, ready


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Serves the console until `stop` is set. Raises `SettingsError` where a setting it needs is
    missing, `OSError` where it cannot listen."""
    listen: str = settings.need("console_listen", "host:port where the console listens")
    tokens = several(settings.need("console_token", "the token that opens the console"))
    engine = open_database(settings.need("database_url", "the SQLAlchemy URL of the database"))
    url = settings.need("recordings_url", "where audio is kept: file:///directory or s3://bucket")
    try:
        objects = await opened_store(url, health)
        app = make_app(engine, objects, health, tokens)
        proxies = settings.trusted_proxies
        async with serving(listen, app, trusted_proxies=proxies, error_headers=SAFETY_HEADERS):
            if await ready(engine, health, stop):
                health.good("starting")
                await watch_database(Repository(engine), health, stop)
    finally:
        engine.dispose()
