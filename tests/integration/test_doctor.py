"""`flexcapture twilio setup` and `doctor` as commands, against the simulated Twilio, a real Kafka,
a gateway that runs, and an emulator of Kinesis: each planted fault is named."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from moto.server import ThreadedMotoServer

from cli.twilio.doctor.command import diagnosed
from cli.twilio.target import target_of
from pipeline.runtime.kafka import admin_client, ensure_topics, producer
from pipeline.runtime.settings import Settings, load
from pipeline.store.check_runs import CheckRuns
from pipeline.store.database import migrate, open_database
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS, MEDIA, PROVISIONED
from simulator.delivery import into_kinesis
from simulator.media import clock
from simulator.twilio_rest import TwilioRest
from tests.integration.lone_gateway import CREDENTIALS, lone_gateway

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

STREAM = "flex-events"
ANN = "ann@example.com"


@pytest.fixture
def kinesis() -> Iterator[str]:
    """An emulator of Kinesis with the Kinesis stream: its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = _client(url)
    if STREAM not in client.list_streams()["StreamNames"]:  # the emulator's state is global
        client.create_stream(StreamName=STREAM, ShardCount=2)
    try:
        yield url
    finally:
        client.delete_stream(StreamName=STREAM)
        server.stop()


def _client(url: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("kinesis", region_name="us-east-1", endpoint_url=url, **keys)


@dataclass
class Installation:
    """A healthy installation, in which faults can be planted. `environment`: its settings."""

    rest: TwilioRest
    kafka: Settings
    kinesis: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `flexcapture twilio ...`: its status and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", "twilio", *arguments),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def found(self) -> dict[str, str]:
        """The status of each check, by name."""
        with pytest.MonkeyPatch.context() as patched:
            for name, value in self.environment.items():
                patched.setenv(name, value)
            target = target_of(load(None), None, self.directory)
            return {result.name: result.status.value for result in await diagnosed(target)}

    async def found_by_command(self) -> dict[str, str]:
        """The same, by the command. The exit status fits, and no secret is shown."""
        status, output = await self.command("doctor", "--json")
        assert CREDENTIALS.auth_token not in output
        shown = output[output.index("{") :]
        checks = {check["name"]: check["status"] for check in json.loads(shown)["checks"]}
        assert (1 if "failure" in checks.values() else 0) == status, output
        return checks


Fault = Callable[[Installation], None]


def _set(name: str, value: str) -> Fault:
    return lambda there: there.environment.__setitem__(f"FLEXCAPTURE_{name}", value)


def _without_sink(there: Installation) -> None:
    there.rest.administration.streams.subscriptions.clear()
    there.rest.administration.streams.sinks.clear()


def _failed_sink(there: Installation) -> None:
    next(iter(there.rest.administration.streams.sinks.values())).status = "failed"


def _missing_type(there: Installation) -> None:
    types = next(iter(there.rest.administration.streams.subscriptions.values())).types
    del types["com.twilio.taskrouter.reservation.accepted"]


def _alert(code: int) -> Fault:
    return lambda there: there.rest.administration.alert(code, "an alert", datetime.now(UTC))


def _denied(there: Installation) -> None:
    there.rest.administration.denied.add("monitor")


def _records_wait(there: Installation) -> None:
    _client(there.kinesis).put_record(StreamName=STREAM, Data=b"{}", PartitionKey="any")


def _monitored(text: str) -> Fault:
    return lambda there: void((there.directory / "list").write_text(text))


def void(_: object) -> None:
    """Return None, of a value that does not matter."""


def _broken_database(there: Installation) -> None:
    path = there.directory / "text.db"
    path.write_text("some text that is long enough for a header, and no database")
    _set("DATABASE_URL", f"sqlite:///{path}")(there)


def _missing_store(there: Installation) -> None:
    _set("RECORDINGS_URL", (there.directory / "unmounted").as_uri())(there)


FAULTS: list[tuple[str, str, Fault]] = [
    ("account", "failure", _set("TWILIO_AUTH_TOKEN", "another token")),
    ("api-rights", "failure", _denied),
    ("sink", "failure", _without_sink),
    ("sink", "failure", _failed_sink),
    ("subscription", "failure", _missing_type),
    ("event-alerts", "failure", _alert(91300)),
    ("media-alerts", "failure", _alert(31920)),
    ("kinesis-stream", "failure", _set("KINESIS_STREAM", "another")),
    ("kinesis-lag", "failure", _records_wait),
    ("gateway-dns", "failure", _set("GATEWAY_PUBLIC_URL", "wss://nowhere.invalid/media")),
    ("load-balancer", "failure", _set("GATEWAY_PUBLIC_URL", "ws://127.0.0.1:1/media")),
    ("signed-handshake", "failure", _set("TICKET_SECRET", "a secret that no gateway has at all")),
    ("kafka", "failure", _set("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")),
    ("topics", "failure", _set("TOPIC_PREFIX", "another.")),
    ("database", "failure", _broken_database),
    ("recordings-store", "failure", _missing_store),
    ("monitored-list", "failure", _monitored("no such line")),
    ("list-entries", "warning", _monitored(f"{ANN}\nworker:Ben\njoe@example.com")),
    ("unlisted-workers", "warning", _monitored(ANN)),
]


@asynccontextmanager
async def _installation(
    kafka: str, prefix: str, kinesis: str, directory: Path
) -> AsyncIterator[Installation]:
    settings = Settings(kafka_bootstrap_servers=kafka, topic_prefix=prefix)
    await ensure_topics(settings, list(PROVISIONED))
    await _send_event(settings)
    (directory / "recordings").mkdir()
    (directory / "gateway").mkdir(0o700)
    url = f"sqlite:///{directory}/flexcapture.db"
    engine = open_database(url)
    await asyncio.to_thread(migrate, engine)
    engine.dispose()
    async with lone_gateway(kafka, prefix, directory / "gateway") as gateway:
        administration = gateway.rest.administration
        administration.deliver = into_kinesis(kinesis, "us-east-1")
        administration.workers = [("ann", json.dumps({"email": ANN})), ("Ben", "{}")]
        own = {
            "NO_ENV_FILE": "1",
            "STATE_DIR": str(directory),
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "TOPIC_PREFIX": prefix,
            "TWILIO_ACCOUNT_SID": CREDENTIALS.account_sid,
            "TWILIO_AUTH_TOKEN": CREDENTIALS.auth_token,
            "TWILIO_API_URL": gateway.rest.url,
            "GATEWAY_PUBLIC_URL": gateway.url,
            "KINESIS_STREAM": STREAM,
            "DATABASE_URL": url,
            "RECORDINGS_URL": (directory / "recordings").as_uri(),
            "MONITORED_AGENTS": str(directory / "list"),
        }
        aws = {
            "AWS_ENDPOINT_URL_KINESIS": kinesis,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        ours = {f"FLEXCAPTURE_{name}": value for name, value in own.items()}
        there = Installation(gateway.rest, settings, kinesis, directory)
        there.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())} | aws | ours
        _healthy(there)
        yield there


