"""Set-up creates the missing parts once, also if it is repeated, or was stopped anywhere."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from cli.twilio import api as administrative_api
from cli.twilio.setup.aws_side import AwsSide
from cli.twilio.setup.steps import SetupFailed, Steps, existing_sink
from cli.twilio.sinks import SinkRequests
from pipeline.twilio.event_streams import WANTED_TYPES, description_of
from simulator.event_streams import EventStreams, SinkState
from simulator.faults import Stumble
from simulator.script import Json
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import ApiError
from tests.cli.twilio.accounts import ROLE_ARN, SINK, STREAM_ARN, Reader, account, api_of

SIDE = AwsSide(STREAM_ARN, ROLE_ARN, "an-external-id", "arn:aws:iam::177261743968:root")
OURS = description_of("flex-events")
Form = Mapping[str, Sequence[str]]


async def _set_up(rest: TwilioRest, *, is_dry_run: bool = False) -> list[str]:
    """Run the steps. Return the printed lines."""
    lines: list[str] = []
    async with api_of(rest) as api:
        requests = SinkRequests(api)
        sink = existing_sink(await requests.sinks(), SIDE)
        reader = Reader(rest)
        await Steps(requests, SIDE, reader, lines.append, is_dry_run=is_dry_run).run(sink)
    return lines


def _is_right(streams: EventStreams) -> None:
    (sink,), (subscription,) = streams.sinks.values(), streams.subscriptions.values()
    assert (OURS, "active", SINK) == (sink.description, sink.status, sink.configuration)
    assert (OURS, sink.sid) == (subscription.description, subscription.sink_sid)
    newest = {name: streams.types[name][1] for name in WANTED_TYPES}
    assert newest == subscription.types


async def test_twice_creates_one_sink() -> None:
    """The second run finds everything as it must be."""
    async with account() as rest:
        first, second = await _set_up(rest), await _set_up(rest)
        _is_right(rest.administration.streams)
    assert ["created", "validated", "created"] == [line.partition(":")[0] for line in first]
    assert ["exists", "exists"] == [line.partition(":")[0] for line in second]


async def test_a_dry_run_changes_nothing() -> None:
    """It prints each step, with every event type."""
    async with account() as rest:
        text = "\n".join(await _set_up(rest, is_dry_run=True))
        assert not rest.administration.streams.sinks
    assert "would create: sink" in text
    assert all(name in text for name in WANTED_TYPES)


class _Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("after", range(1, 8))
@pytest.mark.parametrize("has_effect", [True, False])
async def test_stopped_after_any_request_and_repeated(
    after: int, has_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed before or after any of its changes is completed by the next run."""
    done = 0
    original_post = administrative_api.AdminApi.post

    async def post(self: Any, url: str, form: Any = None, *, is_safe: bool = False) -> Any:
        nonlocal done
        done += 1
        if done == after and not has_effect:
            raise _Killed
        answer = await original_post(self, url, form, is_safe=is_safe)
        if done == after:
            raise _Killed
        return answer

    async with account() as rest:
        with monkeypatch.context() as patched:
            patched.setattr(administrative_api.AdminApi, "post", post)
            with suppress(_Killed):
                await _set_up(rest)
        await _set_up(rest)
        _is_right(rest.administration.streams)


async def test_an_answer_that_is_lost_leads_to_no_second_sink() -> None:
    """Twilio created the sink and the subscription, and its answers were lost."""

    class Lossy(Faults):
        def __init__(self) -> None:
            super().__init__()
            self.requests = 0

        def next(self) -> Any:
            self.requests += 1
            lost = self.requests in (3, 14)
            return Stumble("answer lost", carried_out=True, answered=False) if lost else None

    faults = Lossy()
    async with account(faults) as rest:
        await _set_up(rest)
        await _set_up(rest)
        _is_right(rest.administration.streams)
        assert 2 <= len(rest.troubles)


