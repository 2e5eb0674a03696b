"""The recorder: folds `media` into recordings, and carries out what the fold asks for.

It commits its offsets itself, and only what is safe: everything below a committed offset is in the
recordings store or in a checkpoint. What happens twice (after a kill, a rebalance, a replay) has
the same result twice; docs/decisions/0004 tells why.
"""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from agents.recorder_checkpoints import read_checkpoints
from agents.recorder_effects import Effects, GivenUp
from agents.recorder_lag import Lag, committed_offset
from agents.recorder_reading import effects_of
from agents.recorder_storage import drop_left_overs
from agents.recorder_work import Work
from pipeline import kafka
from pipeline.log_clock import LogClock, log_clock
from pipeline.media.regular import RegularReader
from pipeline.recordings.memory import Checkpoint
from pipeline.recordings.partition import PartitionFold
from pipeline.settings import Role, Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.telemetry import Health
from schemas.records import RecorderCheckpoint
from schemas.topics import DEAD_LETTERS, MEDIA, RECORDER_CHECKPOINTS, RECORDINGS

log = structlog.get_logger(__name__)

RECORDS = Counter("flexcapture_recorder_records_total", "Records read from media")
OPEN = Gauge("flexcapture_recorder_open_recordings", "Recordings that this process is assembling")

STALLED = Gauge(
    "flexcapture_recorder_stalled_partitions",
    "Partitions left where they are, as something of a recording in the making is gone",
)

