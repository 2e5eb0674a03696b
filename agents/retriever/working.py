"""Run a retriever: create its clients and parts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from agents.retriever.attempts import AttemptParts, Attempts
from agents.retriever.retrieval import Retrieval
from agents.retriever.retriever import Retriever
from agents.retriever.steps import WorkSteps
from agents.retriever.twilio import TwilioRecordings
from agents.twilio_history.client import history_api
from agents.twilio_history.membership import GROUP
from pipeline.recovery.decryption import private_keys
from pipeline.recovery.jobs import Timing
from pipeline.recovery.wanted import Recovery
from pipeline.runtime.kafka import started_producer
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import PREFIX, Role, Settings, SettingsError
from pipeline.runtime.telemetry import Health
from pipeline.store.startup import opened_store
from schemas.topics import CONTACTS, DEAD_LETTERS, RECORDINGS, RETRIEVALS, TWILIO_PERMITS

HALF_WRITTEN_S = 24 * 60 * 60.0


async def retrieve(
    settings: Settings, health: Health, stop: asyncio.Event, recovery: Recovery
) -> None:
    """Retrieve until `stop` is set. Raise if it cannot continue."""
    url = settings.need("recordings_url", "file:///directory or s3://bucket/prefix")
    keys = decryption_keys(settings)
    store = await opened_store(url, health)
    await store.sweep(HALF_WRITTEN_S)
    timing = Timing(
        round(settings.recovery_delay_seconds * 1000),
        round(settings.recovery_give_up_seconds * 1000),
    )
    async with (
        log_clock(settings, health) as clock,
        using_kafka(
            settings,
            health,
            reads=[CONTACTS, RETRIEVALS, TWILIO_PERMITS],
            writes=[RECORDINGS, RETRIEVALS, DEAD_LETTERS],
            groups=[Role.RETRIEVER, GROUP],
        ),
        history_api(settings, health) as api,
        ClientSession() as session,
        download_directory(settings) as directory,
        started_producer(settings, Role.RETRIEVER, health) as producer,
    ):
        await clock.settled(stop)
        if stop.is_set():
            return
        credentials = settings.rest_credentials
        assert credentials is not None
        twilio, steps = TwilioRecordings(api, session, credentials), WorkSteps()
        parts = AttemptParts(
            settings,
            health,
            producer,
            twilio,
            Retrieval(store, twilio, directory, keys, steps),
            timing,
            settings.recovery_delete,
        )
        retriever = Retriever(
            settings,
            producer,
            Attempts(parts),
            clock,
            recovery=recovery,
            timing=timing,
            steps=steps,
        )
        await retriever.run(health, stop)


@asynccontextmanager
async def download_directory(settings: Settings) -> AsyncIterator[Path]:
    """Provide the directory for files that are being downloaded. Other users cannot read it.

    Each process has its own directory in the state directory, and finds it again after a restart.
    Files older than a day are deleted: their jobs belong to another process by now. Without a state
    directory, a temporary one with a random name is used, and downloads begin again after a
    restart.
    """
    if settings.state_dir is None:
        with TemporaryDirectory(prefix="flexcapture-retrievals-") as name:
            yield Path(name)
        return
    directory = settings.state_dir / "retrievals" / (settings.instance or "retriever")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.stat().st_mtime < time.time() - HALF_WRITTEN_S:
            path.unlink(missing_ok=True)
    yield directory


def decryption_keys(settings: Settings) -> tuple[RSAPrivateKey, ...]:
    """Return the private keys for encrypted recordings. Raise `SettingsError`."""
    secret = settings.recording_private_key
    if secret is None:
        return ()
    try:
        return private_keys(secret.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"{PREFIX}RECORDING_PRIVATE_KEY: {error}") from None
