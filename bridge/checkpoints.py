"""The checkpoint topic as a table in memory: all its partitions, read-committed, kept up to date.

It shows after which record to continue reading, and which shards any process has finished.
"""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import consumer, partition_of
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

LONGEST_WAIT_S = 30.0
"""Longer than any transaction stays open: its producer is fenced, or it times out."""

_IDLE_POLL_MS = 200
_EAGER_POLL_MS = 10


def checkpoint_partition(place: Place) -> int:
    """Return the partition of the place's checkpoint."""
    return partition_of(place.key.encode(), BRIDGE_CHECKPOINTS.partitions)


class Blocked(RuntimeError):
    """The committed records cannot be read: a transaction is open for longer than any may be."""


class Checkpoints:
    """The latest checkpoint of each place. Call `start`, keep `run` running, then call `stop`."""

    def __init__(self, settings: Settings, on_news: Callable[[], None]) -> None:
        """Call `on_news` when a shard becomes finished, and when a period becomes known."""
        self._topic = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._table: dict[str, BridgeCheckpoint] = {}
        self._periods: dict[str, BridgePeriod] = {}
        self._positions: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._waiting = 0
        self._started = False
        self._on_news = on_news
        self._tail: AIOKafkaConsumer = consumer(settings)
        # ListOffsets answers a read-committed consumer with the last *stable* offset. That may lie
        # before a committed checkpoint, if a transaction of another shard is still open: we would
        # read again the records that are already on Kafka. So this consumer reads uncommitted.
        self._ends: AIOKafkaConsumer = consumer(settings, isolation_level="read_uncommitted")

    async def start(self) -> None:
        """Connect to Kafka. May be called again after it failed."""
        if not self._started:
            await self._tail.start()
            self._started = True
        await self._ends.start()
        partitions = range(BRIDGE_CHECKPOINTS.partitions)
        self._tail.assign([TopicPartition(self._topic, p) for p in partitions])
        await self._tail.seek_to_beginning()

    async def stop(self) -> None:
        """Disconnect from Kafka."""
        await self._tail.stop()
        await self._ends.stop()

    async def run(self) -> None:
        """Follow the topic until cancelled. Raise `Undecodable` if a record is no checkpoint."""
        while True:
            timeout_ms = _EAGER_POLL_MS if self._waiting else _IDLE_POLL_MS
            batches = await self._tail.getmany(timeout_ms=timeout_ms)
            for records in batches.values():
                for record in records:
                    self._apply(record.key.decode(), record.value)
            async with self._moved:
                for partition in self._tail.assignment():
                    self._positions[partition.partition] = await self._tail.position(partition)
                self._moved.notify_all()

    async def caught_up(self, *partitions: int) -> None:
        """Return once every record that was committed on these partitions before the call is in the
        table.

        That includes waiting for transactions that are open now. Those of a killed process end with
        their time-out, or when its shards are taken over. Raise `Blocked` if one does not end.
        """
        wanted = [TopicPartition(self._topic, p) for p in partitions]
        await self._reach(await self._ends.end_offsets(wanted))

    async def readable(self) -> None:
        """Return once every record that can be read now is in the table. An open transaction hides
        its own records, and later ones of other shards on its partition: these may be missing.
        Raise `Blocked` if a transaction does not end."""
        await self._reach(await self._tail.end_offsets(self._tail.assignment()))

    async def _reach(self, ends: Mapping[TopicPartition, int]) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(LONGEST_WAIT_S), self._moved:
                await self._moved.wait_for(lambda: not self._behind(ends))
        except TimeoutError:
            raise Blocked(
                f"{self._topic} cannot be read to its end on the partitions {self._behind(ends)}: "
                "a transaction hangs there; see docs/operations.md"
            ) from None
        finally:
            self._waiting -= 1

    def _behind(self, ends: Mapping[TopicPartition, int]) -> list[int]:
        return [p.partition for p, end in ends.items() if self._positions.get(p.partition, 0) < end]

    def get(self, place: Place) -> BridgeCheckpoint | None:
        """Return the place's latest checkpoint in the table."""
        return self._table.get(place.key)

    def period(self, place: Place) -> BridgePeriod | None:
        """Return the period of the stream that is bridged. `place` has no shard."""
        return self._periods.get(place.key)

    def met(self, kinesis_stream: str, name: str) -> bool:
        """Return whether the topic has a record of a stream of that name, of any incarnation."""
        read = {(each.kinesis_stream, each.name) for each in self._table.values()}
        agreed = {(each.kinesis_stream, each.name) for each in self._periods.values()}
        return (kinesis_stream, name) in read | agreed

    def begun(self, incarnation: Incarnation, name: str) -> bool:
        """Return whether any shard of this stream has a checkpoint under that name."""
        return any(
            each.name == name and _incarnation(each) == incarnation for each in self._table.values()
        )

    def finished(self, incarnation: Incarnation, name: str) -> frozenset[str]:
        """Return the ids of this stream's shards that are read to their end."""
        return frozenset(
            each.shard_id
            for each in self._table.values()
            if each.finished and each.name == name and _incarnation(each) == incarnation
        )

    def of_stream(self, kinesis_stream: str) -> Mapping[Place, BridgeCheckpoint]:
        """Return all checkpoints of streams of that name, of every incarnation."""
        found = (each for each in self._table.values() if each.kinesis_stream == kinesis_stream)
        return {_place(each): each for each in found}

    def periods_of(self, kinesis_stream: str) -> Mapping[Place, BridgePeriod]:
        """Return all periods of streams of that name, each with its place without a shard."""
        found = (each for each in self._periods.values() if each.kinesis_stream == kinesis_stream)
        return {_place(each): each for each in found}

    def streams(self) -> frozenset[str]:
        """Return the names of all streams that have a checkpoint on the topic."""
        return frozenset(each.kinesis_stream for each in self._table.values())

    def _apply(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._table.pop(key, None)
            self._periods.pop(key, None)
            return
        # An undecodable record ends the process: without it, events would be written again.
        found: BridgeCheckpoint | BridgePeriod = decode(value)
        match found:
            case BridgePeriod():
                self._periods[key] = found
                self._on_news()
            case BridgeCheckpoint():
                self._table[key] = found
                if found.finished:
                    self._on_news()


def _place(of: BridgeCheckpoint | BridgePeriod) -> Place:
    shard_id = of.shard_id if isinstance(of, BridgeCheckpoint) else ""
    return Place(of.kinesis_stream, of.stream_created_at, shard_id, of.name)


def _incarnation(checkpoint: BridgeCheckpoint) -> Incarnation:
    return Incarnation(checkpoint.kinesis_stream, checkpoint.stream_created_at)
