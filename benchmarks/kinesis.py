"""Kinesis for the latency benchmarks: put events, and read them with as little work as possible."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from infra.local.kinesis import LocalKinesis
from simulator.console import Endpoints
from simulator.media import clock
from simulator.script import EventSent, Json, Script

READ_S = 0.2
"""Kinesis allows five reads a second per shard."""


def kinesis_of(endpoints: Endpoints) -> LocalKinesis:
    """Return the emulator of a pipeline."""
    port = urlsplit(endpoints.kinesis).port
    assert port is not None
    return LocalKinesis(port, endpoints.kinesis_region, endpoints.kinesis_stream)


def _client(kinesis: LocalKinesis) -> Any:
    return kinesis.client(max_pool_connections=64, retries={"total_max_attempts": 3})


class Putter:
    """Puts events into the Kinesis stream."""

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._client = _client(kinesis)
        self._name = kinesis.kinesis_stream

    async def put(self, event: Json) -> None:
        """Put an event. Return when Kinesis has it."""
        await asyncio.to_thread(
            self._client.put_record,
            StreamName=self._name,
            Data=json.dumps(event).encode(),
            PartitionKey=event["id"],
        )


def last_event(script: Script, kind: str) -> str:
    """Return the id of the script's last event of that kind."""
    events = [s.action.event for s in script.steps if isinstance(s.action, EventSent)]
    return str(next(e["id"] for e in reversed(events) if e["type"].endswith(kind)))


class BareReader:
    """Reads every shard five times a second. By event id, it records when the event arrived in
    Kinesis (ms, by Kinesis), and when the reader saw it."""

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._client = _client(kinesis)
        self._name = kinesis.kinesis_stream
        self._stopped = False
        self.arrived: dict[str, int] = {}
        self.seen: dict[str, int] = {}

    def stop(self) -> None:
        """End `run` after one more read of each shard."""
        self._stopped = True

    async def run(self) -> None:
        """Read until stopped, and once more."""
        answer = await asyncio.to_thread(self._client.list_shards, StreamName=self._name)
        async with asyncio.TaskGroup() as group:
            for shard in answer["Shards"]:
                group.create_task(self._read(shard["ShardId"]))

    async def _read(self, shard_id: str) -> None:
        loop = asyncio.get_running_loop()
        iterator = await asyncio.to_thread(
            self._client.get_shard_iterator,
            StreamName=self._name,
            ShardId=shard_id,
            ShardIteratorType="LATEST",
        )
        position = iterator["ShardIterator"]
        stopped = False
        while not stopped:
            stopped = self._stopped
            began = loop.time()
            answer = await asyncio.to_thread(
                self._client.get_records, ShardIterator=position, Limit=10_000
            )
            position = answer["NextShardIterator"]
            now = clock()
            for record in answer["Records"]:
                event_id = json.loads(record["Data"])["id"]
                arrived = record["ApproximateArrivalTimestamp"].timestamp()
                self.arrived.setdefault(event_id, round(arrived * 1000))
                self.seen.setdefault(event_id, now)
            await asyncio.sleep(began + READ_S - loop.time())
