"""`flexcapture rebuild recordings`: make the same recordings again from `media`.

It reads the log without joining a group and writes only to a store of its own: no record, no
checkpoint, no commit. So it does not affect the live pipeline, and an interrupted run can simply be
repeated.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from agents.recorder.reading import effects_of
from agents.recorder.storage.files import keeping_of
from agents.recorder.storage.storage import Keeping
from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import (
    NEVER_OPENED,
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    SegmentCut,
)
from pipeline.recordings.keys import (
    SEGMENTS,
    draft_key,
    entries_key,
    recording_id,
    segment_key,
)
from pipeline.recordings.partition import PartitionFold
from pipeline.recordings.recording import Recording
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.log_reader import Log, Progress, Span
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from pipeline.store.files import PARTIAL
from schemas.codec import Undecodable, decode
from schemas.records import (
    GatewayAlive,
    MediaStreamOpened,
    RecordingCompleted,
    RecordingDecided,
    RecordingStarted,
)
from schemas.topics import CALL_PARTITIONS, MEDIA, STREAM_EVENTS

_COMPARED_BYTES = 4 * 1024 * 1024
_TIDIED_EVERY = 10_000
LONGEST_MS = 30 * 24 * 60 * 60 * 1000
"""How far back decisions are read: the retention of `stream.events`."""


class NothingToRead(RuntimeError):
    """There is no log to make recordings from. The text names the missing topic."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part of the log to read (log times in ms, `until` exclusive; None: no limit) and the call
    (None: all calls)."""

    since: int | None = None
    until: int | None = None
    task_sid: str | None = None


@dataclass(slots=True)
class RecordingsReport:
    """The result of a rebuild. The lists hold a line for each recording."""

    made: int = 0
    same: int = 0
    differences: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)


async def rebuild_recordings(
    settings: Settings,
    asked: Chosen,
    target: AudioStore,
    progress: Progress,
    compare: AudioStore | None = None,
) -> RecordingsReport:
    """Make the recordings that began and ended in that part of the log, in `target`. With
    `compare`, compare each with the recording in that store, and delete it from `target` again.

    Raise `NothingToRead`, `StoreError`, and aiokafka's errors if Kafka cannot be reached.
    """
    log, report = Log(settings, progress), RecordingsReport()
    await log.start()
    try:
        if not await log.has(MEDIA):
            raise NothingToRead(f"there is no topic {settings.prefixed(MEDIA.name)} in this Kafka")
        for number in _partitions(asked):
            span = await log.span(MEDIA, number, since=asked.since, until=asked.until)
            await _Partition(asked, target, compare, report, number, span.start).fold(log, span)
    finally:
        await log.stop()
        if target.files is not None:
            for each in (SEGMENTS, PARTIAL):
                with suppress(OSError):  # missing or not empty
                    (target.files.root / each).rmdir()
    return report


def _partitions(asked: Chosen) -> range:
    if asked.task_sid is None:
        return range(CALL_PARTITIONS)
    only = partition_of(asked.task_sid.encode(), CALL_PARTITIONS)
    return range(only, only + 1)


@dataclass(slots=True)
class _Partition:
    """The fold of one partition and the recordings made from it. `start`: the first offset read."""

    asked: Chosen
    target: AudioStore
    compare: AudioStore | None
    report: RecordingsReport
    number: int
    start: int
    _keeping: Keeping = field(init=False)
    _fold: PartitionFold = field(default_factory=PartitionFold)
    _regular: RegularReader = field(default_factory=RegularReader)
    _begun: dict[str, RecordingStarted] = field(default_factory=dict)
    _stored: dict[str, tuple[Recording, int]] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._keeping = keeping_of(self.target)

    async def fold(self, log: Log, span: Span) -> None:
        """Read the span and make the recordings that are complete in it."""
        decisions_known = not self.start
        async for message in self._of_interest(log, span):
            if not decisions_known:
                await self._know_decisions(log, message.timestamp)
                decisions_known = True
            for effect in effects_of(self._regular, self._fold, message):
                await self._carry_out(effect, message)
            if not message.offset % _TIDIED_EVERY:  # forget recordings that ended long ago
                self._fold.forget(message.offset, message.timestamp)
                await self._keeping.sync()
        for started in self._begun.values():
            await self._discard(started)
            self.report.running.append(_line(started))

    async def _of_interest(self, log: Log, span: Span) -> AsyncIterator[ConsumerRecord]:
        only = self.asked.task_sid and self.asked.task_sid.encode()
        async for message in log.read(span):
            if only and message.key not in (only, None):
                # Records of other calls only advance the time, which may end a recording.
                alive = GatewayAlive("", 0, message.timestamp)
                for effect in self._fold.handle(alive, message.offset, message.timestamp):
                    await self._carry_out(effect, message)
            else:
                yield message

    async def _carry_out(self, effect: Effect, message: ConsumerRecord) -> None:
        match effect:
            case RecordingBegan(started) if self._is_whole(started, message):
                self._begun[started.recording_id] = started
            case RecordingBegan(started):
                self._left_out.add(started.inum)
                self.report.left_out.append(_line(started))
            case Ignored() if effect == NEVER_OPENED and self.start:
                closed = decode(message.value)
                self.report.left_out.append(f"{closed.stream_sid} of task {closed.task_sid}")
            case SegmentCut(recording) if recording_id(recording) in self._begun:
                await self._keeping.store([effect])
                self._stored[recording_id(recording)] = recording, effect.segment.index + 1
            case RecordingEnded(recording) if self._begun.pop(recording_id(recording), None):
                self._stored.pop(recording_id(recording), None)
                await self._complete(effect)
            case _:
                pass  # refused, ignored, or part of a recording that is left out

    async def _know_decisions(self, log: Log, until: int) -> None:
        """Handle the decisions made before the first record that is read (`until`: its log time,
        ms). They are also on `stream.events`, which is smaller than `media` and kept for longer."""
        if not await log.has(STREAM_EVENTS):
            return
        since = until - LONGEST_MS
        span = await log.span(STREAM_EVENTS, self.number, since=since, until=until)
        async for message in log.read(span):
            try:
                record = decode(message.value)
            except Undecodable:
                continue
            if isinstance(record, RecordingDecided):
                self._fold.know(record)

    def _is_whole(self, started: RecordingStarted, message: ConsumerRecord) -> bool:
        """Return whether a recording that begins with this record is read from its beginning. If it
        begins with a batch, its opening was never on the log, or lies before the part that is
        read."""
        if not self.start:
            return True
        if started.supplement_of:
            return started.supplement_of not in self._left_out
        try:
            return isinstance(decode(message.value), MediaStreamOpened)
        except Undecodable:
            return False

    async def _complete(self, ended: RecordingEnded) -> None:
        done = await self._keeping.complete(ended, self.number)
        await self._keeping.drop(ended)
        self.report.made += 1
        if self.compare is not None:
            word = await _difference(self.target, self.compare, done)
            if word:
                self.report.differences.append(f"{done.inum} ({done.stream_sid}): {word}")
            else:
                self.report.same += 1
            await self.target.delete([done.audio, done.manifest])

    async def _discard(self, started: RecordingStarted) -> None:
        stored = self._stored.pop(started.recording_id, None)
        if stored is None:
            return
        recording, count = stored
        keys = [segment_key(recording, n) for n in range(count)]
        if self.target.files is not None:
            keys = [draft_key(recording), entries_key(recording)]
        await self.target.delete(keys)


async def _difference(made: AudioStore, kept: AudioStore, done: RecordingCompleted) -> str:
    """Return how the two recordings differ; empty if they do not."""
    for word, key in (("manifest", done.manifest), ("audio", done.audio)):
        try:
            size = await kept.size(key)
        except FileNotFoundError:
            return f"its {word} is missing in the recordings store"
        if size != await made.size(key):
            return f"its {word} differs in the recordings store"
        for start in range(0, size, _COMPARED_BYTES):
            parts = [await s.get_range(key, start, start + _COMPARED_BYTES) for s in (made, kept)]
            if parts[0] != parts[1]:
                return f"its {word} differs in the recordings store"
    return ""


def _line(started: RecordingStarted) -> str:
    return f"{started.stream_sid} of task {started.task_sid} ({started.inum})"
