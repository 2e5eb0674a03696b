"""Set-up creates the missing parts, once, however often it runs and wherever it was stopped."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cli.main import main
from cli.twilio import api as administrative_api
from cli.twilio.setup import steps
from cli.twilio.setup.aws_side import (
    AwsSide,
    all_text,
    cloudformation,
    default_role_arn,
    derived_external_id,
)
from cli.twilio.setup.steps import SetupFailed, Steps, existing_sink, tear_down
from cli.twilio.sinks import SinkRequests
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.event_streams import WANTED_TYPES, description_of
from pipeline.twilio.urls import EVENTS
from simulator.event_streams import EventStreams
from simulator.faults import Stumble
from simulator.script import Json
from simulator.twilio_rest import Faults, TwilioRest
from tests.cli.twilio.accounts import (
    CREDENTIALS,
    ROLE_ARN,
    SINK,
    STREAM_ARN,
    Reader,
    account,
    api_of,
)

SIDE = AwsSide(STREAM_ARN, ROLE_ARN, "an-external-id", "arn:aws:iam::177261743968:root")
OURS = description_of("flex-events")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administrative_api, "PAUSE_S", (0.01, 0.02))
    monkeypatch.setattr(steps, "POLL_S", 0.01)


async def _set_up(rest: TwilioRest, *, is_dry_run: bool = False) -> list[str]:
    """Run the steps. Return the printed lines."""
    said: list[str] = []
    async with api_of(rest) as api:
        requests = SinkRequests(api)
        sink = existing_sink(await requests.sinks(), SIDE)
        reader = Reader(rest)
        await Steps(requests, SIDE, reader, said.append, is_dry_run=is_dry_run).run(sink)
    return said


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
        said = "\n".join(await _set_up(rest, is_dry_run=True))
        assert not rest.administration.streams.sinks
    assert "would create: sink" in said
    assert all(name in said for name in WANTED_TYPES)


class _Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("after", range(1, 8))
@pytest.mark.parametrize("has_effect", [True, False])
async def test_stopped_after_any_request_and_repeated(
    after: int, has_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed before or after any of its changes is completed by the next run."""
    done = 0
    whole = administrative_api.AdminApi.post

    async def post(self: Any, url: str, form: Any = None, *, is_safe: bool = False) -> Any:
        nonlocal done
        done += 1
        if done == after and not has_effect:
            raise _Killed
        answer = await whole(self, url, form, is_safe=is_safe)
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
        said = "\n".join(await _set_up(rest))
        assert set(WANTED_TYPES) == set(subscription.types)
        assert 1 == subscription.types[kept]
    assert "remove: com.twilio.taskrouter.worker.created" in said


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


async def test_lists_of_several_pages_are_read_whole() -> None:
    """Next pages are followed on the configured base URL."""
    async with account() as rest, api_of(rest) as api:
        for _ in range(7):
            _planted(rest.administration.streams, "d", SINK)
        url = f"{EVENTS}/Sinks"
        assert 7 == len(await api.rows(url, "sinks", {"PageSize": "3"}))


def test_the_aws_side_as_text() -> None:
    """One external id and one role in all forms; CloudFormation is valid JSON."""
    assert ROLE_ARN == default_role_arn(STREAM_ARN)
    text = all_text(SIDE)
    assert 4 <= text.count("an-external-id")
    for word in ("sts:ExternalId", "kinesis:PutRecords", "aws_iam_role", "AWS::IAM::Role"):
        assert word in text
    template = json.loads(cloudformation(SIDE))
    (policy,) = template["Resources"]["EventStreamsRole"]["Properties"]["Policies"]
    assert STREAM_ARN == policy["PolicyDocument"]["Statement"][0]["Resource"]


def test_an_external_id_is_the_same_at_each_run() -> None:
    """It depends on secret, account and Kinesis stream."""
    one = derived_external_id("secret", "AC1", "events")
    assert one == derived_external_id("secret", "AC1", "events")
    others = {
        derived_external_id(*each) for each in (("s", "AC1", "events"), ("secret", "AC1", "e"))
    }
    assert one not in others
    assert 2 == len(others)


