"""Requests to the administrative API of Twilio."""

import json

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
