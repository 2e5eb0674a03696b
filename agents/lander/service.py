"""The lander: writes topics to the lake, as Parquet files that contain each record exactly once.

Only the lake's files decide which records are landed (docs/decisions/0030). The offsets that it
commits only show its progress: after a kill, a rebalance or a pause it continues at the end of each
partition's last file.
"""

import asyncio
import gc
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.lander.landing import RETRY_S, Landing, checked
from agents.lander.metrics import FAILURES, LAG, READ, WAITING
from agents.lander.stalled import StalledPartitions
from agents.partition_lag import PartitionLag, read_and_ends
from agents.rebalance_guard import RebalanceGuard
from agents.stuck_work import LIMITS, end_if_stuck
from agents.stuck_work import Limits as StuckLimits
from pipeline.lake.agreement import ClaimedForAnotherDay
from pipeline.lake.layout import LANDED, PartitionRef
from pipeline.lake.partition import Closing, FileLimits, LogDiffers, Partition, to_read
from pipeline.runtime import kafka
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import StoreError
from pipeline.store.lake import Lake
from pipeline.store.startup import opened_store

log = structlog.get_logger(__name__)

POLL_MS = 200
POLL_RECORDS = 5_000
PARTITION_FETCH_BYTES = 512 * 1024
"""Limit (bytes) of one fetch of a partition. aiokafka keeps one fetch of each partition in
memory."""
STALLED_RETRY_S = 20.0
ANSWER_S = 5.0
LONG_ROUND_S = 5.0
"""A round that takes longer than this (s) waits for the lake or Kafka."""
STOP_S = 8.0
"""Limit (s) for landing the records in memory when the process ends. The rest is read again
later."""
HALF_WRITTEN_S = 24 * 60 * 60.0


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the lander until `stop` is set. Raise if it cannot continue."""
    gc.freeze()  # the objects so far live as long as the process
    url = settings.need("lake_url", "file:///directory or s3://bucket/prefix")
    store = await opened_store(url, health, "lake")
    lake = Lake(store)
    await checked(lake, health)
    await store.sweep(HALF_WRITTEN_S)
    async with using_kafka(settings, health, reads=LANDED, groups=[Role.LANDER]):
        if not stop.is_set():
            await Lander(settings, Landing(settings, lake), health).run(stop)


class Lander(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The lander's loop: poll, collect records, land files, commit."""

    def __init__(
        self,
        settings: Settings,
        landing: Landing,
        health: Health,
        stuck_limits: StuckLimits = LIMITS,
    ) -> None:
        self._landing = landing
        self._health = health
        # A lander writes nothing to Kafka, so it does not know Kafka's clock.
        self._lag = PartitionLag(settings, Role.LANDER, LANDED, machine_clock)
        self._limits = FileLimits(settings.lake_file_bytes, settings.lake_file_seconds)
        self._stuck_limits = stuck_limits
        self._consumer: AIOKafkaConsumer = kafka.consumer(
            settings,
            group_id=settings.prefixed(Role.LANDER),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        )
        self._partitions: dict[TopicPartition, Partition] = {}
        self._unopened: dict[TopicPartition, float] = {}  # with the time (s) of the next attempt
        self._stalled = StalledPartitions(health)
        self._landed: dict[TopicPartition, int] = {}  # not committed yet
        self._failed_until = 0.0
        self._guard = RebalanceGuard()
        self._rounds = 0
        self._working_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then land all records that were read."""
        self._consumer.subscribe(list(self._landing.topics), listener=self)
        try:
            await until_answered(self._consumer.start, "joining the group", self._health)
            self._health.good("starting")
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(
                    end_if_stuck(self._look, self._health, self._stuck_limits)
                )
                look = partial(read_and_ends, self._consumer)
                measuring = tasks.create_task(self._lag.measure(look))
                while not stop.is_set():
                    await self._round()
                async with self._guard.alone():
                    await self._hand_over()
                watching.cancel()
                measuring.cancel()
        finally:
            await self._consumer.stop()

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # always all partitions
    ) -> None:
        """Note that a rebalance has begun. Records that were read are kept: most partitions come
        back."""
        self._guard.beginning()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Continue with the partitions that are still ours, and take up the others."""
        async with self._guard.between(assigned=True):
            self._stalled.keep(assigned)
            self._landed = {tp: end for tp, end in self._landed.items() if tp in assigned}
            self._partitions = {tp: p for tp, p in self._partitions.items() if tp in assigned}
            self._unopened = dict.fromkeys(assigned - self._partitions.keys(), 0.0)
            for tp, partition in self._partitions.items():
                self._consumer.seek(tp, partition.position)
            self._consumer.pause(*self._unopened)
        log.info("partitions assigned", partitions=len(assigned))

    async def _round(self) -> None:
        messages = await self._poll()
        async with self._guard.round() as is_current:
            if not is_current:
                return  # the partitions were set back to before these records
            loop = asyncio.get_running_loop()
            self._working_since = loop.time()
            try:
                await self._open(loop.time())
                self._add(messages, loop.time())
                if loop.time() >= self._failed_until:
                    await self._land({tp: p.due(loop.time(), self._limits) for tp, p in self._all})
                await self._commit()
                self._rounds += 1
            finally:
                self._working_since = None
        self._export()

    async def _poll(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        sizes = {tp: partition.size for tp, partition in self._partitions.items()}
        chosen = to_read(sizes, [tp for tp, lag in self._lags() if lag > 1], self._limits)
        if chosen == []:
            await asyncio.sleep(POLL_MS / 1000)
            return {}
        found: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self._consumer.getmany(
            *(chosen or ()), timeout_ms=POLL_MS, max_records=POLL_RECORDS
        )
        return found

    @property
    def _all(self) -> list[tuple[TopicPartition, Partition]]:
        return list(self._partitions.items())

    def _lags(self) -> Iterable[tuple[TopicPartition, int]]:
        """Yield each partition with the number of offsets that are still to be read. The last of
        them may be the mark of a transaction, which is no record."""
        ours = self._consumer.assignment()
        for tp, partition in self._partitions.items():
            end = self._consumer.highwater(tp) if tp in ours else None
            yield tp, max(0, (end or 0) - partition.position)

    def _add(self, messages: Mapping[TopicPartition, Sequence[ConsumerRecord]], now: float) -> None:
        for tp, records in messages.items():
            # A partition that is not open is read again from its position once it is.
            if (partition := self._partitions.get(tp)) is not None:
                partition.add(records, now)
                READ.labels(self._landing.topics[tp.topic]).inc(len(records))

    async def _open(self, now: float) -> None:
        """Take up the partitions that are due: each continues at the end of its last file."""
        due = [tp for tp, at in self._unopened.items() if at <= now]
        if not due:
            return
        self._unopened |= dict.fromkeys(due, now + RETRY_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                ends = await kafka.end_offsets(self._consumer, due)
            refs = [PartitionRef(tp.topic, tp.partition) for tp in ends]
            opened = await asyncio.gather(*(self._landing.opened(ref, now) for ref in refs))
        except (KafkaError, TimeoutError) as error:
            log.warning("partitions cannot be read yet; trying again", error=repr(error))
            return
        except StoreError as error:
            self._failed(error)
            return
        if self._guard.is_rebalancing:  # another process may own the partitions by now
            return
        self._health.good("lake")
        for (tp, end), partition in zip(ends.items(), opened, strict=True):
            if partition.start > end:
                self._stall(tp, f"it ends at offset {end}, and {partition.start} are landed")
                continue
            self._stalled.remove(tp)
            del self._unopened[tp]
            self._partitions[tp] = partition
            self._consumer.seek(tp, partition.position)
            self._consumer.resume(tp)

    async def _land(self, due: Mapping[TopicPartition, Closing | None]) -> None:
        """Land the next files of the partitions, and those that are due after them."""
        work = [self._land_one(tp, why) for tp, why in due.items() if why is not None]
        done = await asyncio.gather(*work, return_exceptions=True)
        failed = [error for error in done if isinstance(error, BaseException)]
        for error in failed:
            if not isinstance(error, StoreError):
                raise error
            self._failed(error)
        if work and not failed:
            self._health.good("lake")

    async def _land_one(self, tp: TopicPartition, why: Closing) -> None:
        partition, ref = self._partitions[tp], PartitionRef(tp.topic, tp.partition)
        closing: Closing | None = why
        while closing is not None:
            try:
                has_moved = await self._landing.land(ref, partition, closing)
            except ClaimedForAnotherDay as error:
                log.warning("starting a file of the lake again", why=str(error))
                self._reopen(tp, 0.0)
                return
            except LogDiffers as error:
                self._stall(tp, str(error))
                return
            self._landed[tp] = partition.start
            if has_moved and not self._guard.is_rebalancing:
                self._consumer.seek(tp, partition.position)
            closing = partition.due(asyncio.get_running_loop().time(), self._limits)

    def _reopen(self, tp: TopicPartition, at: float) -> None:
        self._partitions.pop(tp, None)
        self._unopened[tp] = at
        if not self._guard.is_rebalancing:
            self._consumer.pause(tp)

    def _stall(self, tp: TopicPartition, what: str) -> None:
        self._reopen(tp, asyncio.get_running_loop().time() + STALLED_RETRY_S)
        self._stalled.add(tp, what)

    def _failed(self, error: StoreError) -> None:
        """Note that the lake failed. Nothing is lost: the files are tried again."""
        FAILURES.inc()
        self._failed_until = asyncio.get_running_loop().time() + RETRY_S
        self._health.bad("lake", str(error))
        log.warning("the lake cannot be used; trying again", error=str(error))

    async def _commit(self) -> None:
        if not self._landed or self._guard.is_rebalancing:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._consumer.commit(self._landed)
        except (KafkaError, TimeoutError) as error:  # harmless: they only show the progress
            log.info("offsets not committed", error=repr(error))
        self._landed = {}

    async def _hand_over(self) -> None:
        """Land all records that were read, at the end of the process."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._land({tp: Closing.STOP for tp, p in self._all if len(p)})
                await self._commit()
        except TimeoutError:
            log.warning("not all records were landed at the end; they will be read again")

    def _export(self) -> None:
        WAITING.set(sum(partition.size for partition in self._partitions.values()))
        LAG.set(sum(lag for _, lag in self._lags()))

    def _look(self) -> tuple[str, object]:
        """Return a description of work that may hang, and a value that changes with progress; see
        `end_if_stuck`."""
        since = self._working_since
        now = asyncio.get_running_loop().time()
        is_long = since is not None and now - since > LONG_ROUND_S
        return "reading or writing the lake" if is_long else "", (self._rounds, self._landing.moved)
