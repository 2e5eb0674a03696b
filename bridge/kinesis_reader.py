"""Reading Kinesis: boto3 in threads, with time-outs and back-off of our own.

Kinesis allows five reads a second and shard, over all its readers: each shard is read once in
200 ms, counted from the beginning of the read before. Each has a thread of its own, so that none
waits for another.
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
from prometheus_client import Counter

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
"""Kinesis refuses a time that is still to come by its clock: this is how far ours may be ahead."""

_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"}
)
_STALE_ITERATOR = frozenset({"ExpiredIteratorException"})

_reads = Counter("flexcapture_bridge_reads_total", "GetRecords calls by how they ended", ["result"])

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read gave. `ended`: the shard is closed and this was all that was left."""

    records: tuple[KinesisRecord, ...]
    behind_ms: int
    ended: bool = False


class Kinesis:
    """The configured Kinesis stream. Close it."""

    def __init__(self, settings: Settings) -> None:
        self.stream_name = settings.kinesis_stream or DEFAULT_STREAM
        self._settings = settings
        self._client: KinesisClient | None = None
        self._executor = ThreadPoolExecutor(1, "kinesis")
        self._asking = asyncio.Lock()
        self._asked_at = 0.0
        self._told: Incarnation | KinesisUnavailable | None = None

    async def incarnation(self) -> Incarnation:
        """The stream as it is now. Raises `StreamAbsent` until it is there and can be read.

        Who asks while it is being asked shares the next answer with all others who do: where all
        shards fail at once they must not ask Kinesis one after the other, which allows few."""
        wanted_at = time.monotonic()
        async with self._asking:
            if self._told is None or self._asked_at < wanted_at:
                self._asked_at = time.monotonic()
                self._told = await self._ask()
        if isinstance(self._told, KinesisUnavailable):
            raise self._told
        return self._told

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
        """All shards that are not expired, open and closed."""
        client = await self.client()
        return await call(self._executor, lambda: _all_shards(client, self.stream_name))

    async def client(self) -> "KinesisClient":
        """boto3's client; it may be used from any thread."""
        if self._client is None:
            self._client = await call(self._executor, lambda: _client(self._settings))
        return self._client

    def close(self) -> None:
        """Does not wait for a call in progress; that ends by its time-out at the latest."""
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
    """Runs a boto3 call in a thread. Raises `KinesisUnavailable` for whatever boto3 raises."""
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, blocking)
    except ClientError as error:
        raise unavailable(error, time.time()) from error
    except (BotoCoreError, ResponseParserError, OSError) as error:
        raise KinesisUnavailable(repr(error)) from error


class ShardReader:
    """Reads one shard from a position on, in order. Close it."""

    def __init__(
        self,
        client: "KinesisClient",
        place: Place,
        position: str | None,
        since: int | None = None,
        share: Share = LIVE_SHARE,
    ) -> None:
        """`position`: the sequence number to read on after; None: from the oldest record that can
        have arrived at `since` (ms) or later, and, without that, from the oldest there is."""
        self._client = client
        self._since = since
        self._share = share
        self._place = place
        self._position = position
        self._iterator: str | None = None
        self._executor = ThreadPoolExecutor(1, f"kinesis {place.shard_id}")
        self._pace = Pace(share, place.phase)

    async def read(self) -> Batch:
        """The next records, as soon as Kinesis' limits allow; none if there are none.

        Throttling and expired iterators are dealt with in here. Raises `KinesisUnavailable` for
        everything else: what was read so far stays read, and the next call goes on after it. Make
        sure before it that the stream is still the same one (`Kinesis.incarnation`).
        """
        while True:
            await asyncio.sleep(self._pace.due - time.monotonic())
            self._pace = self._pace.begin(time.monotonic())
            try:
                answer = await call(self._executor, self._get)
            except KinesisUnavailable as error:
                if not self._overcome(error):
                    _reads.labels("failed").inc()
                    raise
            else:
                _reads.labels("ok").inc()
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
        """Whether the read may simply be tried again; sets when, and from which iterator."""
        code = code_of(error.__cause__)
        if code in _STALE_ITERATOR:
            _reads.labels("expired").inc()
            self._iterator = None
            return True
        if code in _THROTTLED:
            _reads.labels("throttled").inc()
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
            # An emulator may give the record at the position once more.
            if is_after(plain["SequenceNumber"], self._position)
        )
        if records:
            self._position = records[-1].sequence_number
        self._iterator = answer.get("NextShardIterator")
        behind_ms = answer.get("MillisBehindLatest") or 0
        return Batch(records, behind_ms, ended=self._iterator is None)

    def close(self) -> None:
        """Does not wait for a read in progress; that ends by its time-out at the latest."""
        self._executor.shutdown(wait=False, cancel_futures=True)
