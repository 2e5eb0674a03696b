"""Carries out what the recorder's fold asks for: store, publish, wait until both are safe."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, assert_never

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Histogram

from agents.recorder_files import FileKeeping
from agents.recorder_storage import Keeping, ObjectKeeping
from agents.recorder_work import Work, in_turn, of_streams
from pipeline.dead_letters import dead_letter
from pipeline.recordings.effects import (
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.memory import Checkpoint
from pipeline.recordings.names import checkpoint_key, inum, recording_id
from pipeline.recordings.recording import Recording
from pipeline.recordings.weave import BrokenSegments
from pipeline.settings import Role, Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.telemetry import Health
from schemas.codec import encode
from schemas.records import RecorderCheckpoint, RecordingCompleted
from schemas.topics import DEAD_LETTERS, RECORDER_CHECKPOINTS, RECORDINGS, Topic

log = structlog.get_logger(__name__)

BEGAN = Counter("flexcapture_recorder_recordings_started_total", "Recordings begun")
COMPLETED = Counter(
    "flexcapture_recorder_recordings_completed_total", "Recordings completed", ["reason"]
)
FRAMES = Counter(
    "flexcapture_recorder_frames_total", "Frames of complete recordings, by outcome", ["outcome"]
)
LOST = Counter(
    "flexcapture_recorder_frames_lost_total", "Frames lost in complete recordings", ["reason"]
)
SUPPLEMENTS = Counter(
    "flexcapture_recorder_supplements_total",
    "Recordings of audio that arrived after its recording was complete",
)
SEGMENTS = Counter("flexcapture_recorder_segments_total", "Segments stored")
REFUSED = Counter("flexcapture_recorder_refused_total", "Records sent to dead letters", ["reason"])
IGNORED = Counter("flexcapture_recorder_ignored_total", "Records without effect", ["reason"])
FAILURES = Counter(
    "flexcapture_recorder_failures_total", "Attempts to store or publish that failed", ["where"]
)
FINISHING = Histogram(
    "flexcapture_recorder_finishing_seconds",
    "From the close of a media stream on the log to its recording stored and told",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300),
)

GONE = (FileNotFoundError, BrokenSegments)
"""What a store says where something of a recording in the making is not there any more."""

CONCURRENCY = 16
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
KAFKA_PATIENCE_S = 120.0

T = TypeVar("T")


class GivenUp(Exception):
    """The work was not carried out, because the process ends or loses its partitions."""


class Effects:
    """Carries out effects. Where the store or Kafka fails it tries again in place and turns the
    health bad; once `giving_up` is set it raises `GivenUp` instead. `now`: the log's clock, ms."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        store: AudioStore,
        producer: AIOKafkaProducer,
        now: Callable[[], int],
    ) -> None:
        self.giving_up = asyncio.Event()
        self._now = now
        self._settings = settings
        self._health = health
        self._producer = producer
        self._keeping: Keeping = (
            ObjectKeeping(store) if store.files is None else FileKeeping(store, store.files)
        )
        self._unsafe: dict[str, tuple[int, RecorderCheckpoint]] = {}
        self._failing: dict[str, int] = {"recordings-store": 0, "kafka": 0}
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._broken: dict[int, str] = {}

    async def carry_out(self, work: Iterable[Work]) -> None:
        """Returns when all is stored and acknowledged, but for segments: they are safe, and their
        checkpoints published, when `settle` returned; and but for recordings of which something is
        gone: `broken` tells. Raises `GivenUp`, or what cannot be repeated."""
        began, cuts, ended = in_turn(work)
        # 1. what began and what was refused, 2. segments, 3. what they are needed for.
        await self._each(self._carry_out_one, began)
        await self._each(self._store, self._grouped(cuts))
        await self._each(self._carry_out_one, ended)

    def broken(self) -> dict[int, str]:
        """The partitions on which something of a recording in the making is gone from the store,
        and what; told once. What was carried out there since the last `settle` does not count."""
        found, self._broken = self._broken, {}
        for sid in [sid for sid, (number, _) in self._unsafe.items() if number in found]:
            del self._unsafe[sid]
        return found

    async def settle(self) -> None:
        """Makes all segments safe that were carried out, then publishes the last checkpoint of
        each media stream. Raises as `carry_out` does, and `StoreError`: then nothing that was
        carried out since the last time counts, and its records must be read again."""
        await self._keeping.sync()  # 1. the audio, 2. the checkpoints that say it is safe
        due, self._unsafe = self._unsafe, {}
        await self._each(self._publish_checkpoint, due.values())

    def forget(self) -> None:
        """What was carried out and not settled is another's now, or will be done again."""
        self._unsafe = {}

    async def publish_checkpoints(self, partition: int, records: Sequence[Checkpoint]) -> None:
        """Returns when all are acknowledged."""
        await self._each(self._publish_checkpoint, [(partition, record) for record in records])

    async def delete_checkpoints(self, partition: int, keys: Iterable[bytes]) -> None:
        """Delete checkpoints by key; return when all is acknowledged."""
        for key in keys:
            await self._send(RECORDER_CHECKPOINTS, key, None, partition=partition)

    async def persist(self, action: Callable[[], Awaitable[T]]) -> T:
        """What `action` returns, tried again while the store or Kafka fails; see `Effects`."""
        delay, began, failing = FIRST_DELAY_S, time.monotonic(), ""
        try:
            while True:
                try:
                    return await action()
                except (StoreError, KafkaError) as error:
                    if (
                        isinstance(error, KafkaError)
                        and time.monotonic() - began > KAFKA_PATIENCE_S
                    ):
                        raise
                    failing = self._failed(error, failing)
                if await _is_set_within(self.giving_up, delay):
                    raise GivenUp
                delay = min(2 * delay, LONGEST_DELAY_S)
        finally:
            self._works_again(failing)

    async def _each(self, action: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
        """Beside each other, but not too many."""

        async def one(item: T) -> None:
            async with self._slots:
                await action(item)

        try:
            async with asyncio.TaskGroup() as tasks:
                for item in items:
                    tasks.create_task(one(item))
        except BaseExceptionGroup as group:
            if group.split(GivenUp)[1] is None:
                raise GivenUp from group
            raise

    def _grouped(self, cuts: Sequence[Work]) -> list[list[Work]]:
        """Segments that are stored one after the other."""
        if self._keeping.together:
            return [list(cuts)] if cuts else []
        return of_streams(cuts)

    def _note_broken(self, message: ConsumerRecord, recording: Recording, error: Exception) -> None:
        what = f"{inum(recording)} ({recording.stream_sid})"
        self._broken[message.partition] = f"{what}: {error}"
        log.error("a recording in the making is broken", recording=what, error=repr(error))

    async def _store(self, group: Sequence[Work]) -> None:
        cuts = [item.effect for item in group if isinstance(item.effect, SegmentCut)]
        try:
            await self.persist(lambda: self._keeping.store(cuts))
        except GONE as error:
            if len(own := of_streams(group)) == 1:
                self._note_broken(group[0].message, cuts[0].recording, error)
            else:  # which of them it is
                for each in own:
                    await self._store(each)
            return
        SEGMENTS.inc(len(cuts))
        for item, cut in zip(group, cuts, strict=True):
            name = recording_id(cut.recording)
            self._unsafe[name] = (item.message.partition, cut.checkpoint)

    async def _carry_out_one(self, work: Work) -> None:
        effect, message = work.effect, work.message
        match effect:
            case RecordingBegan(started):
                await self._send(RECORDINGS, started.task_sid.encode(), encode(started))
                BEGAN.inc()
            case SegmentCut():
                await self._store([work])
            case RecordingEnded():
                await self._finish(effect, message)
            case Refused(reason, detail):
                await self._send_dead_letter(reason, detail, message)
                REFUSED.labels(reason).inc()
            case Ignored(reason):
                IGNORED.labels(reason).inc()
            case _:
                assert_never(effect)

    async def _finish(self, ended: RecordingEnded, message: ConsumerRecord) -> None:
        # 1. audio and manifest, 2. that they are there, 3. that nothing is left to do, 4. the
        # segments: whoever is killed between two of these does the same again.
        try:
            done = await self.persist(lambda: self._keeping.complete(ended, message.partition))
        except GONE as error:
            self._note_broken(message, ended.recording, error)
            return
        self._unsafe.pop(recording_id(ended.recording), None)
        await self._send(RECORDINGS, done.task_sid.encode(), encode(done))
        await self._publish_checkpoint((message.partition, ended.checkpoint))
        try:
            await self._keeping.drop(ended)
        except StoreError as error:
            log.warning("segments are left over", inum=done.inum, error=str(error))
        _count(done)
        FINISHING.observe(max(0, self._now() - message.timestamp) / 1000)
        log.info("recording complete", inum=done.inum, reason=done.reason, lost=done.lost)

    async def _send_dead_letter(self, reason: str, detail: str, message: ConsumerRecord) -> None:
        # Audio never leaves `media`: the record stays there, and the dead letter says where.
        value, headers = dead_letter(
            reason=reason,
            detail=f"{detail} ({len(message.value or b'')} bytes, left on {message.topic})",
            role=Role.RECORDER,
            origin=message.topic,
            part=str(message.partition),
            position=str(message.offset),
            at=self._now(),
            key=message.key,
            original=b"",
        )
        await self._send(DEAD_LETTERS, message.key, value, headers=headers)
        log.warning("dead letter", reason=reason, detail=detail, offset=message.offset)

    async def _publish_checkpoint(self, due: tuple[int, Checkpoint]) -> None:
        partition, record = due
        key, value = checkpoint_key(record), encode(record)
        await self._send(RECORDER_CHECKPOINTS, key, value, partition=partition)

    async def _send(
        self, topic: Topic, key: bytes | None, value: bytes | None, **more: Any
    ) -> None:
        name = self._settings.prefixed(topic.name)
        await self.persist(lambda: self._producer.send_and_wait(name, value=value, key=key, **more))

    def _failed(self, error: StoreError | KafkaError, failing: str) -> str:
        where = "kafka" if isinstance(error, KafkaError) else "recordings-store"
        FAILURES.labels(where).inc()
        self._health.bad(where, f"cannot write: {error}")
        log.error("cannot write, trying again", where=where, error=str(error))
        if where != failing:
            self._works_again(failing)
            self._failing[where] += 1
        return where

    def _works_again(self, failing: str) -> None:
        if failing:
            self._failing[failing] -= 1
            if not self._failing[failing]:
                self._health.good(failing)


def _count(done: RecordingCompleted) -> None:
    COMPLETED.labels(done.reason).inc()
    for outcome in ("received", "lost", "duplicate", "overlap", "invalid", "withheld"):
        FRAMES.labels(outcome).inc(getattr(done, outcome))
    for reason, frames in done.lost_for.items():
        LOST.labels(reason).inc(frames)
    if done.supplement_of:
        SUPPLEMENTS.inc()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
