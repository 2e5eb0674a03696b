"""The Kinesis stream as the set-up and the checks use it: its description, and Twilio's test events
in it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from bridge.unavailable import KinesisUnavailable, unavailable
from pipeline.calls.cloud_events import TEST_EVENT
from pipeline.lenient_json import Unreadable, loads

if TYPE_CHECKING:
    from types_boto3_kinesis.client import KinesisClient

READ_S = 1.0
"""The pause (s) between reads of a shard: the bridge reads it too, and Kinesis allows five reads a
second."""
_THROTTLED = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException"})


@dataclass(frozen=True, slots=True)
class KinesisAccess:
    """How to reach the Kinesis stream. `endpoint`: None for AWS itself; `keys`: access key and
    secret, None for those that boto3 finds."""

    kinesis_stream: str
    region: str
    endpoint: str | None = None
    keys: tuple[str, str] | None = None

    def client(self, service: str = "kinesis") -> Any:
        """Return boto3's client without retries. Raise boto3's errors."""
        access_key, secret_key = self.keys or (None, None)
        return boto3.session.Session(region_name=self.region).client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint if service == "kinesis" else None,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2}),
        )


@dataclass(frozen=True, slots=True)
class KinesisStream:
    """A Kinesis stream as AWS describes it."""

    arn: str
    status: str
    retention_hours: int
    open_shards: int


async def described(access: KinesisAccess) -> KinesisStream:
    """Return the Kinesis stream. Raise `StreamAbsent` if there is none, and `KinesisUnavailable`
    for all other errors."""

    def ask() -> Mapping[str, Any]:
        client = access.client()
        answer: Mapping[str, Any] = client.describe_stream_summary(StreamName=access.kinesis_stream)
        return answer

    summary = (await in_thread(ask))["StreamDescriptionSummary"]
    return KinesisStream(
        str(summary["StreamARN"]),
        str(summary["StreamStatus"]),
        int(summary.get("RetentionPeriodHours", 24)),
        int(summary.get("OpenShardCount", 0)),
    )


async def in_thread(blocking: Any) -> Any:
    """Run a boto3 call in a thread. Raise `KinesisUnavailable` for every error of boto3."""
    try:
        return await asyncio.to_thread(blocking)
    except ClientError as error:
        raise unavailable(error, time.time()) from error
    except (BotoCoreError, ResponseParserError, OSError) as error:
        raise KinesisUnavailable(repr(error)) from error


class SinkTestReader:
    """Reads Twilio's test events that arrive in the Kinesis stream after `begin`."""

    def __init__(self, access: KinesisAccess) -> None:
        self._access = access
        self._iterators: dict[str, str | None] = {}

    async def begin(self) -> None:
        """Note the present end of each shard. Raise `KinesisUnavailable`."""
        self._client: KinesisClient = await in_thread(self._access.client)
        self._iterators = await in_thread(self._ends)

    def _ends(self) -> dict[str, str | None]:
        name = self._access.kinesis_stream
        ends: dict[str, str | None] = {}
        for page in self._client.get_paginator("list_shards").paginate(StreamName=name):
            for shard in page["Shards"]:
                if "EndingSequenceNumber" in shard.get("SequenceNumberRange", {}):
                    continue
                answer = self._client.get_shard_iterator(
                    StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
                )
                ends[shard["ShardId"]] = answer["ShardIterator"]
        return ends

    async def arrived(self, seconds: float) -> list[str]:
        """Return the test ids that arrive next, as soon as there are some; none if none arrives
        within the time. Raise `KinesisUnavailable`."""
        deadline = time.monotonic() + seconds
        while True:
            found: list[str] = []
            for shard_id in self._iterators:
                found += await in_thread(lambda shard=shard_id: self._read(shard))
            if found or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(READ_S)

    def _read(self, shard_id: str) -> list[str]:
        iterator = self._iterators[shard_id]
        if iterator is None:
            return []
        try:
            answer = self._client.get_records(ShardIterator=iterator)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _THROTTLED:
                return []
            raise
        self._iterators[shard_id] = answer.get("NextShardIterator")
        records = [id_of_test(record["Data"]) for record in answer["Records"]]
        return [test_id for test_id in records if test_id]


def id_of_test(data: bytes) -> str:
    """Return the test id of a record with Twilio's test event; empty for other records."""
    try:
        document = loads(data)
    except Unreadable:
        return ""
    events = document if isinstance(document, list) else [document]
    for event in events:
        if isinstance(event, dict) and event.get("type") == TEST_EVENT:
            payload = event.get("data")
            return str(payload.get("test_id") or "") if isinstance(payload, dict) else ""
    return ""
