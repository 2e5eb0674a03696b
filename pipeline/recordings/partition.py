"""All recordings of one partition of `media`, as a fold over its records.

What becomes of a media stream depends on its own records, and on the `GatewayStarted` of its
gateway, alone; the partition only knows which recordings are open, and which were closed lately, so
that what comes late is told from what begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.media.batch import MalformedBatch
from pipeline.recordings.assembler import Assembler, Batches, Recording, opened, opened_by_batch
from pipeline.recordings.names import inum
from pipeline.recordings.unheard import Unheard, unheard
from schemas.records import (
    GatewayStarted,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingSegment,
    RecordingStarted,
)

REMEMBERED_MS = 60 * 60 * 1000
"""How long after its end, by the log's clock, a media stream's late records are known as such."""

FAR_BEHIND = 50_000
"""Records after which a recording that hears nothing gets a new checkpoint all the same, so that
taking it up again never means reading more than these."""

GATEWAY_DIED = "gateway-died"


@dataclass(frozen=True, slots=True)
class RecordingBegan:
    """A recording began: to be told on `recordings`."""

    started: RecordingStarted


@dataclass(frozen=True, slots=True)
class SegmentCut:
    """A segment is complete. Store it; then `checkpoint` may be published, not before."""

    recording: Recording
    segment: RecordingSegment
    checkpoint: RecorderCheckpoint


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording is complete: `stored` segments are in the store, `tail` is the last one. Write
    audio and manifest, tell it, publish `checkpoint`: in this order; then drop the segments."""

    recording: Recording
    ended_at: int
    reason: str
    detail: str
    last_offset: int
    samples: int
    tracks: tuple[RecorderTrack, ...]
    batches: Batches
    reported: MediaStreamClosed | None
    stored: int
    tail: RecordingSegment
    checkpoint: RecorderCheckpoint
    unheard: Unheard | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The record is no part of any recording: a dead letter, with a fixed word and a sentence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The record changed nothing and nothing is lost by it."""

    reason: str


Effect = RecordingBegan | SegmentCut | RecordingEnded | Refused | Ignored


class PartitionFold:
    """The fold. It begins with the partition's checkpoints, and takes its records in order from
    `resume_offset` or any earlier one: what the checkpoints hold already is passed over."""

    def __init__(self, checkpoints: Iterable[RecorderCheckpoint] = ()) -> None:
        self._open: dict[str, Assembler] = {}
        self._closed: dict[str, RecorderCheckpoint] = {}
        self._dirty: dict[str, tuple[int, int]] = {}
        for checkpoint in checkpoints:
            if checkpoint.closed_at is None:
                self._open[checkpoint.stream_sid] = Assembler(checkpoint)
            else:
                self._closed[checkpoint.stream_sid] = checkpoint

    @property
    def open_streams(self) -> tuple[str, ...]:
        """The media streams whose recordings are open."""
        return tuple(self._open)

    def resume_offset(self, committed: int) -> int:
        """Where to read from, so that no recording misses a record. It is not simply `committed`:
        a recorder that had lost the partition may have put an older checkpoint over a newer one."""
        return min([committed, *(a.next_offset for a in self._open.values())])

    def handle(self, record: Any, offset: int, at: int) -> list[Effect]:
        """What the record at `offset` brings about; `at` is its Kafka timestamp, ms."""
        match record:
            case GatewayStarted():
                return self._gateway_started(record, offset, at)
            case MediaStreamOpened() | MediaBatch() | MediaStreamClosed():
                if self._is_in(record.stream_sid, offset):
                    return [Ignored("read before")]
                if self._is_late(record.stream_sid, at):
                    return [_late(record)]
                return self._of_stream(record, offset, at)
            case _:
                return [Refused("unexpected-record", f"a {type(record).__name__} on media")]

    def safe_offset(self, position: int) -> int:
        """The offset to commit when every effect up to `position` was carried out: records from
        there on are not all in a checkpoint."""
        return min([position, *(offset for offset, _ in self._dirty.values())])

    def snapshots(self, position: int, before: int | None = None) -> list[RecorderCheckpoint]:
        """Checkpoints, with pending audio, for everything below `position`, of the recordings whose
        oldest record that is in no checkpoint has a Kafka timestamp below `before` (None: of all
        that have one), and of those whose checkpoint is far behind. They count as published, and
        hold back neither a commit nor whoever takes the partition over."""
        due = {sid for sid, (_, at) in self._dirty.items() if before is None or at < before}
        due |= {s for s, a in self._open.items() if position - a.next_offset > FAR_BEHIND}
        for stream_sid in due:
            self._dirty.pop(stream_sid, None)
            self._open[stream_sid].next_offset = position
        return [self._open[stream_sid].checkpoint() for stream_sid in due]

    def forget(self, committed: int, at: int) -> list[str]:
        """The media streams that ended long before `at` and where nobody will read again; they are
        forgotten here, and their checkpoints are to be deleted."""
        passed = self.resume_offset(committed)
        gone = [
            sid
            for sid, closed in self._closed.items()
            if closed.offset <= passed and not self._is_late(sid, at)
        ]
        for stream_sid in gone:
            del self._closed[stream_sid]
        return gone

    def _is_in(self, stream_sid: str, offset: int) -> bool:
        assembler = self._open.get(stream_sid)
        if assembler is not None:
            return offset < assembler.next_offset
        closed = self._closed.get(stream_sid)
        return closed is not None and offset < closed.offset

    def _is_late(self, stream_sid: str, at: int) -> bool:
        closed = self._closed.get(stream_sid)
        if closed is None or closed.closed_at is None:
            return False
        return at <= closed.closed_at + REMEMBERED_MS

    def _of_stream(
        self, record: MediaStreamOpened | MediaBatch | MediaStreamClosed, offset: int, at: int
    ) -> list[Effect]:
        assembler = self._open.get(record.stream_sid)
        match record:
            case MediaStreamOpened() if assembler is not None:
                return [Ignored("opened twice")]
            case MediaStreamOpened():
                return [self._begin(opened(record, offset), offset, at)]
            case MediaStreamClosed() if assembler is None:
                return [Ignored("closed, never opened")]
            case MediaStreamClosed():
                assert assembler is not None
                return [self._end(assembler, offset, at, record)]
            case MediaBatch():
                return self._batch(record, assembler, offset, at)

    def _begin(self, assembler: Assembler, offset: int, at: int) -> RecordingBegan:
        recording = assembler.recording
        self._closed.pop(recording.stream_sid, None)
        self._open[recording.stream_sid] = assembler
        self._dirty[recording.stream_sid] = (offset, at)
        return RecordingBegan(
            RecordingStarted(
                inum(recording.stream_sid, recording.started_at),
                recording.stream_sid,
                recording.call_sid,
                recording.task_sid,
                recording.generation,
                recording.started_at,
            )
        )

    def _batch(
        self, batch: MediaBatch, known: Assembler | None, offset: int, at: int
    ) -> list[Effect]:
        assembler = known or opened_by_batch(batch, offset)
        try:
            segment = assembler.add(batch, offset)
        except MalformedBatch as error:
            return [Refused("malformed-batch", str(error))]
        effects: list[Effect] = [] if known else [self._begin(assembler, offset, at)]
        if segment is None:
            self._dirty.setdefault(batch.stream_sid, (offset, at))
        else:
            self._dirty.pop(batch.stream_sid, None)
            effects.append(SegmentCut(assembler.recording, segment, assembler.checkpoint()))
        return effects

    def _gateway_started(self, started: GatewayStarted, offset: int, at: int) -> list[Effect]:
        dead = [
            assembler
            for assembler in self._open.values()
            if assembler.recording.gateway == started.gateway
            and assembler.recording.epoch < started.epoch
            and offset >= assembler.next_offset
        ]
        return [self._end(a, offset, at, None, unheard(a, started.at)) for a in dead]

    def _end(
        self,
        assembler: Assembler,
        offset: int,
        at: int,
        closed: MediaStreamClosed | None,
        unheard: Unheard | None = None,
    ) -> RecordingEnded:
        recording = assembler.recording
        if closed is not None and not recording.generation:
            recording = replace(recording, generation=closed.generation, name=closed.name)
        stored, tail = assembler.segments, assembler.cut(offset)
        checkpoint = replace(
            assembler.checkpoint(),
            offset=offset + 1,
            closed_at=at,
            segments=stored,
            tracks=(),
            pending=None,
        )
        del self._open[recording.stream_sid]
        self._dirty.pop(recording.stream_sid, None)
        self._closed[recording.stream_sid] = checkpoint
        return RecordingEnded(
            recording=recording,
            ended_at=assembler.last_at if closed is None else closed.at,
            reason=GATEWAY_DIED if closed is None else closed.reason,
            detail="its gateway started again" if closed is None else closed.detail,
            last_offset=offset,
            samples=assembler.samples,
            tracks=assembler.tracks(),
            batches=assembler.batches,
            reported=closed,
            stored=stored,
            tail=tail,
            checkpoint=checkpoint,
            unheard=unheard,
        )


def _late(record: MediaStreamOpened | MediaBatch | MediaStreamClosed) -> Effect:
    if isinstance(record, MediaBatch):
        return Refused("late-media", f"media stream {record.stream_sid} was closed before")
    return Ignored("after the close")
