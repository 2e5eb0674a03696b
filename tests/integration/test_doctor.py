"""`flexcapture twilio setup` and `doctor` as commands, against the simulated Twilio, a real Kafka,
a gateway that runs, and an emulator of Kinesis: each planted fault is named."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from moto.server import ThreadedMotoServer

from pipeline.runtime.kafka import admin_client, ensure_topics, producer
from pipeline.runtime.settings import Settings
from pipeline.store.check_runs import CheckRuns
from pipeline.store.database import migrate, open_database
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS, MEDIA, PROVISIONED
from simulator.delivery import into_kinesis
from simulator.media import clock
from tests.integration.installation import (
    ANN,
    FAULTS,
    STREAM,
    Fault,
    Installation,
    kinesis_client,
    records_wait,
)
from tests.integration.lone_gateway import CREDENTIALS, lone_gateway

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest.fixture
def kinesis() -> Iterator[str]:
    """An emulator of Kinesis with the Kinesis stream: its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = kinesis_client(url)
    if STREAM not in client.list_streams()["StreamNames"]:  # the emulator's state is global
        client.create_stream(StreamName=STREAM, ShardCount=2)
    try:
        yield url
    finally:
        client.delete_stream(StreamName=STREAM)
        server.stop()


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
        names = await admin.list_topics()
        return {name for name in names if name.startswith(settings.topic_prefix)}
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
    client = kinesis_client(kinesis)
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
        if self._plant is records_wait:
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