POLL_MS = 200
MOST_FETCHED_BYTES = 16 * 1024 * 1024
"""What waits to be recorded, when there is much, is on the log and not in memory."""
POLL_RECORDS = 2_000
COMMIT_EVERY_S = 1.0
COMMIT_TIMEOUT_S = 5.0
STALLED_MS = 30_000
"""A media stream whose records wait that long, by the log's clock, for a segment to be cut is put
into a checkpoint as it is, and does not hold back the committed offset any longer."""
HALF_WRITTEN_S = 24 * 60 * 60.0
GARBAGE_AFTER = 20_000
"""New objects after which the collector looks for cycles. Batches wait by the hundred to become
segments, and are no garbage: looking more often costs a tenth of the time, and finds nothing."""


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Records until `stop` is set. Raises where it cannot go on."""
    gc.freeze()  # what is there by now stays
    gc.set_threshold(GARBAGE_AFTER)
    url = settings.need("recordings_url", "file:///directory or s3://bucket/prefix")
    store = AudioStore.from_url(url)
    async with log_clock(settings, health) as clock:
        await kafka.ensure_topics(settings, [MEDIA, RECORDINGS, RECORDER_CHECKPOINTS, DEAD_LETTERS])
        producer = kafka.producer(settings)
        await producer.start()
        try:
            await clock.settled(stop)
            if stop.is_set():
                return
            effects = Effects(settings, health, store, producer, clock.now)
            await Recorder(settings, store, effects, clock).run(health, stop)
        finally:
            await producer.stop()


@dataclass(slots=True)
class _Partition:
    """A partition that this process has: its fold, and how far it was read and committed."""

    fold: PartitionFold
    position: int
    latest_at: int = 0
    committed: int = -1


class Recorder(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The loop: poll, fold, carry out, commit. One lock keeps rebalances out of a round."""

    def __init__(
        self, settings: Settings, store: AudioStore, effects: Effects, clock: LogClock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._effects = effects
        self._consumer: AIOKafkaConsumer = kafka.consumer(
            settings,
            group_id=settings.prefixed(Role.RECORDER),
            # A store that refuses for hours is no reason to give the partitions to another
            # recorder, which has the same store: the alarm is the health check.
            max_poll_interval_ms=24 * 60 * 60 * 1000,
            # A round for each batch of each call costs several times what is in it: the broker
            # gathers, for 100 ms at most.
            fetch_min_bytes=kafka.GATHERED_BYTES,
            fetch_max_bytes=MOST_FETCHED_BYTES,
        )
        self._partitions: dict[int, _Partition] = {}
        self._checkpoints: dict[int, list[Checkpoint]] = {}
        self._checkpoints_read = False
        self._regular = RegularReader()
        self._stalled: set[int] = set()
        self._lag = Lag()
        self._health: Health | None = None
        self._lock = asyncio.Lock()
        self._rebalances = 0
        self._rebalancing = False
        self._stopping = False
        self._committed_at = 0.0

    async def run(self, health: Health, stop: asyncio.Event) -> None:
        """Works until `stop`, then hands over."""
        self._health = health
        self._consumer.subscribe([self._settings.prefixed(MEDIA.name)], listener=self)
        await self._consumer.start()
        try:
            await self._effects.persist(lambda: self._store.sweep(HALF_WRITTEN_S))
            health.good("starting")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._give_up_at(stop))
                while not stop.is_set():
                    await self._round()
            async with self._lock:
                await self._hand_over()
        finally:
            await self._consumer.stop()

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # all of them, always
    ) -> None:
        """The partitions go to others: leaves them all there is to know."""
        self._effects.giving_up.set()  # a round that waits for the store gives up
        async with self._lock:
            self._rebalances += 1
            self._rebalancing = True
            await self._hand_over()
            self._let_go()
        if not self._stopping:
            self._effects.giving_up.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """The next round begins with what their checkpoints say."""
        async with self._lock:
            self._rebalances += 1
            self._rebalancing = False
            self._let_go()
            self._checkpoints_read = False
        log.info("partitions assigned", partitions=sorted(tp.partition for tp in assigned))

    def _let_go(self) -> None:
        self._partitions.clear()
        for number in self._stalled:
            if self._health is not None:
                self._health.good(_stalled(number))
        self._stalled.clear()
        STALLED.set(0)
        self._lag.forget()
        self._effects.forget()

    async def _give_up_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._effects.giving_up.set()

    async def _round(self) -> None:
        messages = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        # Looked at now, not before: a rebalance during the call is waited for in it, and what it
        # then gives is new, and not given again.
        rebalances = self._rebalances
        async with self._lock:
            if self._rebalancing or rebalances != self._rebalances:
                return  # read before a rebalance: whoever has the partition now reads it again
            try:
                await self._handle(messages)
            except GivenUp:
                # What was folded was not carried out. A rebalance or the end follows.
                self._rebalancing = True
                self._let_go()
                log.warning("a round was given up; its records will be read again")

    async def _handle(self, messages: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        messages = {tp: m for tp, m in messages.items() if tp.partition not in self._stalled}
        # 1. what was known, 2. what the records change, 3. made safe, 4. only then committed.
        rewound = await self._restore(messages)
        work: list[Work] = []
        for tp, records in messages.items():
            if tp not in rewound:
                last = records[-1]
                self._lag.read(tp, records[0].offset, last.offset, last.timestamp)
                work += self._fold(self._partitions[tp.partition], records)
        await self._effects.carry_out(work)
        for number, what in self._effects.broken().items():
            self._stall(number, what)
        OPEN.set(sum(len(p.fold.open_recordings) for p in self._partitions.values()))
        if asyncio.get_running_loop().time() - self._committed_at >= COMMIT_EVERY_S:
            await self._commit(STALLED_MS)
            topic = self._settings.prefixed(MEDIA.name)
            self._lag.export(self._consumer, topic, self._clock.now())

    def _stall(self, number: int, what: str) -> None:
        """Leaves a partition where it is: something is gone that only an operator can bring back.
        The others go on. Whoever has it next, after a rebalance or a start, tries it again."""
        self._stalled.add(number)
        STALLED.set(len(self._stalled))
        del self._partitions[number]
        self._consumer.pause(TopicPartition(self._settings.prefixed(MEDIA.name), number))
        if self._health is not None:
            self._health.bad(_stalled(number), f"stopped, nothing is dropped: {what}")

    def _fold(self, partition: _Partition, records: Sequence[ConsumerRecord]) -> list[Work]:
        work: list[Work] = []
        for message in records:
            if effects := effects_of(self._regular, partition.fold, message):
                work += [Work(effect, message) for effect in effects]
            partition.latest_at = max(partition.latest_at, message.timestamp)
        partition.position = records[-1].offset + 1
        RECORDS.inc(len(records))
        return work

    async def _restore(
        self, messages: Mapping[TopicPartition, Sequence[ConsumerRecord]]
    ) -> set[TopicPartition]:
        """Takes up the partitions whose first records these are; returns those of them that must be
        read again from earlier on."""
        await self._read_checkpoints()
        rewound: set[TopicPartition] = set()
        for tp, records in messages.items():
            if tp.partition in self._partitions:
                continue
            fold = PartitionFold(self._checkpoints.pop(tp.partition, ()))
            committed = await committed_offset(self._consumer, tp)
            first = records[0].offset
            start = fold.resume_offset(first if committed is None else min(committed, first))
            self._lag.begin(tp, start)
            if start < first:
                # If that has expired, Kafka gives the first record that there still is.
                self._consumer.seek(tp, start)
                rewound.add(tp)
            self._partitions[tp.partition] = _Partition(fold, start)
        return rewound

    async def _read_checkpoints(self) -> None:
        if self._checkpoints_read:
            return
        numbers = [tp.partition for tp in self._consumer.assignment()]
        self._checkpoints = await read_checkpoints(self._settings, numbers)
        self._checkpoints_read = True
        found = [c for partition in self._checkpoints.values() for c in partition]
        recordings = [c for c in found if isinstance(c, RecorderCheckpoint)]
        await self._drop_left_overs([c for c in recordings if c.closed_at is not None])

    async def _drop_left_overs(self, closed: list[RecorderCheckpoint]) -> None:
        try:
            if count := await drop_left_overs(self._store, closed):
                log.info("left-over segments deleted", count=count)
        except StoreError as error:
            log.warning("left-over segments stay", error=str(error))

    async def _hand_over(self) -> None:
        try:
            await self._commit(None)
        except (GivenUp, StoreError, KafkaError) as error:
            log.warning("could not hand over; records will be read again", error=repr(error))

    async def _commit(self, stalled_ms: int | None) -> None:
        """Commits what is safe. `stalled_ms` None: checkpoints everything first."""
        self._committed_at = asyncio.get_running_loop().time()
        await self._effects.settle()
        offsets: dict[int, int] = {}
        for number, partition in self._partitions.items():
            before = None if stalled_ms is None else partition.latest_at - stalled_ms
            due = partition.fold.snapshots(partition.position, before)
            await self._effects.publish_checkpoints(number, due)
            offsets[number] = partition.fold.safe_offset(partition.position)
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
        ) as error:  # a rebalance has begun, or the broker is away: harmless
            log.warning("offsets not committed", error=repr(error))
            return
        for number, offset in changed.items():
            partition = self._partitions[number]
            partition.committed = offset
            gone = partition.fold.forget(offset, partition.latest_at)
            await self._effects.delete_checkpoints(number, gone)


def _stalled(number: int) -> str:
    """What the health check calls it."""
    return f"partition-{number}"
