"""The retriever: fetches missed audio from Twilio's own recordings.

It is driven by `contacts` alone. Its progress is on `retrievals` (docs/recovery.md).
"""

import asyncio

import structlog

from agents.retriever.metrics import POST_CALL
from pipeline.recovery.wanted import CaptureMode, Recovery, effective
from pipeline.runtime.settings import PREFIX, Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_credentials import missing_for_history

log = structlog.get_logger(__name__)


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the retriever until `stop` is set. Raise if it cannot continue. If the settings require
    no retrieval, it is idle and healthy."""
    recovery = effective(settings.recovery, settings.capture)
    POST_CALL.set(settings.capture is CaptureMode.POST_CALL)
    if recovery is Recovery.OFF:
        health.good("starting")
        log.info("idle: nothing is retrieved", setting=f"{PREFIX}RECOVERY=off")
        await stop.wait()
        return
    if missing := missing_for_history(settings):
        health.good("starting")
        health.bad("twilio", f"no recording can be fetched: set {missing}")
        log.error("no recording can be fetched", missing=missing)
        await stop.wait()
        return
    # Imported here because numpy takes 0.2 s and 30 MB, which an idle role does not need.
    from agents.retriever.working import retrieve  # noqa: PLC0415

    await retrieve(settings, health, stop, recovery)
