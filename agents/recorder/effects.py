"""Carry out the effects that the recorder's fold requests: store, publish, and wait until both are
safe."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, assert_never

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaTimeoutError

from agents.recorder.late import LatePartitions
from agents.recorder.metrics import (
    BEGAN,
    FINISHING,
    IGNORED,
    REFUSED,
    SEGMENTS,
    count_completed,
)
from agents.recorder.retry import GivenUp, Retry
from agents.recorder.storage.files import keeping_of
from agents.recorder.work import Work, by_partition, in_turn, of_streams
from pipeline.dead_letters import dead_letter
from pipeline.recordings.effects import (
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.interleave import BrokenSegments
from pipeline.recordings.keys import checkpoint_key, inum, recording_id
from pipeline.recordings.memory import Checkpoint
from pipeline.recordings.recording import Recording
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from schemas.codec import encode
from schemas.records import RecorderCheckpoint
from schemas.topics import DEAD_LETTERS, RECORDER_CHECKPOINTS, RECORDINGS, Topic

log = structlog.get_logger(__name__)

GONE = (FileNotFoundError, BrokenSegments)
"""Errors of a store that lacks a part of an unfinished recording."""

CONCURRENCY = 16
T = TypeVar("T")


class Effects:
    """Carries out effects.

    If the store or Kafka fails, it retries as `retry` does. `now` is the log's clock (ms).

    A partition for which Kafka is slow is `late`: its current work continues in a task, and its
    later work waits. The other partitions are not delayed.
    """

    def __init__(
        self,
        settings: Settings,
        health: Health,
        store: AudioStore,
        producer: AIOKafkaProducer,
        now: Callable[[], int],
    ) -> None:
        self.retry = Retry(health)
        self._now = now
        self._settings = settings
        self._producer = producer
        self._keeping = keeping_of(store, self.retry.move)
        self._unsafe: dict[str, tuple[int, RecorderCheckpoint]] = {}
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._broken: dict[int, str] = {}
        self._late = LatePartitions()

    async def carry_out(self, work: Iterable[Work]) -> None:
        """Return when everything is stored and acknowledged, with three exceptions.

        - Segments are safe, and their checkpoints published, only after `settle`.
        - Recordings with missing parts are not stored: see `broken`.
        - The work of partitions that are `late` continues or waits.

        Raise `GivenUp`, and errors for which a retry does not help.
        """
        began, cuts, ended = in_turn([*self._late.take_back(), *work])
        # 1. Recordings that began, and refused records. 2. Segments. 3. Recordings that ended: they
        #    need their segments.
        await self._apart(self._carry_out_one, by_partition(began))
        cuts = self._late.leave(cuts)
        await self._each(self._store, self._grouped(cuts))
        await self._apart(self._carry_out_one, by_partition(self._late.leave(ended)))

    def late(self) -> frozenset[int]:
        """Return the partitions with unfinished work for which Kafka is slow."""
        return self._late.numbers()

    async def _apart(
        self, action: Callable[[T], Awaitable[None]], groups: Mapping[int, Sequence[T]]
    ) -> None:
        """Carry out an action for each partition separately."""
        await self._late.each(partial(self._each, action), groups)

    def broken(self) -> dict[int, str]:
        """Return, once, the partitions with an unfinished recording that lacks parts in the store,
        and a description. Their work since the last `settle` does not count."""
        found, self._broken = self._broken, {}
        for sid in [sid for sid, (number, _) in self._unsafe.items() if number in found]:
            del self._unsafe[sid]
        return found

    async def settle(self) -> None:
        """Make all segments safe that were carried out, then publish the last checkpoint of each
        media stream.

        Raise as `carry_out` does, and `StoreError`: then nothing carried out since the last
        `settle` counts, and its records must be read again.
        """
        await self._keeping.sync()  # first the audio, then the checkpoints that refer to it
        self.retry.move()
        due: defaultdict[int, list[Checkpoint]] = defaultdict(list)
        for name, (partition, checkpoint) in list(self._unsafe.items()):
            if partition not in self._late:
                del self._unsafe[name]
                due[partition].append(checkpoint)
        await self.publish_checkpoints(due)

    def forget(self) -> None:
        """Discard work that was carried out and not settled: another process owns it now, or it
        will be done again."""
        self._unsafe = {}
        self._late.forget()

    async def publish_checkpoints(self, due: Mapping[int, Sequence[Checkpoint]]) -> None:
        """Publish checkpoints, by partition. Return when all are acknowledged, late partitions
        aside."""
        groups = {n: [(n, record) for record in records] for n, records in due.items()}
        await self._apart(self._publish_checkpoint, groups)

    async def delete_checkpoints(self, gone: Mapping[int, Sequence[bytes]]) -> None:
        """Delete checkpoints by key, by partition. Return when all are acknowledged, late
        partitions aside."""

        async def delete(item: tuple[int, bytes]) -> None:
            await self._send(RECORDER_CHECKPOINTS, item[1], None, partition=item[0])

        groups = {n: [(n, key) for key in keys] for n, keys in gone.items() if n not in self._late}
        await self._apart(delete, groups)

    async def _each(self, action: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
        """Carry out an action for the items, at most `CONCURRENCY` at a time."""

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
        """Return the segments in groups; the segments of a group are stored one after another."""
        if self._keeping.together:
            return [list(cuts)] if cuts else []
        return of_streams(cuts)

    def _note_broken(self, message: ConsumerRecord, recording: Recording, error: Exception) -> None:
        what = f"{inum(recording)} ({recording.stream_sid})"
        self._broken[message.partition] = f"{what}: {error}"
        log.error("an unfinished recording lacks stored parts", recording=what, error=repr(error))

    async def _store(self, group: Sequence[Work]) -> None:
        cuts = [item.effect for item in group if isinstance(item.effect, SegmentCut)]
        try:
            await self.retry.persist(lambda: self._keeping.store(cuts))
        except GONE as error:
            if len(own := of_streams(group)) == 1:
                self._note_broken(group[0].message, cuts[0].recording, error)
            else:  # find out which one
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
        # 1. Store audio and manifest. 2. Publish the completion. 3. Publish the checkpoint of the
        #    end. 4. Delete the segments. A process that is killed between two steps does the same
        #    again.
        try:
            done = await self.retry.persist(
                lambda: self._keeping.complete(ended, message.partition)
            )
        except GONE as error:
            self._note_broken(message, ended.recording, error)
            return
        self._unsafe.pop(recording_id(ended.recording), None)
        await self._send(RECORDINGS, done.task_sid.encode(), encode(done))
        await self._publish_checkpoint((message.partition, ended.checkpoint))
        try:
            await self._keeping.drop(ended)
        except StoreError as error:
            log.warning("segments not deleted", inum=done.inum, error=str(error))
        count_completed(done)
        FINISHING.observe(max(0, self._now() - message.timestamp) / 1000)
        log.info("recording complete", inum=done.inum, reason=done.reason, lost=done.lost)

    async def _send_dead_letter(self, reason: str, detail: str, message: ConsumerRecord) -> None:
        # Audio never leaves `media`: the record stays there, and the dead letter gives its
        # position.
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
        await self.retry.persist(lambda: self._acknowledged(name, value=value, key=key, **more))

    async def _acknowledged(self, name: str, **record: Any) -> None:
        while True:
            with contextlib.suppress(KafkaTimeoutError):  # no room for that partition yet
                await self._producer.send_and_wait(name, **record)
                return
