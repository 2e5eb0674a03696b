"""A retriever at work: its clients and its parts."""

import asyncio
import tempfile
import time
from pathlib import Path

from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from agents.retriever.attempts import AttemptParts, Attempts
from agents.retriever.retrieval import Retrieval
from agents.retriever.retriever import Retriever
from agents.retriever.twilio import TwilioRecordings
from agents.twilio_history.client import history_api
from agents.twilio_history.membership import GROUP
from pipeline.recovery.decryption import private_keys
from pipeline.recovery.jobs import Timing
from pipeline.recovery.wanted import Recovery
from pipeline.runtime import kafka
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
    """Retrieve until `stop` is set. Raises if it cannot continue."""
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
    ):
        producer = kafka.producer(settings, source=Role.RETRIEVER)
        await producer.start()
        try:
            await clock.settled(stop)
            if stop.is_set():
                return
            credentials = settings.rest_credentials
            assert credentials is not None
            twilio = TwilioRecordings(api, session, credentials)
            parts = AttemptParts(
                settings,
                health,
                producer,
                twilio,
                Retrieval(store, twilio, download_directory(settings), keys),
                timing,
                settings.recovery_delete,
            )
            retriever = Retriever(
                settings, producer, Attempts(parts), clock, recovery=recovery, timing=timing
            )
            await retriever.run(health, stop)
        finally:
            await producer.stop()


def download_directory(settings: Settings) -> Path:
    """Return the directory for files that are being downloaded, made if it is missing. Each process
    has its own, which it finds again after a restart. Files that are older than a day are deleted:
    another process has their jobs."""
    root = settings.state_dir or Path(tempfile.gettempdir()) / "flexcapture"
    directory = root / "retrievals" / (settings.instance or "retriever")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.stat().st_mtime < time.time() - HALF_WRITTEN_S:
            path.unlink(missing_ok=True)
    return directory


def decryption_keys(settings: Settings) -> tuple[RSAPrivateKey, ...]:
    """Return the private keys for encrypted recordings. Raise `SettingsError`."""
    secret = settings.recording_private_key
    if secret is None:
        return ()
    try:
        return private_keys(secret.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"{PREFIX}RECORDING_PRIVATE_KEY: {error}") from None
