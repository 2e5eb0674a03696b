"""Put events into Kinesis, like Twilio Event Streams with a Kinesis sink."""

import asyncio
import json
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config

from simulator.script import Json

if TYPE_CHECKING:
    from types_boto3_kinesis.client import KinesisClient
    from types_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

QUEUE_LENGTH = 10_000
BATCH = 100
ATTEMPTS = 10


class KinesisError(RuntimeError):
    """Events could not be put after several attempts."""


class Event(bytes):
    """The record of an event in plain JSON."""


class KinesisSink:
    """An async context manager. `put` may be called from any task of the event loop. One task sends
    the events, in the order of the puts; leaving the context sends the rest. `in_arrays`: events
    that wait at the same time go into one record."""

    def __init__(self, endpoint: str, region: str, name: str, *, in_arrays: bool = False) -> None:
        self._in_arrays = in_arrays
        self._client: KinesisClient = boto3.client(
            "kinesis",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="simulator",
            aws_secret_access_key="simulator",  # noqa: S106
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        self._name = name
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_LENGTH)
        self._number = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            await self._queue.put(None)
        else:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=kind is not None)

    async def put(self, event: Json) -> None:
        """Queue an event for sending. Raise `KinesisError` after sending has finally failed."""
        self._check()
        await self._queue.put(Event(json.dumps(event).encode()))

    async def put_bytes(self, record: bytes) -> None:
        """Queue a record, which need not be an event. Raise `KinesisError` after sending has
        finally failed."""
        self._check()
        await self._queue.put(record)

    def _check(self) -> None:
        if self._task.done():
            self._task.result()

    async def _work(self) -> None:
        ended = False
        while not ended:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            ended = None in batch
            records = [record for record in batch if record is not None]
            await self._send(gathered(records) if self._in_arrays else records)

    async def _send(self, records: list[bytes]) -> None:
        entries: list[PutRecordsRequestEntryTypeDef] = []
        for record in records:
            self._number += 1
            entries.append({"Data": record, "PartitionKey": f"any-{self._number * 7919 % 1009}"})
        for attempt in range(ATTEMPTS):
            if not entries:
                return
            try:
                entries = await asyncio.to_thread(self._put, entries)
            except Exception as error:
                if attempt == ATTEMPTS - 1:
                    raise KinesisError(f"cannot put events into Kinesis: {error}") from error
            if entries:
                await asyncio.sleep(0.2 * (attempt + 1))
        if entries:
            raise KinesisError(f"cannot put {len(entries)} events into Kinesis")

    def _put(
        self, entries: "list[PutRecordsRequestEntryTypeDef]"
    ) -> "list[PutRecordsRequestEntryTypeDef]":
        answer = self._client.put_records(StreamName=self._name, Records=entries)
        results = zip(entries, answer["Records"], strict=True)
        return [entry for entry, result in results if result.get("ErrorCode")]


def gathered(records: list[bytes]) -> list[bytes]:
    """Return the records, with all events in one array."""
    events = [record for record in records if isinstance(record, Event)]
    others = [record for record in records if not isinstance(record, Event)]
    return [*others, b"[" + b",".join(events) + b"]"] if events else others