def _healthy(there: Installation) -> None:
    (there.directory / "list").write_text(f"{ANN}\nworker:ben\n")


async def _send_event(settings: Settings) -> None:
    event = CtiEvent("EZ1", "/", "t", None, clock(), None, None, "{}", STREAM, "s", "1")
    sender = producer(settings)
    await sender.start()
    try:
        await sender.send_and_wait(settings.prefixed(CTI_EVENTS.name), encode(event), b"key")
    finally:
        await sender.stop()


async def _topics(settings: Settings) -> set[str]:
    admin = admin_client(settings)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_setup_then_each_planted_fault_is_named(
    kafka: str, prefix: str, kinesis: str, tmp_path: Path
) -> None:
    """After `setup`, run twice, nothing fails. Then each fault, planted alone, is named by its
    check, and no other check fails. Doctor creates no topic."""
    async with _installation(kafka, prefix, kinesis, tmp_path) as there:
        for _ in range(2):
            exited, output = await there.command("setup")
            assert 0 == exited, output
        assert 1 == len(there.rest.administration.streams.sinks)
        _restart_stream(kinesis)
        before = await _topics(there.kafka)
        healthy = await there.found_by_command()
        expected = {"replication": "warning"}  # the broker is alone
        assert expected == {n: s for n, s in healthy.items() if s != "ok"}, healthy
        wrong = []
        for name, status, plant in FAULTS:
            with _planted(there, plant):
                found = await there.found()
            failures = [n for n, s in found.items() if s == "failure"]
            if status != found[name] or failures != ([name] if status == "failure" else []):
                wrong.append((name, status, found))
        assert [] == wrong
        await _saved(there)
        for setting, value in TOPIC_FAULTS:
            async with _topic_setting(there, setting, value):
                found = await there.found()
                assert ["topics"] == [n for n, s in found.items() if s == "failure"], setting
        assert "ok" == (await there.found())["topics"]
        assert before == await _topics(there.kafka)


def _restart_stream(kinesis: str) -> None:
    """Make the Kinesis stream anew, without records: no bridge runs here."""
    client = _client(kinesis)
    client.delete_stream(StreamName=STREAM)
    client.create_stream(StreamName=STREAM, ShardCount=2)


class _planted:  # noqa: N801 - a context manager
    """Plants a fault for the block, and removes it."""

    def __init__(self, there: Installation, plant: Fault) -> None:
        self._there, self._plant = there, plant
        self._state = there.rest.administration

    def __enter__(self) -> None:
        streams = self._state.streams
        self._environment = dict(self._there.environment)
        self._sinks, self._subscriptions = dict(streams.sinks), dict(streams.subscriptions)
        self._types = {sid: dict(s.types) for sid, s in streams.subscriptions.items()}
        self._plant(self._there)

    def __exit__(self, *_: object) -> None:
        streams, state = self._state.streams, self._state
        self._there.environment = self._environment
        streams.sinks, streams.subscriptions = self._sinks, self._subscriptions
        for sink in streams.sinks.values():
            sink.status = "active"
        for sid, subscription in streams.subscriptions.items():
            subscription.types = self._types[sid]
        state.alerts.clear()
        state.denied.clear()
        _healthy(self._there)
        if self._plant is _records_wait:
            _restart_stream(self._there.kinesis)


TOPIC_FAULTS = [
    ("retention.ms", "1000"),
    ("min.insync.replicas", "2"),  # of one
    ("cleanup.policy", "compact"),
]


@asynccontextmanager
async def _topic_setting(there: Installation, setting: str, value: str) -> AsyncIterator[None]:
    """Change a setting of the topic `media` for the block."""
    admin = admin_client(there.kafka)
    await admin.start()
    name = there.kafka.prefixed(MEDIA.name)
    configs = {**MEDIA.config(), "min.insync.replicas": "1"}
    try:
        for settings in (configs | {setting: value}, configs):
            change = ConfigResource(ConfigResourceType.TOPIC, name, settings)
            await admin.alter_configs([change])
            if settings is not configs:
                yield
    finally:
        await admin.close()


async def _saved(there: Installation) -> None:
    """Check that the last run of the command is in the database, as the console shows it."""
    shown = await there.found_by_command()
    engine = open_database(there.environment["FLEXCAPTURE_DATABASE_URL"])
    run = await asyncio.to_thread(CheckRuns(engine).last)
    engine.dispose()
    assert run is not None
    assert shown == {each.name: each.status.value for each in run.results}