@pytest.fixture
def _aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An emulator of Kinesis and IAM, with the Kinesis stream."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()  # its state is global
    for name, value in {
        "AWS_ENDPOINT_URL_KINESIS": url,
        "AWS_ENDPOINT_URL_IAM": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "FLEXCAPTURE_NO_ENV_FILE": "1",
        "FLEXCAPTURE_STATE_DIR": str(tmp_path),
        "FLEXCAPTURE_KINESIS_STREAM": "flex-events",
        "FLEXCAPTURE_TWILIO_ACCOUNT_SID": CREDENTIALS.account_sid,
        "FLEXCAPTURE_TWILIO_AUTH_TOKEN": CREDENTIALS.auth_token,
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield url
    finally:
        server.stop()


def _client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


async def _into_kinesis(configuration: Json, event: Json) -> None:
    name = configuration["arn"].rpartition("/")[2]
    data = json.dumps(event).encode()

    def put() -> None:
        _client("kinesis").put_record(StreamName=name, Data=data, PartitionKey="any")

    await asyncio.to_thread(put)


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwilioRest]:
    """A simulated Twilio in a thread of its own, which delivers to Kinesis."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[TwilioRest] = []

    async def serve() -> None:
        async with account() as rest:
            rest.administration.deliver = _into_kinesis
            found.append(rest)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_API_URL", found[0].url)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.usefixtures("_aws")
def test_the_command_from_nothing_and_back(
    twilio: TwilioRest, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --aws it creates Kinesis stream, role, sink and subscription; the test event is read
    from the Kinesis stream; a second run changes nothing; teardown removes all but the stream."""
    assert 0 == main(["twilio", "setup", "--aws", "--dry-run"])
    assert "would create: Kinesis stream" in capsys.readouterr().out
    assert not twilio.administration.streams.sinks
    assert 0 == main(["twilio", "setup", "--aws"])
    (sink,) = twilio.administration.streams.sinks.values()
    role = _client("iam").get_role(RoleName="flexcapture-event-streams")["Role"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert sink.configuration["external_id"] == condition["StringEquals"]["sts:ExternalId"]
    assert (role["Arn"], "active") == (sink.configuration["role_arn"], sink.status)
    assert 0 == main(["twilio", "setup", "--aws"])
    assert 1 == len(twilio.administration.streams.sinks)
    out = capsys.readouterr().out
    assert "validated" in out
    assert "beforeAcceptTask" in out
    assert CREDENTIALS.auth_token not in out
    assert 0 == main(["twilio", "teardown", "--aws"])
    assert not twilio.administration.streams.sinks
    assert not twilio.administration.streams.subscriptions
    assert "flex-events" in _client("kinesis").list_streams()["StreamNames"]


@pytest.mark.usefixtures("_aws")
def test_without_a_kinesis_stream_the_aws_side_is_printed(
    twilio: TwilioRest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and nothing is created at Twilio."""
    assert 1 == main(["twilio", "setup"])
    said = capsys.readouterr()
    assert "AWS::Kinesis::Stream" in said.out
    assert "ResourceNotFoundException" in said.err
    assert not twilio.administration.streams.sinks


@pytest.mark.usefixtures("_aws")
def test_another_role_than_the_sinks_is_refused(
    twilio: TwilioRest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink keeps its role: the text names teardown."""
    _client("kinesis").create_stream(StreamName="flex-events", ShardCount=1)
    assert 0 == main(["twilio", "setup"])
    monkeypatch.setenv("FLEXCAPTURE_EVENT_STREAMS_ROLE_ARN", ROLE_ARN + "-2")
    assert 1 == main(["twilio", "setup"])
    assert "teardown" in capsys.readouterr().err


@pytest.mark.usefixtures("_aws")
def test_wrong_credentials(
    twilio: TwilioRest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twilio's refusal is a failure; missing credentials are wrong settings."""
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_AUTH_TOKEN", "another-secret")
    assert 1 == main(["twilio", "setup"])
    assert "another-secret" not in "".join(capsys.readouterr())
    monkeypatch.delenv("FLEXCAPTURE_TWILIO_AUTH_TOKEN")
    assert 2 == main(["twilio", "setup"])
