"""The role starts, is idle without work by the settings, and refuses wrong ones."""

import asyncio
import subprocess
import sys

import pytest
from prometheus_client import REGISTRY

from agents.retriever.service import run
from pipeline.recovery.wanted import CaptureMode, Recovery
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health


async def stopped(settings: Settings) -> Health:
    """Run the role for a moment, without any Kafka; return its health."""
    health, stop = Health(starting="not ready yet"), asyncio.Event()
    running = asyncio.create_task(run(settings, health, stop))
    await asyncio.sleep(0.05)
    assert not running.done()
    stop.set()
    await running
    return health


async def test_it_is_idle_and_healthy_if_nothing_is_retrieved() -> None:
    """It needs neither Kafka nor credentials then."""
    assert {} == (await stopped(Settings())).reasons


@pytest.mark.parametrize("capture", [CaptureMode.POST_CALL, CaptureMode.BOTH])
async def test_without_credentials_it_names_the_missing_settings(capture: CaptureMode) -> None:
    """In its health; the process stays."""
    health = await stopped(Settings(capture=capture))
    assert {"twilio"} == health.reasons.keys()
    assert "FLEXCAPTURE_TWILIO_ACCOUNT_SID" in health.reasons["twilio"]
    assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in health.reasons["twilio"]
    is_only = capture is CaptureMode.POST_CALL
    assert float(is_only) == REGISTRY.get_sample_value("flexcapture_capture_post_call")


async def test_an_account_without_a_secret_lacks_that_only() -> None:
    """The reason names the settings that would do."""
    account = "AC" + "1" * 32
    health = await stopped(Settings(recovery=Recovery.ALL, twilio_account_sid=account))
    assert "FLEXCAPTURE_TWILIO_ACCOUNT_SID" not in health.reasons["twilio"]
    assert "FLEXCAPTURE_TWILIO_API_KEY_SECRET" in health.reasons["twilio"]


def test_an_idle_role_does_not_load_numpy() -> None:
    """Under `up` one runs always."""
    code = "import sys, agents.retriever.service; sys.exit('numpy' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
