"""Copy events with the bridge's own loop from memory to Kafka: with the bridge's writer or, as a
baseline, with one that has neither transactions nor checkpoints. It prints `{"rate"}`: events per
second of its CPU time."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from functools import lru_cache

import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.calls import kinesis_records
from bridge.kinesis_reader import Batch
from bridge.shard_carrier import BatchWriter, CarrierWorld, Reader, ShardCarrier
from bridge.transactions import ShardWriter
from pipeline.kinesis.messages import KinesisRecord, Message, SizeLimits
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import partition_of, producer
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings, load
from pipeline.runtime.telemetry import Health, set_up_logs
from schemas.records import BridgeCheckpoint
from schemas.topics import ALL, CTI_EVENTS

READ = 500
"""Records per read: 2,500 a second at Kinesis' five reads."""

_PLACE = Place("bench", 1, "shardId-000000000000")


class MemoryReader:
    """A reader with its records in memory."""

    def __init__(self, records: Sequence[KinesisRecord]) -> None:
        self._records = records
        self._read = 0

    async def read(self) -> Batch:
        """Return the next records; the last ones end the shard."""
        first, self._read = self._read, self._read + READ
        ended = self._read >= len(self._records)
        return Batch(tuple(self._records[first : self._read]), 0, ended)

    def close(self) -> None:
        """Do nothing: nothing is open."""


@lru_cache(maxsize=16_384)
def _partition(key: bytes) -> int:
    return partition_of(key, CTI_EVENTS.partitions)


class BareWriter:
    """Writes the messages, and waits until Kafka has them."""

    def __init__(self, settings: Settings) -> None:
        self._topics = {topic.name: settings.prefixed(topic.name) for topic in ALL}
        self._producer: AIOKafkaProducer = producer(settings, linger_ms=0)

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def write(self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint) -> None:
        """Write the messages at least once."""
        del checkpoint
        sent = [
            await self._producer.send(
                self._topics[message.topic],
                message.value,
                message.key,
                partition=_partition(message.key) if message.key is not None else None,
                headers=message.headers,
            )
            for message in messages
        ]
        await asyncio.gather(*sent)

    async def close(self) -> None:
        """Disconnect."""
        await self._producer.stop()


def make_world(settings: Settings, records: Sequence[KinesisRecord], bare: bool) -> CarrierWorld:
    """Return a world with one shard and no other process."""

    async def settled() -> None: ...

    async def limits() -> SizeLimits:
        return SizeLimits()

    async def checkpoint(_: Place) -> BridgeCheckpoint | None:
        return None

    async def reader(_: Place, __: str | None, ___: int | None) -> Reader:
        return MemoryReader(records)

    async def incarnation() -> Incarnation:
        return _PLACE.incarnation

    def writer(place: Place, limits: SizeLimits) -> BatchWriter:
        return BareWriter(settings) if bare else ShardWriter(settings, place, limits)

    return CarrierWorld(
        instance="bench",
        health=Health(),
        settled=settled,
        limits=limits,
        writer=writer,
        checkpoint=checkpoint,
        reader=reader,
        incarnation=incarnation,
        now=machine_clock,
    )


async def main(servers: str, prefix: str, events: int, bare: bool) -> None:
    """Copy `events` events to the shard's end, and print the rate."""
    set_up_logs("bench", "bench", "WARNING")
    settings = load(
        None,
        kafka_bootstrap_servers=servers,
        kafka_security_protocol="PLAINTEXT",
        topic_prefix=prefix,
    )
    records = kinesis_records(events, time.time_ns() // 1_000_000)
    world = make_world(settings, records, bare)
    began = time.process_time()
    await ShardCarrier(world, _PLACE).run()
    rate = len(records) / (time.process_time() - began)
    print(json.dumps({"rate": rate}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(**json.loads(sys.argv[1])))
