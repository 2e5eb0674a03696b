"""The latency benchmark's hands on Kinesis: puts events, and reads them as barely as can be."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from infra.kinesis import LocalKinesis
from simulator.console import Endpoints
from simulator.media import clock
from simulator.script import EventSent, Json, Script

READ_S = 0.2
"""Kinesis allows five reads a second of each shard."""


def kinesis_of(endpoints: Endpoints) -> LocalKinesis:
    """The emulator of a pipeline."""
    port = urlsplit(endpoints.kinesis).port
    assert port is not None
    return LocalKinesis(port, endpoints.kinesis_region, endpoints.kinesis_stream)


def _client(kinesis: LocalKinesis) -> Any:
    return kinesis.client(max_pool_connections=64, retries={"total_max_attempts": 3})


class Putter:
    """Puts events, and keeps when it began to put each."""

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._client = _client(kinesis)
        self._name = kinesis.kinesis_stream
        self.put_at: dict[str, int] = {}
        """When it began to put each event (ms), by its id."""

    async def put(self, event: Json) -> None:
        """Returns when Kinesis has it."""
        self.put_at[event["id"]] = clock()
        await asyncio.to_thread(
            self._client.put_record,
            StreamName=self._name,
            Data=json.dumps(event).encode(),
            PartitionKey=event["id"],
        )

    def at(self, script: Script, kind: str) -> tuple[str, int]:
        """Id, and the moment of putting (ms), of the script's last event of that kind."""
        events = [s.action.event for s in script.steps if isinstance(s.action, EventSent)]
        event_id = next(e["id"] for e in reversed(events) if e["type"].endswith(kind))
        return event_id, self.put_at[event_id]


class BareReader:
    """Reads every shard five times a second, and keeps when it saw each event (ms), by its id."""

    def __init__(self, kinesis: LocalKinesis) -> None:
        self._client = _client(kinesis)
        self._name = kinesis.kinesis_stream
        self._stopped = False
        self.seen: dict[str, int] = {}

    def stop(self) -> None:
        """Ends `run` soon."""
        self._stopped = True

    async def run(self) -> None:
        """Reads until stopped."""
        told = await asyncio.to_thread(self._client.list_shards, StreamName=self._name)
        async with asyncio.TaskGroup() as group:
            for shard in told["Shards"]:
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
        while not self._stopped:
            began = loop.time()
            answer = await asyncio.to_thread(
                self._client.get_records, ShardIterator=position, Limit=10_000
            )
            position = answer["NextShardIterator"]
            for record in answer["Records"]:
                self.seen.setdefault(json.loads(record["Data"])["id"], clock())
            await asyncio.sleep(began + READ_S - loop.time())
