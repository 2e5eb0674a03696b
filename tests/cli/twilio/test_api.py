"""Requests to the administrative API of Twilio."""

import asyncio
import json

import pytest

from cli.twilio.api import MAX_RETRY_AFTER_S, AdminApi
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import RestClient
from pipeline.twilio.urls import EVENTS
from tests.cli.twilio.accounts import SINK, account, api_of


async def test_lists_of_several_pages_are_read_whole() -> None:
    """Next pages are followed on the configured base URL."""
    async with account() as rest, api_of(rest) as api:
        sink = {"Description": ["d"], "SinkType": ["kinesis"]}
        sink["SinkConfiguration"] = [json.dumps(SINK)]
        for _ in range(7):
            rest.administration.streams.create_sink(sink)
        url = f"{EVENTS}/Sinks"
        assert 7 == len(await api.rows(url, "sinks", {"PageSize": "3"}))


@pytest.mark.parametrize(("asked_s", "slept_s"), [(7, 7.0), (3600, MAX_RETRY_AFTER_S)])
async def test_a_pause_that_twilio_asks_for_is_kept(
    asked_s: int, slept_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 with Retry-After: the request is sent again after that time, within limits."""
    answers = [TwilioError(429, 20429, "Too Many Requests", asked_s), {"sid": "DG1"}]
    slept: list[float] = []

    async def exchange(*_: object) -> dict[str, str]:
        answer = answers.pop(0)
        if isinstance(answer, TwilioError):
            raise answer
        return answer

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(RestClient, "exchange", exchange)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with AdminApi("AC1", ("AC1", "token"), None) as api:
        assert {"sid": "DG1"} == await api.get(f"{EVENTS}/Sinks/DG1")
    assert [slept_s] == [seconds for seconds in slept if seconds]
