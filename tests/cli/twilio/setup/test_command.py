"""`flexcapture twilio setup` and `teardown`, with emulators of Twilio and AWS."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cli.main import main
from simulator.script import Json
from simulator.twilio_rest import TwilioRest
from tests.cli.twilio.accounts import CREDENTIALS, ROLE_ARN, account


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
    output = capsys.readouterr()
    assert "AWS::Kinesis::Stream" in output.out
    assert "ResourceNotFoundException" in output.err
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
