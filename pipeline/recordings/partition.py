"""All recordings of one partition of `media`, as a fold over its records.

What becomes of a media stream depends on its own records, and on the `GatewayStarted` of its
gateway, alone; the partition only knows which recordings are open, and which were closed lately, so
that what comes late is told from what begins.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pipeline.media.batch import MalformedBatch
from pipeline.media.regular import RegularBatch
from pipeline.recordings.assembler import Assembler, opened, opened_by
from pipeline.recordings.at_end import Death, at_end
from pipeline.recordings.effects import (
    NEVER_OPENED,
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.names import inum
from schemas.records import (
    GatewayAlive,
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecordingSegment,
    RecordingStarted,
)

OfStream = MediaStreamOpened | MediaBatch | MediaDropped | MediaStreamClosed
"""What is said of one media stream."""

REMEMBERED_MS = 60 * 60 * 1000
"""How long after its end, by the log's clock, a media stream's late records are known as such."""

FAR_BEHIND = 50_000
"""Records after which a recording that hears nothing gets a new checkpoint all the same, so that
taking it up again never means reading more than these."""

SILENT_MS = 60 * 60 * 1000
"""A media stream of which nothing was heard for so long, by the log's clock, has ended: its gateway
died and did not come back under its name. Long, as what a gateway had to keep for itself while
Kafka was away still belongs to its recording."""

GATEWAY_DIED = "gateway-died"
GATEWAY_GONE = "gateway-gone"


class PartitionFold:
    """The fold. It begins with the partition's checkpoints, and takes its records in order from
    `resume_offset` or any earlier one: what the checkpoints hold already is passed over."""

    def __init__(self, checkpoints: Iterable[RecorderCheckpoint] = ()) -> None:
        self._open: dict[str, Assembler] = {}
        self._closed: dict[str, RecorderCheckpoint] = {}
        self._dirty: dict[str, tuple[int, int]] = {}
        self._look_at = 0  # before this, by the log's clock, no recording has been silent for long
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
        if at > self._look_at:
            own = getattr(record, "stream_sid", None)
            return [*self._end_silent(own, offset, at), *self._handle(record, offset, at)]
        return self._handle(record, offset, at)

    def _handle(self, record: Any, offset: int, at: int) -> list[Effect]:
        match record:
            case GatewayStarted():
                return self._gateway_started(record, offset, at)
            case GatewayAlive():
                return [Ignored("alive")]
            case MediaStreamOpened() | MediaBatch() | MediaDropped() | MediaStreamClosed():
                if self._is_in(record.stream_sid, offset):
                    return [Ignored("read before")]
                if self._is_late(record.stream_sid, at):
                    return [_late(record)]
                return self._of_stream(record, offset, at)
            case _:
                return [Refused("unexpected-record", f"a {type(record).__name__} on media")]

    def handle_regular(self, batch: RegularBatch, offset: int, at: int) -> list[Effect] | None:
        """What `handle` would say of the same batch, at a fraction of the cost; None: nothing was
        done, and `handle` is to be asked."""
        assembler = self._open.get(batch.stream_sid)
        if assembler is None or offset < assembler.next_offset or at > self._look_at:
            return None
        if not assembler.gather(batch, offset):
            return None
        assembler.heard_at = at
        if assembler.due:
            return [self._cut(assembler, assembler.cut(offset))]
        if batch.stream_sid not in self._dirty:
            self._dirty[batch.stream_sid] = (offset, at)
        return []

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

    def _of_stream(self, record: OfStream, offset: int, at: int) -> list[Effect]:
        assembler = self._open.get(record.stream_sid)
        match record:
            case MediaStreamOpened() if assembler is not None:
                return [Ignored("opened twice")]
            case MediaStreamOpened():
                return [self._begin(opened(record, offset), offset, at)]
            case MediaStreamClosed() if assembler is None:
                return [NEVER_OPENED]
            case MediaStreamClosed():
                assert assembler is not None
                return [self._end(assembler, offset, at, record)]
            case MediaBatch() | MediaDropped():
                return self._folded(record, assembler, offset, at)

    def _begin(self, assembler: Assembler, offset: int, at: int) -> RecordingBegan:
        recording = assembler.recording
        self._closed.pop(recording.stream_sid, None)
        self._open[recording.stream_sid] = assembler
        self._dirty[recording.stream_sid] = (offset, at)
        assembler.heard_at = at
        self._look_at = min(self._look_at, at + SILENT_MS)
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

    def _folded(
        self, record: MediaBatch | MediaDropped, known: Assembler | None, offset: int, at: int
    ) -> list[Effect]:
        assembler, segment = known or opened_by(record, offset), None
        try:
            if isinstance(record, MediaBatch):
                segment = assembler.add(record, offset)
            elif not assembler.drop(record, offset):
                return [Ignored("dropped before")]
        except MalformedBatch as error:
            return [Refused("malformed-batch", str(error))]
        assembler.heard_at = at
        effects: list[Effect] = [] if known else [self._begin(assembler, offset, at)]
        if segment is None:
            self._dirty.setdefault(record.stream_sid, (offset, at))
        else:
            effects.append(self._cut(assembler, segment))
        return effects

    def _cut(self, assembler: Assembler, segment: RecordingSegment) -> SegmentCut:
        self._dirty.pop(segment.stream_sid, None)
        return SegmentCut(assembler.recording, segment, assembler.checkpoint())

    def _gateway_started(self, started: GatewayStarted, offset: int, at: int) -> list[Effect]:
        dead = [
            assembler
            for assembler in self._open.values()
            if assembler.recording.gateway == started.gateway
            and assembler.recording.epoch < started.epoch
            and offset >= assembler.next_offset
        ]
        death = Death(GATEWAY_DIED, "its gateway started again", started.at)
        return [self._end(a, offset, at, death) for a in dead]

    def _end_silent(self, own: str | None, offset: int, at: int) -> list[Effect]:
        """Ends recordings that were silent for long, but for that of the record's own stream."""
        silent = [
            assembler
            for stream_sid, assembler in self._open.items()
            if at > assembler.heard_at + SILENT_MS
            and stream_sid != own
            and offset >= assembler.next_offset
        ]
        death = Death(GATEWAY_GONE, f"not heard of for {SILENT_MS // 60_000} min", at)
        ended: list[Effect] = [self._end(a, offset, at, death) for a in silent]
        rest = [a.heard_at for a in self._open.values()]
        self._look_at = max(min(rest, default=at) + SILENT_MS, at)
        return ended

    def _end(
        self,
        assembler: Assembler,
        offset: int,
        at: int,
        closed: MediaStreamClosed | Death,
    ) -> RecordingEnded:
        recording = assembler.recording
        reported = closed if isinstance(closed, MediaStreamClosed) else None
        if reported and not recording.generation:
            recording = replace(recording, generation=reported.generation, name=reported.name)
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
            ended_at=reported.at if reported else assembler.last_at,
            reason=closed.reason,
            detail=closed.detail,
            last_offset=offset,
            samples=assembler.samples,
            tracks=assembler.tracks(),
            batches=assembler.batches.up_to(reported.batches if reported else 0),
            reported=reported,
            stored=stored,
            tail=tail,
            checkpoint=checkpoint,
            at_end=at_end(assembler, closed),
        )


def _late(record: OfStream) -> Effect:
    if isinstance(record, MediaBatch | MediaDropped):
        return Refused("late-media", f"media stream {record.stream_sid} was closed before")
    return Ignored("after the close")
