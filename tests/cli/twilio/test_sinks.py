"""Sinks of other purposes."""

import json

from cli.twilio.setup.aws_side import AwsSide
from cli.twilio.setup.steps import Steps, existing_sink, tear_down
from cli.twilio.sinks import SinkRequests
from simulator.event_streams import EventStreams
from simulator.script import Json
from simulator.twilio_rest import TwilioRest
from tests.cli.twilio.accounts import ROLE_ARN, SINK, STREAM_ARN, Reader, account, api_of

SIDE = AwsSide(STREAM_ARN, ROLE_ARN, "an-external-id", "arn:aws:iam::177261743968:root")


async def _set_up(rest: TwilioRest, *, is_dry_run: bool = False) -> list[str]:
    """Run the steps. Return the printed lines."""
    lines: list[str] = []
    async with api_of(rest) as api:
        requests = SinkRequests(api)
        sink = existing_sink(await requests.sinks(), SIDE)
        reader = Reader(rest)
        await Steps(requests, SIDE, reader, lines.append, is_dry_run=is_dry_run).run(sink)
    return lines


async def test_sinks_of_others_are_left_alone() -> None:
    """A sink of another purpose stays; one that leads to our Kinesis stream is used."""
    other = SINK | {"arn": STREAM_ARN + "-of-others"}
    async with account() as rest:
        streams = rest.administration.streams
        foreign = _planted(streams, "somebody's", other)
        await _set_up(rest)
        assert 2 == len(streams.sinks)
        async with api_of(rest) as api:
            await tear_down(SinkRequests(api), SIDE, lambda _: None, is_dry_run=False)
        assert [foreign] == list(streams.sinks)
        assert not streams.subscriptions
        by_hand = _planted(streams, "by hand", SINK)
        await _set_up(rest)
        assert {foreign, by_hand} == set(streams.sinks)
        assert [by_hand] == [each.sink_sid for each in streams.subscriptions.values()]


def _planted(streams: EventStreams, description: str, configuration: Json) -> str:
    form = {
        "Description": [description],
        "SinkType": ["kinesis"],
        "SinkConfiguration": [json.dumps(configuration)],
    }
    sink = streams.create_sink(form)
    sink.status = "active"
    return sink.sid
