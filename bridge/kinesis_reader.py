"""Read Kinesis: boto3 in threads, with our own time-outs and back-off.

Kinesis allows five reads a second per shard, for all readers together. So each shard is read once
in 200 ms, counted from the beginning of the read before. Each shard has its own thread, so that no
shard waits for another.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from bridge.metrics import READS
from bridge.unavailable import (
    KinesisUnavailable,
    StreamAbsent,
    code_of,
    unavailable,
)
from pipeline.kinesis.lineage import Shard, is_after
from pipeline.kinesis.messages import KinesisRecord
from pipeline.kinesis.pacing import LIVE_SHARE, Pace, Share
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.settings import Settings
from pipeline.times import utc

if TYPE_CHECKING:
    from types_boto3_kinesis.client import KinesisClient

DEFAULT_STREAM = "flex-events"
CLOCKS_APART_MS = 60_000
"""Kinesis refuses a time that is in the future by its clock: ours may be ahead by this much."""

_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"}
)
_STALE_ITERATOR = frozenset({"ExpiredIteratorException"})


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one read. `ended`: the shard is closed and has no further records."""

    records: tuple[KinesisRecord, ...]
    behind_ms: int
    ended: bool = False


class Kinesis:
    """The configured Kinesis stream. Call `close` at the end."""

    def __init__(self, settings: Settings) -> None:
        self.stream_name = settings.kinesis_stream or DEFAULT_STREAM
        self._settings = settings
        self._client: KinesisClient | None = None
        self._executor = ThreadPoolExecutor(1, "kinesis")
        self._asking = asyncio.Lock()
        self._asked_at = 0.0
        self._answer: Incarnation | KinesisUnavailable | None = None

    async def incarnation(self) -> Incarnation:
        """Return the stream's present incarnation. Raise `StreamAbsent` until it can be read.

        Callers share answers: a call that comes during a request gets the next answer, together
        with all others. Kinesis allows few requests, and all shards may fail at once."""
        wanted_at = time.monotonic()
        async with self._asking:
            if self._answer is None or self._asked_at < wanted_at:
                self._asked_at = time.monotonic()
                self._answer = await self._ask()
        if isinstance(self._answer, KinesisUnavailable):
            raise self._answer
        return self._answer

    async def _ask(self) -> Incarnation | KinesisUnavailable:
        try:
            return await self._describe()
        except KinesisUnavailable as error:
            return error

    async def _describe(self) -> Incarnation:
        client = await self.client()
        answer = await call(
            self._executor,
            lambda: client.describe_stream_summary(StreamName=self.stream_name),
        )
        summary = answer["StreamDescriptionSummary"]
        if summary["StreamStatus"] in ("CREATING", "DELETING"):
            raise StreamAbsent(f"stream {self.stream_name} is {summary['StreamStatus']}")
        created_at = round(summary["StreamCreationTimestamp"].timestamp() * 1000)
        return Incarnation(self.stream_name, created_at)

    async def shards(self) -> tuple[Shard, ...]:
        """Return all shards that have not expired, open and closed."""
        client = await self.client()
        return await call(self._executor, lambda: _all_shards(client, self.stream_name))

    async def client(self) -> "KinesisClient":
        """Return boto3's client. Any thread may use it."""
        if self._client is None:
            self._client = await call(self._executor, lambda: _client(self._settings))
        return self._client

    def close(self) -> None:
        """Shut down without waiting for a call in progress, which ends by its time-out."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _client(settings: Settings) -> "KinesisClient":
    session = boto3.session.Session(region_name=settings.region())
    return session.client(
        "kinesis",
        endpoint_url=settings.aws_endpoint_url_kinesis,
        config=Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 1},
            max_pool_connections=512,  # one a shard
            parameter_validation=False,
            tcp_keepalive=True,
        ),
    )


def _all_shards(client: "KinesisClient", stream_name: str) -> tuple[Shard, ...]:
    found: list[Shard] = []
    answer = client.list_shards(StreamName=stream_name)
    while True:
        found += [_shard(plain) for plain in answer["Shards"]]
        token = answer.get("NextToken")
        if not token:
            return tuple(found)
        answer = client.list_shards(NextToken=token)


def _shard(plain: Any) -> Shard:
    parents = (plain.get("ParentShardId"), plain.get("AdjacentParentShardId"))
    return Shard(
        plain["ShardId"],
        tuple(parent for parent in parents if parent),
        plain["SequenceNumberRange"].get("EndingSequenceNumber") is not None,
    )


async def call(executor: ThreadPoolExecutor, blocking: Callable[[], T]) -> T:
    """Run a boto3 call in a thread. Raise `KinesisUnavailable` for every error of boto3."""
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, blocking)
    except ClientError as error:
        raise unavailable(error, time.time()) from error
    except (BotoCoreError, ResponseParserError, OSError) as error:
        raise KinesisUnavailable(repr(error)) from error


class ShardReader:
    """Read one shard from a position, in order. Call `close` at the end."""

    def __init__(
        self,
        client: "KinesisClient",
        place: Place,
        position: str | None,
        since: int | None = None,
        share: Share = LIVE_SHARE,
    ) -> None:
        """`position`: read after this sequence number. None: read from the oldest record that can
        have arrived at `since` (ms) or later; without `since`, from the oldest of all."""
        self._client = client
        self._since = since
        self._share = share
        self._place = place
        self._position = position
        self._iterator: str | None = None
        self._executor = ThreadPoolExecutor(1, f"kinesis {place.shard_id}")
        self._pace = Pace(share, place.phase)

    async def read(self) -> Batch:
        """Return the next records as soon as Kinesis' limits allow. There may be none.

        Throttling and expired iterators are handled here. Raise `KinesisUnavailable` for every
        other error. The position is kept, and the next call continues after it. Before that call,
        make sure that the stream is still the same one (`Kinesis.incarnation`).
        """
        while True:
            await asyncio.sleep(self._pace.due - time.monotonic())
            self._pace = self._pace.begin(time.monotonic())
            try:
                answer = await call(self._executor, self._get)
            except KinesisUnavailable as error:
                if not self._overcome(error):
                    READS.labels("failed").inc()
                    raise
            else:
                READS.labels("ok").inc()
                size = sum(len(record["Data"]) for record in answer["Records"])
                self._pace = self._pace.answered(time.monotonic(), size)
                return self._batch(answer)

    def _get(self) -> Any:
        if self._iterator is None:
            self._iterator = self._new_iterator()
        return self._client.get_records(ShardIterator=self._iterator, Limit=self._share.max_records)

    def _new_iterator(self) -> str:
        answer = self._client.get_shard_iterator(
            StreamName=self._place.kinesis_stream, ShardId=self._place.shard_id, **self._start()
        )
        return answer["ShardIterator"]

    def _start(self) -> Any:
        if self._position is not None:
            return {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": self._position,
            }
        if self._since is not None:
            at = utc(self._since - CLOCKS_APART_MS)
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}
        return {"ShardIteratorType": "TRIM_HORIZON"}

    def _overcome(self, error: KinesisUnavailable) -> bool:
        """Return whether the read may be repeated at once. Set the time and the iterator of the
        next read."""
        code = code_of(error.__cause__)
        if code in _STALE_ITERATOR:
            READS.labels("expired").inc()
            self._iterator = None
            return True
        if code in _THROTTLED:
            READS.labels("throttled").inc()
            self._pace = self._pace.refused(time.monotonic(), random.random())  # noqa: S311
            return True
        self._iterator = None
        return False

    def _batch(self, answer: Any) -> Batch:
        records = tuple(
            KinesisRecord(
                plain["SequenceNumber"],
                round(plain["ApproximateArrivalTimestamp"].timestamp() * 1000),
                plain["Data"],
            )
            for plain in answer["Records"]
            # An emulator may return the record at the position once more.
            if is_after(plain["SequenceNumber"], self._position)
        )
        if records:
            self._position = records[-1].sequence_number
        self._iterator = answer.get("NextShardIterator")
        behind_ms = answer.get("MillisBehindLatest") or 0
        return Batch(records, behind_ms, ended=self._iterator is None)

    def close(self) -> None:
        """Shut down without waiting for a read in progress, which ends by its time-out."""
        self._executor.shutdown(wait=False, cancel_futures=True)
