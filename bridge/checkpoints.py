"""The checkpoint topic as a table in memory: all its partitions, read-committed, kept up to date.

It tells where to read on, and which shards are finished wherever they were read.
"""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

LONGEST_WAIT_S = 30.0
"""An open transaction is over before this: its producer is fenced, or it times out."""

_IDLE_POLL_MS = 200
_EAGER_POLL_MS = 10


def partition_of(place: Place) -> int:
    """The partition of the place's checkpoint."""
    return int(murmur2(place.key.encode()) & 0x7FFFFFFF) % BRIDGE_CHECKPOINTS.partitions


class Blocked(RuntimeError):
    """What is committed cannot be read: a transaction is open for longer than any may be."""


class Checkpoints:
    """The latest checkpoint of each place. Start it, keep `run` running, stop it."""

    def __init__(self, settings: Settings, on_news: Callable[[], None]) -> None:
        """`on_news` is called when a shard turns out to be finished, or a period is known."""
        self._topic = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._table: dict[str, BridgeCheckpoint] = {}
        self._periods: dict[str, BridgePeriod] = {}
        self._positions: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._waiting = 0
        self._on_news = on_news
        self._tail: AIOKafkaConsumer = consumer(settings)
        # ListOffsets answers a read-committed consumer with the last *stable* offset. That may lie
        # before a checkpoint that is committed, where another shard's transaction is still open:
        # we would read again what is on Kafka already. So the end is asked for uncommitted.
        self._ends: AIOKafkaConsumer = consumer(settings, isolation_level="read_uncommitted")

    async def start(self) -> None:
        """Connects."""
        await self._tail.start()
        await self._ends.start()
        partitions = range(BRIDGE_CHECKPOINTS.partitions)
        self._tail.assign([TopicPartition(self._topic, p) for p in partitions])
        await self._tail.seek_to_beginning()

    async def stop(self) -> None:
        """Disconnects."""
        await self._tail.stop()
        await self._ends.stop()

    async def run(self) -> None:
        """Follows the topic until cancelled. Raises `Undecodable` for what is no checkpoint."""
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
        """Returns once all that was committed on these partitions before the call is in the table.

        That includes waiting for transactions that are open now: a killed process' end with their
        time-out, or when its shards are taken over. Raises `Blocked` where one does not end.
        """
        wanted = [TopicPartition(self._topic, p) for p in partitions]
        await self._reach(await self._ends.end_offsets(wanted))

    async def readable(self) -> None:
        """Returns once all that can be read now is in the table. What a transaction that is open
        now hides may be missing: its own, and later ones of other shards on its partition. Raises
        `Blocked`."""
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
        """The place's latest checkpoint in the table."""
        return self._table.get(place.key)

    def period(self, place: Place) -> BridgePeriod | None:
        """What is bridged of the stream; `place` is one without a shard."""
        return self._periods.get(place.key)

    def met(self, kinesis_stream: str, name: str) -> bool:
        """Whether anything stands here of a stream of that name, of whichever incarnation."""
        read = {(each.kinesis_stream, each.name) for each in self._table.values()}
        agreed = {(each.kinesis_stream, each.name) for each in self._periods.values()}
        return (kinesis_stream, name) in read | agreed

    def begun(self, incarnation: Incarnation, name: str) -> bool:
        """Whether any shard of this stream has a checkpoint under that name."""
        return any(
            each.name == name and _incarnation(each) == incarnation for each in self._table.values()
        )

    def finished(self, incarnation: Incarnation, name: str) -> frozenset[str]:
        """The shards of this stream that are read to their end."""
        return frozenset(
            each.shard_id
            for each in self._table.values()
            if each.finished and each.name == name and _incarnation(each) == incarnation
        )

    def of_stream(self, kinesis_stream: str) -> Mapping[Place, BridgeCheckpoint]:
        """All checkpoints of streams of that name, of every incarnation."""
        found = (each for each in self._table.values() if each.kinesis_stream == kinesis_stream)
        return {_place(each): each for each in found}

    def periods_of(self, kinesis_stream: str) -> Mapping[Place, BridgePeriod]:
        """All periods of streams of that name, each at the place without a shard."""
        found = (each for each in self._periods.values() if each.kinesis_stream == kinesis_stream)
        return {_place(each): each for each in found}

    def streams(self) -> frozenset[str]:
        """The names of all streams of which anything stands here."""
        return frozenset(each.kinesis_stream for each in self._table.values())

    def _apply(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._table.pop(key, None)
            self._periods.pop(key, None)
            return
        # Not decodable ends the process: without it, events would be written again.
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
