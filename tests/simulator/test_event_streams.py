"""The double of the Event Streams API refuses what Twilio refuses."""

import json

import pytest

from cli.twilio.sinks import SinkRequests
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.event_streams import WANTED_TYPES
from pipeline.twilio.urls import EVENTS
from tests.cli.twilio.accounts import ROLE_ARN, SINK, STREAM_ARN, account, api_of


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("Sinks", {"Description": "d", "SinkType": "kinesis", "SinkConfiguration": "{}"}),
        ("Sinks", {"Description": "d", "SinkType": "pigeon", "SinkConfiguration": "{}"}),
        ("Sinks", {"SinkType": "kinesis", "SinkConfiguration": json.dumps(SINK)}),
        ("Subscriptions", {"Description": "d", "SinkSid": "DG1", "Types": []}),
        ("Sinks/DG1/Test", {}),
        ("Sinks/DG1/Validate", {"TestId": "x"}),
    ],
)
async def test_the_double_is_strict(path: str, form: dict[str, str | list[str]]) -> None:
    """It refuses incomplete and wrong requests, as Twilio does."""
    async with account() as rest, api_of(rest) as api:
        with pytest.raises(TwilioError, match=r"40[04] 20"):
            await api.post(f"{EVENTS}/{path}", form)


async def test_the_double_wants_an_active_sink_and_known_types() -> None:
    """No subscription to an unvalidated sink, with unknown types or versions; no sink is deleted
    before its subscription; a wrong test id validates nothing."""
    async with account() as rest, api_of(rest) as api:
        requests, wanted = SinkRequests(api), {WANTED_TYPES[0]: 1}
        sink = await requests.create("d", STREAM_ARN, ROLE_ARN, "x")
        with pytest.raises(TwilioError, match="not active"):
            await requests.subscribe("d", sink.sid, wanted)
        await requests.begin_test(sink.sid)
        with pytest.raises(TwilioError, match="TestId"):
            await requests.validate(sink.sid, "wrong")
        test_id = rest.administration.streams.sinks[sink.sid].test_id
        await requests.validate(sink.sid, str(test_id))
        for wrong in ({"com.twilio.unknown": 1}, {WANTED_TYPES[0]: 99}, {}):
            with pytest.raises(TwilioError, match="400"):
                await requests.subscribe("d", sink.sid, wrong)
        subscription_sid = await requests.subscribe("d", sink.sid, wanted)
        with pytest.raises(TwilioError, match="has subscriptions"):
            await requests.delete_sink(sink.sid)
        await requests.delete_subscription(subscription_sid)
        await requests.delete_sink(sink.sid)
        assert [] == await requests.sinks()
