"""The calls of a subaccount, asked for with its own credentials and with those of the account that
owns it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from agents.reconciler.twilio_lists import TwilioLists
from agents.retriever.twilio import TwilioRecordings
from agents.twilio_history.client import HistoryApi
from agents.twilio_history.permits import RequestPermits
from pipeline.reconciliation.windows import HOUR_MS, TwilioPeriod
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import RestClient, account_of
from simulator.media import clock
from tests.agents.reconciler.scene import KNOWN, LOST, MINUTE, world_with_calls
from tests.simulator.subaccount import CREDENTIALS, KEY, PARENT_KEY, double_of_subaccount


@asynccontextmanager
async def asking(key: tuple[str, str], **more: str) -> AsyncIterator[tuple[HistoryApi, Health]]:
    """Requests for the subaccount's resources with an API key."""
    async with double_of_subaccount(world_with_calls(clock())) as rest:
        settings = Settings(
            twilio_account_sid=CREDENTIALS.account_sid,
            twilio_api_key_sid=key[0],
            twilio_api_key_secret=SecretStr(key[1]),
            twilio_api_url=rest.url,
        )
        account, credentials = account_of(settings)
        health, permits = Health(), RequestPermits()
        permits.grant(4)
        async with RestClient(account, credentials, rest.url, 5.0) as client:
            yield HistoryApi(client, permits, health, attempts=1), health


def period() -> TwilioPeriod:
    """Return the last hour."""
    now = clock()
    return TwilioPeriod("x", now - HOUR_MS, now - 20 * MINUTE)


async def test_a_key_of_the_subaccount_shows_all_of_its_calls() -> None:
    """Its SID is the user for no request, and the account of every one."""
    async with asking(KEY) as (api, health):
        lists = TwilioLists(api, None)
        accepted = {event.task_sid for event in await lists.accepted(period())}
        assert {KNOWN, LOST} <= accepted
        conferences = dict(await lists.conferences(period()))
        assert {KNOWN, LOST} <= conferences.keys()
        assert () == await lists.recordings(["CF" + LOST[2:]], [])
        assert {} == health.reasons


async def test_with_a_key_of_the_parent_nothing_is_compared(tmp_path: Path) -> None:
    """It does not look as if there had been no calls: each list is refused, and the role is red."""
    async with asking(PARENT_KEY) as (api, health):
        lists = TwilioLists(api, None)
        with pytest.raises(TwilioError, match="credentials are those of another account"):
            await lists.accepted(period())
        with pytest.raises(TwilioError, match="401"):
            await lists.conferences(period())
        assert "twilio" in health.reasons
        async with aiohttp.ClientSession() as session:
            recordings = TwilioRecordings(api, session, PARENT_KEY)
            with pytest.raises(TwilioError, match="401"):
                await recordings.of_call(LOST, [])
