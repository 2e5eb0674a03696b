"""A simulated Twilio account for the tests of `flexcapture twilio`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pydantic import SecretStr

from cli.twilio.api import AdminApi
from pipeline.runtime.settings import Settings
from simulator.media import Credentials
from simulator.script import Json, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "a-secret-auth-token")
STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/flex-events"
ROLE_ARN = "arn:aws:iam::123456789012:role/flexcapture-event-streams"
SINK = {"arn": STREAM_ARN, "role_arn": ROLE_ARN, "external_id": "an-external-id"}


def settings_of(rest: TwilioRest, **changes: Any) -> Settings:
    """The settings of an installation of this account."""
    own: dict[str, Any] = {
        "twilio_account_sid": CREDENTIALS.account_sid,
        "twilio_auth_token": SecretStr(CREDENTIALS.auth_token),
        "twilio_api_url": rest.url,
    }
    return Settings(**own | changes)


@asynccontextmanager
async def account(faults: Faults | None = None) -> AsyncIterator[TwilioRest]:
    """An account without sinks."""
    async with TwilioRest(World(Sids(Random(1))), CREDENTIALS, faults or Faults()) as rest:
        yield rest


def api_of(rest: TwilioRest) -> AdminApi:
    """The API of the account."""
    token = CREDENTIALS.auth_token
    return AdminApi(CREDENTIALS.account_sid, (CREDENTIALS.account_sid, token), rest.url)


class Reader:
    """Gets test events directly from the simulated Twilio."""

    def __init__(self, rest: TwilioRest) -> None:
        self._ids: list[str] = []
        rest.administration.deliver = self._deliver

    async def _deliver(self, _: Json, event: Json) -> None:
        self._ids.append(event["data"]["test_id"])

    async def begin(self) -> None:
        """Nothing arrived before."""

    async def arrived(self, seconds: float) -> list[str]:
        """Return the ids that arrived, without a wait."""
        ids, self._ids = self._ids, []
        return ids