async def test_throttled_requests_are_repeated() -> None:
    """429 and 503 are passing."""
    async with account(Faults(too_many_requests=3, unavailable=1)) as rest:
        await _set_up(rest)
        _is_right(rest.administration.streams)


async def test_a_subscription_is_corrected() -> None:
    """Missing types are added, others removed; right ones are left alone with their version."""
    async with account() as rest:
        await _set_up(rest)
        streams = rest.administration.streams
        (subscription,) = streams.subscriptions.values()
        kept = WANTED_TYPES[0]
        subscription.types = {kept: 1, "com.twilio.taskrouter.worker.created": 1}
        text = "\n".join(await _set_up(rest))
        assert set(WANTED_TYPES) == set(subscription.types)
        assert 1 == subscription.types[kept]
    assert "remove: com.twilio.taskrouter.worker.created" in text


async def test_a_test_event_that_does_not_arrive_is_a_failure() -> None:
    """The text names the role; no subscription is created."""
    async with account() as rest, api_of(rest) as api:
        reader = Reader(rest)
        rest.administration.deliver = _lost
        with pytest.raises(SetupFailed, match=ROLE_ARN):
            await Steps(SinkRequests(api), SIDE, reader, lambda _: None).run(None)
        assert not rest.administration.streams.subscriptions


async def _lost(_: Json, __: Json) -> None:
    pass


class _ActiveAtOnce(EventStreams):
    """Twilio makes sinks active without validation, as its documentation says now."""

    def create_sink(self, form: Form) -> SinkState:
        """Create an active sink."""
        sink = super().create_sink(form)
        sink.status = "active"
        return sink


async def test_a_sink_that_is_active_at_once_is_tested() -> None:
    """A test event shows that Twilio can write to the Kinesis stream. The second run sends none."""
    async with account() as rest:
        rest.administration.streams = _ActiveAtOnce(rest.administration.streams.sids)
        first, second = await _set_up(rest), await _set_up(rest)
        _is_right(rest.administration.streams)
    assert ["created", "tested", "created"] == [line.partition(":")[0] for line in first]
    assert ["exists", "exists"] == [line.partition(":")[0] for line in second]


async def test_an_active_sink_without_delivery_gets_no_subscription() -> None:
    """Neither in the first run nor in the next one, until the test event arrives."""
    async with account() as rest, api_of(rest) as api:
        streams = _ActiveAtOnce(rest.administration.streams.sids)
        rest.administration.streams = streams
        reader = Reader(rest)
        rest.administration.deliver = _lost
        for _ in range(2):
            sink = existing_sink(await SinkRequests(api).sinks(), SIDE)
            with pytest.raises(SetupFailed, match=ROLE_ARN):
                await Steps(SinkRequests(api), SIDE, reader, lambda _: None).run(sink)
        assert not streams.subscriptions
        await _set_up(rest)
        _is_right(streams)


class _Untestable(EventStreams):
    """Twilio refuses the test of a sink."""

    def test(self, sid: str, at: int) -> Json:
        """Refuse it."""
        raise ApiError(400, 20001, f"Sink {sid} is failed ({at})")


async def test_a_sink_that_cannot_be_tested_has_a_remedy() -> None:
    """The error names the sink, its status and the command that removes it."""
    async with account() as rest:
        rest.administration.streams = _Untestable(rest.administration.streams.sids)
        with pytest.raises(SetupFailed, match=r"DG\w+, which is initialized.*teardown"):
            await _set_up(rest)


class _ActiveUntestable(_ActiveAtOnce, _Untestable):
    """Twilio makes sinks active, and refuses to test them."""


async def test_an_active_sink_that_twilio_does_not_test_is_used() -> None:
    """The output says that it was not tested."""
    async with account() as rest:
        rest.administration.streams = _ActiveUntestable(rest.administration.streams.sids)
        lines = await _set_up(rest)
        _is_right(rest.administration.streams)
    assert ["created", "not tested", "created"] == [line.partition(":")[0] for line in lines]
