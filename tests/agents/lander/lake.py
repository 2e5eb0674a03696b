"""A lake in memory that fails if a test says so, and records for it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka import TopicPartition

from agents.lander.landing import Landing
from pipeline.lake.layout import PartitionRef
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.lake import Lake
from schemas.codec import encode
from schemas.records import Tick

DAY_MS = 86_400_000
PREFIX = "p."
TP = TopicPartition("p.recordings", 7)
REF = PartitionRef(TP.topic, TP.partition)


@dataclass
class Store:
    """An `AudioStore` in memory. `is_away`: every request fails."""

    objects: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False
    replaces: bool = False

    async def put_new(self, key: str, data: bytes) -> bool:
        self._check()
        is_new = key not in self.objects or self.replaces
        if is_new:
            self.objects[key] = data
        return is_new

    async def put(self, key: str, data: bytes) -> None:
        self._check()
        self.objects[key] = data

    async def get(self, key: str) -> bytes:
        self._check()
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]

    async def size(self, key: str) -> int:
        return len(await self.get(key))

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        return (await self.get(key))[start:end]

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[str]:
        self._check()
        for key in [*self.objects]:
            if key.startswith(f"{prefix}/") and (after is None or key > after):
                yield key

    def files(self) -> Sequence[str]:
        """Return the keys of the files with records."""
        return sorted(key for key in self.objects if key.endswith(".parquet"))

    def _check(self) -> None:
        if self.is_away:
            raise StoreError("no answer")


@dataclass
class Record:
    """A record of the log."""

    offset: int
    timestamp: int = DAY_MS
    key: bytes | None = b"WT1"
    value: bytes | None = field(default_factory=lambda: encode(Tick(1)))


def lake_on(store: Store) -> Lake:
    """Return the lake in a store."""
    return Lake(cast("AudioStore", store))


def landing_on(store: Store, **settings: Any) -> Landing:
    """Return a writer of files to a store."""
    return Landing(Settings(topic_prefix=PREFIX, **settings), lake_on(store))
