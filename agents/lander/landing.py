"""Land the records of one partition: claim, write, and adopt the files of other landers."""

import asyncio

import structlog

from agents.lander.metrics import ADOPTED, FAILURES, FILE_BYTES, FILES, LANDED_RECORDS, UNDECODED
from pipeline.lake.agreement import FileVanished, agree
from pipeline.lake.columns import LakeTable
from pipeline.lake.layout import LANDED, PartitionRef
from pipeline.lake.parquet import Encoded, encoded
from pipeline.lake.partition import Closing, NextFile, Partition
from pipeline.runtime.settings import PREFIX, Settings, SettingsError
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import StoreError
from pipeline.store.lake import Lake, ReplacesObjects

log = structlog.get_logger(__name__)

REQUESTS = 8
"""The greatest number of concurrent requests to the lake."""
RETRY_S = 1.0


async def checked(lake: Lake, health: Health) -> None:
    """Return once the lake can be used; until then `health` shows why it cannot. Raise
    `SettingsError` if the store replaces objects that exist."""
    while True:
        try:
            await lake.check()
        except ReplacesObjects as error:
            raise SettingsError(f"{PREFIX}LAKE_URL: {error}") from error
        except StoreError as error:
            FAILURES.inc()
            health.bad("lake", str(error))
            await asyncio.sleep(RETRY_S)
        else:
            health.good("lake")
            return


class Landing:
    """Writes files to the lake, of several partitions at once."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self.moved = 0
        """Count of landed files; it shows progress."""
        self._lake = lake
        self._names = {settings.prefixed(topic.name): topic.name for topic in LANDED}
        self._tables = {
            (name := settings.prefixed(topic.name)): LakeTable(topic, name) for topic in LANDED
        }
        self._requests = asyncio.Semaphore(REQUESTS)
        self._encoding = asyncio.Lock()  # it needs a whole core, and memory

    @property
    def topics(self) -> dict[str, str]:
        """The topics' names without the prefix, by their names in Kafka."""
        return self._names

    async def opened(self, partition: PartitionRef, now: float) -> Partition:
        """Return a partition that continues at the end of its last file. Raise `StoreError`."""
        async with self._requests:
            start, claimed = await self._lake.next_start(partition)
        return Partition(start, claimed, now)

    async def land(self, ref: PartitionRef, partition: Partition, why: Closing) -> bool:
        """Land the partition's next file, or adopt it. Return whether the partition must be read
        from another position. Raise `StoreError`, `LogDiffers`, `ClaimedForAnotherDay`."""
        file = partition.next_file()
        made: list[Encoded] = []

        async def encode(file: NextFile) -> bytes:
            async with self._encoding:
                made.append(await asyncio.to_thread(encoded, self._tables[ref.topic], ref, file))
            return made[-1].data

        async with self._requests:
            try:
                agreed = await agree(self._lake, ref, file, encode)
            except FileVanished as error:
                raise StoreError(f"{error} was there and is gone") from error
        if agreed.is_ours:
            self._count(ref, file, made[-1], why)
        else:
            ADOPTED.inc()
            log.info("adopted a file", partition=str(ref), start=file.start, end=agreed.end)
        self.moved += 1
        return partition.landed(agreed.end, asyncio.get_running_loop().time())

    def _count(self, ref: PartitionRef, file: NextFile, made: Encoded, why: Closing) -> None:
        topic = self._names[ref.topic]
        FILES.labels(why.value).inc()
        FILE_BYTES.inc(len(made.data))
        LANDED_RECORDS.labels(topic).inc(len(file.records))
        if made.undecoded:
            UNDECODED.labels(topic).inc(made.undecoded)
            log.warning(
                "records without a known schema are in the lake as bytes, in _undecoded",
                partition=str(ref),
                start=file.start,
                end=file.end,
                records=made.undecoded,
            )
