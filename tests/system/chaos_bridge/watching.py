"""What a read-committed consumer sees during a run, when, and how long it is held up."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import BridgeCheckpoint, CtiEvent, DeadLetter
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS
from tests.system.chaos_bridge.judging import Seen
from tests.system.chaos_bridge.putting import RUBBISH

_LOOK_S = 0.25


@dataclass
class Watch:
    """`seen`: everything, in the order in which it came; `seen_at`: when each event's number came
    first (s, monotonic); `finished`: shards; `held_up`: the longest time (s) for which records
    were on a partition of the events that a read-committed reader could not get at."""

    settings: Settings
    seen: list[Seen] = field(default_factory=list)
    seen_at: dict[int, float] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    held_up: float = 0.0

    async def follow(self) -> None:
        """Reads all topics. Never returns."""
        names = [self.settings.prefixed(t.name) for t in (CTI_EVENTS, DEAD_LETTERS)]
        checkpoints = self.settings.prefixed(BRIDGE_CHECKPOINTS.name)
        async with consumer(self.settings, *names, checkpoints) as source:
            while True:
                for records in (await source.getmany(timeout_ms=200)).values():
                    now = time.monotonic()
                    for record in records:
                        self._take(record, now)

    def _take(self, record: ConsumerRecord[bytes, bytes], now: float) -> None:
        match decode(record.value):
            case CtiEvent() as event:
                number = int(event.event_id.removeprefix("EV"))
                self.seen_at.setdefault(number, now)
                self.seen.append(
                    Seen(number, record.partition, record.offset, event.source,
                         event.shard_id, event.sequence_number)
                )  # fmt: skip
            case DeadLetter() as letter:
                number = int(letter.original.removeprefix(RUBBISH))
                self.seen.append(
                    Seen(number, record.partition, record.offset, "",
                         letter.part, letter.position, rubbish=True)
                )  # fmt: skip
            case BridgeCheckpoint(finished=True) as checkpoint:
                self.finished.add(checkpoint.shard_id)

    async def look(self) -> None:
        """Follows how long committed readers are held up. Never returns."""
        topic = self.settings.prefixed(CTI_EVENTS.name)
        partitions = [TopicPartition(topic, p) for p in range(CTI_EVENTS.partitions)]
        since: dict[TopicPartition, tuple[int, float]] = {}
        async with (
            consumer(self.settings) as committed,
            consumer(self.settings, isolation_level="read_uncommitted") as all_of_it,
        ):
            while True:
                await self._look(committed, all_of_it, partitions, since)
                await asyncio.sleep(_LOOK_S)

    async def _look(
        self,
        committed: AIOKafkaConsumer,
        all_of_it: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        since: dict[TopicPartition, tuple[int, float]],
    ) -> None:
        tips = await all_of_it.end_offsets(partitions)
        stable = await committed.end_offsets(partitions)
        now = time.monotonic()
        for each in partitions:
            if stable[each] >= tips[each]:
                since.pop(each, None)
                continue
            offset, began = since.setdefault(each, (stable[each], now))
            if offset != stable[each]:
                since[each] = stable[each], now
            else:
                self.held_up = max(self.held_up, now - began)
