"""Landers of one partition, step by step, on a log that changes and a store that fails."""

from collections.abc import AsyncIterator, Coroutine, Generator
from dataclasses import dataclass, field
from typing import cast

from pipeline.lake.agreement import ClaimedForAnotherDay, agree
from pipeline.lake.columns import LakeTable
from pipeline.lake.layout import PartitionRef
from pipeline.lake.parquet import encoded
from pipeline.lake.partition import NextFile, Partition
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.lake import Lake
from schemas.topics import RECORDINGS

DAY_MS = 86_400_000
REF = PartitionRef("recordings", 7)
TABLE = LakeTable(RECORDINGS, REF.topic)


class Turn:
    """A point at which others may work. It returns what the driver sends."""

    def __await__(self) -> Generator["Turn", int, int]:
        return (yield self)


@dataclass
class Record:
    """A record of the log."""

    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None


@dataclass
class SteppedStore:
    """An AudioStore in memory. Each effect has a turn before it and one before its answer."""

    objects: dict[str, bytes] = field(default_factory=dict)

    async def put_new(self, key: str, data: bytes) -> bool:
        """As `AudioStore.put_new`."""
        await Turn()
        is_new = key not in self.objects
        self.objects.setdefault(key, data)
        await Turn()
        return is_new

    async def put(self, key: str, data: bytes) -> None:
        """As `AudioStore.put`."""
        await Turn()
        self.objects[key] = data

    async def get(self, key: str) -> bytes:
        """As `AudioStore.get`."""
        await Turn()
        return self._found(key)

    async def size(self, key: str) -> int:
        """As `AudioStore.size`."""
        await Turn()
        return len(self._found(key))

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """As `AudioStore.get_range`."""
        await Turn()
        return self._found(key)[start:end]

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[str]:
        """As `AudioStore.list`."""
        await Turn()
        for key in [*self.objects]:
            if key.startswith(f"{prefix}/") and (after is None or key > after):
                yield key

    def _found(self, key: str) -> bytes:
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]


@dataclass
class World:
    """The log of a partition, the lake, and landers."""

    records: list[Record] = field(default_factory=list)
    end: int = 0
    store: SteppedStore = field(default_factory=SteppedStore)
    landers: dict[int, Coroutine[Turn, int, None]] = field(default_factory=dict)

    def append(self, day: int, gap: int = 0) -> None:
        """Add a record to the log, after `gap` offsets without one."""
        self.records.append(Record(self.end + gap, day * DAY_MS))
        self.end += gap + 1

    def step(self, name: int, number: int) -> None:
        """Let a lander work to its next turn; started if it does not run."""
        if name not in self.landers:
            self.landers[name] = self._land()
            self.landers[name].send(cast("int", None))
        self.landers[name].send(number)

    def fail(self, name: int) -> None:
        """Let the store refuse the lander's present request, or lose its answer."""
        if name in self.landers:
            self.landers[name].throw(StoreError("refused"))

    def kill(self, name: int) -> None:
        """End a lander at its present turn."""
        if name in self.landers:
            self.landers.pop(name).close()

    async def _land(self) -> None:
        lake = Lake(cast("AudioStore", self.store))
        while True:
            try:
                start, claimed = await lake.next_start(REF)
                await self._land_from(lake, Partition(start, claimed, 0))
            except (StoreError, ClaimedForAnotherDay):
                continue

    async def _land_from(self, lake: Lake, partition: Partition) -> None:
        while True:
            number = await Turn()
            rest = [each for each in self.records if each.offset >= partition.position]
            partition.add(rest[:number], 0)
            while len(partition):
                try:
                    agreed = await agree(lake, REF, partition.next_file(), _encode)
                except StoreError:
                    await Turn()
                else:
                    partition.landed(agreed.end, 0)


async def _encode(file: NextFile) -> bytes:
    await Turn()
    return encoded(TABLE, REF, file).data


def run_alone(world: World, steps: int = 400) -> None:
    """Let one more lander land all that is on the log."""
    for _ in range(steps):
        world.step(99, 1_000)
