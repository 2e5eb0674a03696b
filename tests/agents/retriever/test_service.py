"""The role starts, is idle without work by the settings, and refuses wrong ones."""

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client import REGISTRY

from agents.retriever.service import decryption_keys, download_directory, run
from pipeline.recovery.wanted import CaptureMode, Recovery
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from tests.pipeline.recovery.test_decryption import pem


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
async def test_without_credentials_it_says_what_is_missing(capture: CaptureMode) -> None:
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


def test_a_wrong_private_key_is_refused_by_its_name() -> None:
    """Without a word of it."""
    assert () == decryption_keys(Settings())
    key = rsa.generate_private_key(65537, 2048)
    assert 1 == len(decryption_keys(Settings(recording_private_key=pem(key))))
    with pytest.raises(SettingsError, match="RECORDING_PRIVATE_KEY") as refused:
        decryption_keys(Settings(recording_private_key="guessable"))
    assert "guessable" not in str(refused.value)


def test_each_process_has_a_directory_of_its_own_for_downloads(tmp_path: Path) -> None:
    """Which others cannot read, and which it finds again after a restart."""
    one = download_directory(Settings(state_dir=tmp_path, instance="retriever-0"))
    two = download_directory(Settings(state_dir=tmp_path, instance="retriever-1"))
    assert one != two
    assert one == download_directory(Settings(state_dir=tmp_path, instance="retriever-0"))
    assert 0o700 == one.stat().st_mode & 0o777
