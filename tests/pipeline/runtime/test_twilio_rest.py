"""One exchange with Twilio, and the meaning of its errors."""

import pytest
from aiohttp import web
from pydantic import SecretStr

from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import RestClient, account_of, is_passing, is_throttled
from pipeline.twilio.urls import API
from tests.agents.twilio_history.counting_server import counting_server

ACCOUNT = "AC" + "a" * 32


async def test_an_exchange_returns_the_answer_and_the_time_of_twilio() -> None:
    """A query is in the URL, and the date of the answer is reported."""
    dates: list[float] = []
    async with (
        counting_server() as server,
        RestClient(ACCOUNT, (ACCOUNT, "token"), server.url, 2.0, dates.append) as rest,
    ):
        server.answers = lambda *_: web.json_response({"sid": "CA1"})
        assert {"sid": "CA1"} == await rest.exchange("GET", f"{API}/calls", {"a": "b"})
        assert [{"a": "b"}] == server.queries
        assert 1 == len(dates)


async def test_a_service_that_cannot_be_reached_is_an_error_without_status() -> None:
    """The error does not hold the request, which has the credentials."""
    async with RestClient(ACCOUNT, (ACCOUNT, "secret"), "http://127.0.0.1:9", 2.0) as rest:
        with pytest.raises(TwilioError) as raised:
            await rest.exchange("GET", f"{API}/calls", {})
    assert 0 == raised.value.status
    assert "secret" not in str(raised.value)


def test_what_may_be_repeated() -> None:
    """A throttled request was not carried out; after other failures it may have been."""
    throttled, broken = TwilioError(429, 20429, "no"), TwilioError(500, None, "no")
    assert is_throttled(throttled)
    assert not is_throttled(broken)
    assert is_passing(throttled, is_safe=False)
    assert is_passing(broken, is_safe=True)
    assert not is_passing(broken, is_safe=False)
    assert not is_passing(TwilioError(404, 20404, "no"), is_safe=True)
    assert not is_passing(ValueError(), is_safe=True)


def test_an_api_key_is_preferred_to_the_auth_token() -> None:
    """Missing credentials are named."""
    key = {"twilio_api_key_sid": "SK" + "b" * 32, "twilio_api_key_secret": SecretStr("secret")}
    with_token = Settings(twilio_account_sid=ACCOUNT, twilio_auth_token=SecretStr("token"))
    assert (ACCOUNT, (ACCOUNT, "token")) == account_of(with_token)
    with_key = Settings(twilio_account_sid=ACCOUNT, **key)
    assert (ACCOUNT, ("SK" + "b" * 32, "secret")) == account_of(with_key)
    with pytest.raises(SettingsError, match="FLEXCAPTURE_TWILIO_AUTH_TOKEN"):
        account_of(Settings(twilio_account_sid=ACCOUNT))
    with pytest.raises(SettingsError, match="FLEXCAPTURE_TWILIO_ACCOUNT_SID"):
        account_of(Settings())
