"""What goes into Kinesis during a run: numbered events, rubbish, and changes of its shards."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from infra.local.kinesis import LocalKinesis
from tests.system.chaos_bridge.judging import Put
from tests.system.chaos_bridge.options import Options

KEYS = 64
MOST_SHARDS = 8
RUBBISH = b"\xff rubbish "
_IN_ONE = 100
_LARGE_BYTES = 40_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Record:
    """One Kinesis record: the numbers of some events, or of one piece of rubbish."""

    key: str
    numbers: tuple[int, ...]
    rubbish: bool
    data: bytes


@dataclass
class Stream:
    """The Kinesis stream of a run. `put`: all that Kinesis took; `put_at`: when each number's put
    was begun (s, monotonic)."""

    kinesis: LocalKinesis
    options: Options
    random: Random
    say: Say
    put: list[Put] = field(default_factory=list)
    put_at: dict[int, float] = field(default_factory=dict)
    changes: int = 0

    def __post_init__(self) -> None:
        self._client = self.kinesis.client(read_timeout=60)

    async def make(self) -> None:
        """Returns once it can be used."""
        await self.kinesis.make_stream(self.options.shards)
        await self._active()

    async def fill(self) -> None:
        """Puts everything, in order, at the rate or as fast as the emulator takes it."""
        began, number, rubbish = time.monotonic(), 0, 0
        while number < self.options.events:
            records = []
            while len(records) < _IN_ONE and number < self.options.events:
                records.append(self._record(number, rubbish))
                number += len(records[-1].numbers) * (not records[-1].rubbish)
                rubbish += records[-1].rubbish
            await self._put(records)
            await asyncio.sleep(began + number / self.options.rate - time.monotonic())

    def _record(self, number: int, rubbish: int) -> Record:
        key = f"key-{self.random.randrange(KEYS)}"
        if self.random.random() < self.options.rubbish:
            return Record("", (rubbish,), True, RUBBISH + str(rubbish).encode())
        last = number + (self.random.randrange(1, 4) if self.random.random() < 0.02 else 1)
        numbers = tuple(range(number, min(last, self.options.events)))
        events = [self._event(n, key) for n in numbers]
        data = orjson.dumps(events[0] if len(events) == 1 else events)
        return Record(key, numbers, False, data)

    def _event(self, number: int, key: str) -> dict[str, Any]:
        large = self.random.random() < 0.002
        padding = self.random.randrange(_LARGE_BYTES if large else 400)
        return {"id": f"EV{number}", "type": "com.example.numbered", "source": key,
                "data": "x" * padding}  # fmt: skip

    async def _put(self, records: Sequence[Record]) -> None:
        left = list(records)
        while left:
            now = time.monotonic()
            for each in left:
                self.put_at.update({} if each.rubbish else dict.fromkeys(each.numbers, now))
            answer = await asyncio.to_thread(
                self._client.put_records,
                StreamName=self.kinesis.kinesis_stream,
                Records=[{"Data": r.data, "PartitionKey": r.key or "rubbish"} for r in left],
            )
            refused = []
            for record, result in zip(left, answer["Records"], strict=True):
                if "ShardId" in result:
                    self._note(record, result["ShardId"], result["SequenceNumber"])
                else:
                    refused.append(record)
            left = refused

    def _note(self, record: Record, shard_id: str, sequence_number: str) -> None:
        self.put += [
            Put(number, record.key, shard_id, sequence_number, record.rubbish)
            for number in record.numbers
        ]

    async def keep_resharding(self) -> None:
        """Splits or merges, again and again. Never returns."""
        if self.options.reshard <= 0:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(self.options.reshard * self.random.uniform(0.5, 1.5))
            await self._reshard()

    async def _reshard(self) -> None:
        now_open = sorted(
            (each for each in await self.shards() if is_open(each)), key=lambda s: keys_of(s)[0]
        )
        if self.random.random() < len(now_open) / MOST_SHARDS:
            first = self.random.randrange(len(now_open) - 1)
            await self._merge(*now_open[first : first + 2])
        else:
            await self._split(self.random.choice(now_open))
        self.changes += 1
        await self._active()

    async def _split(self, shard: Any) -> None:
        low, high = keys_of(shard)
        self.say(f"splits {shard['ShardId']}")
        await asyncio.to_thread(
            self._client.split_shard,
            StreamName=self.kinesis.kinesis_stream,
            ShardToSplit=shard["ShardId"],
            NewStartingHashKey=str((low + high) // 2),
        )

    async def _merge(self, one: Any, other: Any) -> None:
        self.say(f"merges {one['ShardId']} and {other['ShardId']}")
        await asyncio.to_thread(
            self._client.merge_shards,
            StreamName=self.kinesis.kinesis_stream,
            ShardToMerge=one["ShardId"],
            AdjacentShardToMerge=other["ShardId"],
        )

    async def shards(self) -> list[Any]:
        """Every shard there is, as ListShards gives it."""
        name = self.kinesis.kinesis_stream
        answer = await asyncio.to_thread(self._client.list_shards, StreamName=name)
        assert "NextToken" not in answer
        return list(answer["Shards"])

    async def _active(self) -> None:
        name = self.kinesis.kinesis_stream
        while True:
            answer = await asyncio.to_thread(self._client.describe_stream_summary, StreamName=name)
            if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
                return
            await asyncio.sleep(0.05)


def is_open(shard: Any) -> bool:
    """Whether it still takes records."""
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def keys_of(shard: Any) -> tuple[int, int]:
    """Its first and its last hash key."""
    keys = shard["HashKeyRange"]
    return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])


def parents_of(shard: Any) -> tuple[str, ...]:
    """Return the parents of a shard."""
    named = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    return tuple(each for each in named if each)
