"""What the bridge's integration tests need around it: an emulator, bridge processes, a reader."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import orjson
from aiokafka import ConsumerRecord, TopicPartition

from infra.local.kinesis import LocalKinesis
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import CtiEvent
from schemas.topics import Topic

STREAM = "flex-events"

_RUNNER = """
import asyncio
from bridge.service import run
from pipeline.runtime.process import run_role
from pipeline.runtime.settings import Role, load
asyncio.run(run_role(Role.BRIDGE, run, load(None)))
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], logs: Path) -> Iterator[int]:
    """Runs a process of ours while the block runs; gives its pid. Killed at the end."""
    with (
        logs.open("ab") as log,
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log
        ) as child,
    ):
        try:
            yield child.pid
        finally:
            child.kill()


@contextlib.asynccontextmanager
async def emulator(local: LocalKinesis, logs: Path, shards: int) -> AsyncIterator[Any]:
    """moto with the stream in it; gives boto3's client."""
    with process(local.command(), {}, logs):
        client = kinesis_client(local)
        while True:
            try:
                await asyncio.to_thread(
                    client.create_stream, StreamName=local.kinesis_stream, ShardCount=shards
                )
                break
            except Exception:  # noqa: BLE001 - it is starting
                await asyncio.sleep(0.05)
        yield client
        client.close()


def kinesis_client(local: LocalKinesis) -> Any:
    """boto3's client of the emulator."""
    return boto3.client(
        "kinesis",
        endpoint_url=local.endpoint,
        region_name=local.region,
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )


@dataclass
class Bridges:
    """Bridge processes of one test."""

    settings: Settings
    local: LocalKinesis
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, instance: str, **settings: str) -> None:
        """Starts one, with other settings besides."""
        self._run(instance, [sys.executable, "-c", _RUNNER], settings)

    def replay(self, instance: str, *arguments: str) -> None:
        """Starts a replay."""
        command = [sys.executable, "-m", "cli.main", "bridge", *arguments]
        self._run(instance, command, {"FLEXCAPTURE_NO_ENV_FILE": "1"})

    def wait(self, instance: str) -> int:
        """Waits until it ends by itself; gives its exit status."""
        return self.running.pop(instance).wait(timeout=60)

    def wait_until_said(self, instance: str, text: str) -> None:
        """Returns once its log holds the text. Raises `TimeoutError`."""
        deadline = time.monotonic() + 60
        while text not in (self.logs / f"{instance}.log").read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{instance} never said {text!r}")
            time.sleep(0.05)

    def _run(self, instance: str, command: list[str], settings: Mapping[str, str]) -> None:
        environment = {
            **os.environ,
            **self.local.environment(),
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers or "",
            "FLEXCAPTURE_TOPIC_PREFIX": self.settings.topic_prefix,
            "FLEXCAPTURE_INSTANCE": instance,
            **settings,
        }
        with (self.logs / f"{instance}.log").open("ab") as log:
            self.running[instance] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log
            )

    def kill(self, instance: str) -> None:
        """SIGKILL."""
        self.running[instance].kill()
        self.running.pop(instance).wait()

    def terminate(self, instance: str) -> int:
        """SIGTERM; gives its exit status."""
        self.running[instance].send_signal(signal.SIGTERM)
        return self.running.pop(instance).wait(timeout=20)

    def signal(self, instance: str, signum: signal.Signals) -> None:
        """Sends it a signal."""
        self.running[instance].send_signal(signum)

    def kill_all(self) -> None:
        """SIGKILL for all that run."""
        for instance in list(self.running):
            self.kill(instance)


def event(number: int, shard_key: str, *, padding: int = 0) -> bytes:
    """Return a numbered event of an unknown type."""
    document = {
        "specversion": "1.0",
        "id": f"EV{number}",
        "source": f"/test/{shard_key}",
        "type": "com.example.numbered",
        "data": {"number": number, "padding": "x" * padding},
    }
    return orjson.dumps(document)


def put(client: Any, numbers: Sequence[int], keys: int, kinesis_stream: str = STREAM) -> None:
    """Puts numbered events: the partition key, and so the shard, follows from the number."""
    entries = [
        {"Data": event(n, f"key-{n % keys}"), "PartitionKey": f"key-{n % keys}"} for n in numbers
    ]
    for start in range(0, len(entries), 500):
        answer = client.put_records(StreamName=kinesis_stream, Records=entries[start : start + 500])
        assert answer["FailedRecordCount"] == 0


async def read_all(
    settings: Settings, topic: Topic, at_least: int = 0
) -> list[ConsumerRecord[bytes, bytes]]:
    """All that a read-committed consumer sees: up to the end of the topic, and `at_least` so
    many."""
    name = settings.prefixed(topic.name)
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with (
        consumer(settings) as source,
        consumer(settings, isolation_level="read_uncommitted") as tip,
    ):
        partitions = [TopicPartition(name, p) for p in range(topic.partitions)]
        source.assign(partitions)
        await source.seek_to_beginning()
        while True:
            for records in (await source.getmany(timeout_ms=100)).values():
                found += records
            if len(found) < at_least:
                continue
            ends = await tip.end_offsets(partitions)
            if all([await source.position(p) >= ends[p] for p in partitions]):
                return found


def events_of(records: Sequence[ConsumerRecord[bytes, bytes]]) -> list[CtiEvent]:
    """Decoded."""
    return [decode(record.value) for record in records]


def number_of(cti_event: CtiEvent) -> int:
    """The number that `event` gave it."""
    return int(cti_event.event_id.removeprefix("EV"))
