"""Several reconcilers share the periods, and any of them may be killed."""

import asyncio
import signal
import sys

import pytest
from pydantic import SecretStr

from agents.reconciler.service import run
from infra.supervisor.processes import tied
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import (
    CTI_EVENTS,
)
from simulator.media import clock
from tests.agents.reconciler.scene import (
    CREDENTIALS,
    done_kinds,
    prepared,
    records_of,
)
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration


async def test_reconcilers_share_the_periods_and_any_may_be_killed(
    prefix: str, settings_for: SettingsFor
) -> None:
    """Two processes; one is killed as soon as it works. Each period is done in the end, and the
    events of the call are there."""
    settings, now = settings_for(prefix), clock()
    async with prepared(settings, now) as rest:
        settings = settings.model_copy(
            update={
                "twilio_account_sid": CREDENTIALS.account_sid,
                "twilio_auth_token": SecretStr(CREDENTIALS.auth_token),
                "twilio_api_url": rest.url,
            }
        )
        environment = {
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
            "FLEXCAPTURE_TOPIC_PREFIX": prefix,
            "FLEXCAPTURE_TWILIO_ACCOUNT_SID": CREDENTIALS.account_sid,
            "FLEXCAPTURE_TWILIO_AUTH_TOKEN": CREDENTIALS.auth_token,
            "FLEXCAPTURE_TWILIO_API_URL": rest.url,
            "FLEXCAPTURE_NO_ENV_FILE": "1",
            "PYTHONPATH": ":".join(filter(None, sys.path)),
            "PATH": "/usr/bin:/bin",
        }
        processes = [
            await asyncio.create_subprocess_exec(
                *tied([sys.executable, "-m", "cli.main", "reconciler"]), env=environment
            )
            for _ in range(2)
        ]
        try:
            while rest.requests == 0:  # noqa: ASYNC110 - another process asks
                await asyncio.sleep(0.1)
            processes[0].send_signal(signal.SIGKILL)
            while len(await done_kinds(settings)) < 4:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(1)
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()
    events = [e.event_id for e in await records_of(settings, CTI_EVENTS)]
    assert 6 == len(set(events))  # of two calls
    assert 3 == (await done_kinds(settings)).count("daily")


async def test_while_twilio_does_not_answer_the_role_is_up_and_says_so(
    prefix: str, settings_for: SettingsFor, unused_tcp_port: int
) -> None:
    """It is ready, so that `up` does not wait for Twilio; it is red; and it can be stopped."""
    settings = settings_for(prefix).model_copy(
        update={
            "twilio_account_sid": CREDENTIALS.account_sid,
            "twilio_auth_token": SecretStr(CREDENTIALS.auth_token),
            "twilio_api_url": f"http://127.0.0.1:{unused_tcp_port}",
        }
    )
    health, stop = Health(starting="not ready yet"), asyncio.Event()
    running = asyncio.create_task(run(settings, health, stop))
    while "starting" in health.reasons:
        assert not running.done()
        await asyncio.sleep(0.1)
    while "twilio" not in health.reasons:
        assert not running.done()
        await asyncio.sleep(0.1)
    stop.set()
    await running


async def test_without_credentials_the_role_is_idle_and_healthy() -> None:
    """It needs no Kafka, and can be stopped."""
    health, stop = Health(starting="not ready yet"), asyncio.Event()
    running = asyncio.create_task(run(Settings(), health, stop))
    while health.reasons:  # noqa: ASYNC110 - the role says it
        await asyncio.sleep(0)
    stop.set()
    await running
