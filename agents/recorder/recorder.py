"""Read the partitions of `media`, fold them into recordings, and commit."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.partition_lag import timestamps
from agents.rebalance_guard import RebalanceGuard
from agents.recorder.checkpoints import read_checkpoints
from agents.recorder.effects import Effects
from agents.recorder.held import HeldPartitions
from agents.recorder.lag import Lag, committed_offset
from agents.recorder.metrics import OPEN_RECORDINGS, RECORDS_READ
from agents.recorder.reading import PartitionInWork, media_consumer
from agents.recorder.retry import GivenUp
from agents.recorder.storage.storage import drop_left_overs
from agents.recorder.watch import RecorderWatch
from agents.recorder.work import Work
from agents.stuck_work import LIMITS, Limits, end_if_stuck
from pipeline.media.regular import RegularReader
from pipeline.recordings.memory import Checkpoint
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.partition_reading import ReadingOrder
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from schemas.records import RecorderCheckpoint
from schemas.topics import MEDIA

log = structlog.get_logger(__name__)

POLL_MS = 200
POLL_RECORDS = 2_000
COMMIT_EVERY_S = 1.0
COMMIT_TIMEOUT_S = 5.0
STALLED_MS = 30_000
"""If the records of a media stream wait this long, by the log's clock, for a segment to be cut, a
checkpoint takes them in, so that they no longer hold back the committed offset."""
HALF_WRITTEN_S = 24 * 60 * 60.0


class Recorder(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The recorder's loop: poll, fold, carry out the effects, commit."""

    def __init__(
        self,
        settings: Settings,
        store: AudioStore,
        effects: Effects,
        clock: LogClock,
        limits: Limits = LIMITS,
    ) -> None:
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._store = store
        self._effects = effects
        self._consumer = media_consumer(settings)
        self._partitions: dict[int, PartitionInWork] = {}
        self._checkpoints: dict[int, list[Checkpoint]] = {}
        self._known: set[int] = set()  # partitions with checkpoints read
        self._reading = ReadingOrder()
        self._arrivals = 0  # while checkpoints are read
        self._regular = RegularReader()
        topic = settings.prefixed(MEDIA.name)
        self._held = HeldPartitions(self._consumer, topic)
        self._lag = Lag()
        self._watch = RecorderWatch(
            self._consumer,
            self._lag,
            self._held,
            lambda: effects.retry.moved + self._arrivals,
            clock.now,
            timestamps=partial(timestamps, settings),
        )
        self._guard = RebalanceGuard()
        self._stopping = False
        self._committed_at = 0.0

    async def run(self, health: Health, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then hand over."""
        self._held.health = health
        self._consumer.subscribe([self._settings.prefixed(MEDIA.name)], listener=self)
        try:
            await until_answered(self._consumer.start, "joining the group", health)
            await self._effects.retry.persist(lambda: self._store.sweep(HALF_WRITTEN_S))
            health.good("starting")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._give_up_at(stop))
                watching = [
                    tasks.create_task(end_if_stuck(self._watch.look, health, self._limits)),
                    tasks.create_task(self._watch.measure_lag()),
                ]
                while not stop.is_set():
                    await self._round()
                async with self._guard.alone():
                    await self._hand_over()
                for task in watching:
                    task.cancel()
        finally:
            await self._consumer.stop()

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # always all partitions
    ) -> None:
        """Hand the partitions over: write checkpoints and commit."""
        self._guard.beginning()
        self._effects.retry.giving_up.set()  # a round that waits for the store gives up
        async with self._guard.between():
            await self._hand_over()
            self._let_go()
        if not self._stopping:
            self._effects.retry.giving_up.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Forget the old partitions. The next round starts from the checkpoints of the new ones."""
        async with self._guard.between(assigned=True):
            self._let_go()
        log.info("partitions assigned", partitions=sorted(tp.partition for tp in assigned))

    def _let_go(self) -> None:
        self._partitions.clear()
        self._held.clear()
        self._known.clear()
        self._reading.forget()
        self._lag.forget()
        self._effects.forget()

    async def _give_up_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._effects.retry.giving_up.set()

    async def _round(self) -> None:
        messages = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        async with self._guard.round() as is_current:
            if not is_current:
                return  # read before a rebalance: the partition's new owner reads it again
            try:
                with self._watch.working():
                    await self._handle(messages)
            except GivenUp:
                # The folded records were not carried out. A rebalance or the end follows.
                self._guard.beginning()
                self._let_go()
                log.warning("a round was given up; its records will be read again")

    async def _handle(self, messages: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        messages = {tp: m for tp, m in messages.items() if tp.partition not in self._held}
        # 1. Restore the known state. 2. Fold the records. 3. Make the results safe. 4. Only then
        #    commit.
        rewound = await self._restore(messages)
        await self._held.retry(asyncio.get_running_loop().time())
        work: list[Work] = []
        for tp, records in messages.items():
            if tp not in rewound:
                last = records[-1]
                self._lag.read(tp, records[0].offset, last.offset, last.timestamp)
                work += self._partitions[tp.partition].read(self._regular, records)
                RECORDS_READ.inc(len(records))
        await self._effects.carry_out(work)
        self._hold_late()
        for number, what in self._effects.broken().items():
            position = self._partitions.pop(number).position
            self._held.stall(number, what, asyncio.get_running_loop().time(), position)
            self._known.discard(number)
        OPEN_RECORDINGS.set(sum(len(p.fold.open_recordings) for p in self._partitions.values()))
        if asyncio.get_running_loop().time() - self._committed_at >= COMMIT_EVERY_S:
            await self._commit(STALLED_MS)
            self._hold_late()

    def _hold_late(self) -> None:
        """Hold the partitions for which Kafka is slow; resume those for which it no longer is."""
        late, ours = self._effects.late(), self._partitions.keys()
        for number in (late & ours) - self._held.held:
            why = "Kafka does not accept the recorder's records"
            self._held.hold(number, self._partitions[number].position, why)
        for number in (self._held.held & ours) - late:
            self._held.read_on(number)

    async def _restore(
        self, messages: Mapping[TopicPartition, Sequence[ConsumerRecord]]
    ) -> set[TopicPartition]:
        """Take up the partitions that these first records belong to. Return those that must be read
        again from an earlier offset."""
        await self._read_checkpoints()
        rewound: set[TopicPartition] = set()
        for tp, records in messages.items():
            if tp.partition in self._partitions:
                continue
            if tp.partition not in self._known:
                self._held.hold(
                    tp.partition, records[0].offset, "its checkpoints cannot be read yet"
                )
                rewound.add(tp)
                continue
            fold = PartitionFold(self._checkpoints.pop(tp.partition, ()))
            committed = await committed_offset(self._consumer, tp)
            first = records[0].offset
            start = fold.resume_offset(first if committed is None else min(committed, first))
            self._lag.begin(tp, start)
            if start < first:
                # If that offset has expired, Kafka returns the first record that is left.
                self._consumer.seek(tp, start)
                rewound.add(tp)
            self._partitions[tp.partition] = PartitionInWork(fold, start)
        return rewound

    async def _read_checkpoints(self) -> None:
        missing = [tp.partition for tp in self._consumer.assignment()]
        missing = [n for n in missing if n not in self._known and n not in self._held.stalled]
        loop = asyncio.get_running_loop()
        if not (due := self._reading.due(missing, loop.time())):
            return
        found = await read_checkpoints(self._settings, due, self._arrived)
        self._reading.read(due, found, loop.time())
        self._checkpoints |= found
        self._known |= found.keys()
        for number in found.keys() & self._held.held:
            self._held.read_on(number)
        checkpoints = [c for partition in found.values() for c in partition]
        recordings = [c for c in checkpoints if isinstance(c, RecorderCheckpoint)]
        await self._drop_left_overs([c for c in recordings if c.closed_at is not None])

    def _arrived(self) -> None:
        self._arrivals += 1

    async def _drop_left_overs(self, closed: list[RecorderCheckpoint]) -> None:
        try:
            if count := await drop_left_overs(self._store, closed):
                log.info("left-over segments deleted", count=count)
        except StoreError as error:
            log.warning("left-over segments not deleted", error=str(error))

    async def _hand_over(self) -> None:
        try:
            with self._watch.working():
                await self._commit(None)
        except (GivenUp, StoreError, KafkaError) as error:
            log.warning(
                "cannot hand over the partitions; records will be read again", error=repr(error)
            )

    async def _commit(self, stalled_ms: int | None) -> None:
        """Commit the safe offsets. `stalled_ms`: see `STALLED_MS`; None: first write checkpoints of
        everything."""
        self._committed_at = asyncio.get_running_loop().time()
        await self._effects.settle()
        due = {
            number: partition.fold.snapshots(
                partition.position,
                None if stalled_ms is None else partition.latest_at - stalled_ms,
            )
            for number, partition in self._partitions.items()
            if number not in self._effects.late()
        }
        await self._effects.publish_checkpoints(due)
        late = self._effects.late()
        offsets = {
            number: partition.fold.safe_offset(partition.position)
            for number, partition in self._partitions.items()
            if number not in late
        }
        changed = {n: o for n, o in offsets.items() if o != self._partitions[n].committed}
        if not changed:
            return
        media = self._settings.prefixed(MEDIA.name)
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                tps = {TopicPartition(media, number): o for number, o in changed.items()}
                await self._consumer.commit(tps)
        except (
            KafkaError,
            TimeoutError,
        ) as error:  # harmless: a rebalance has begun, or the broker does not answer
            log.warning("offsets not committed", error=repr(error))
            return
        gone: dict[int, Sequence[bytes]] = {}
        for number, offset in changed.items():
            partition = self._partitions[number]
            partition.committed = offset
            gone[number] = list(partition.fold.forget(offset, partition.latest_at))
            self._held.works(number, offset)
        await self._effects.delete_checkpoints(gone)
