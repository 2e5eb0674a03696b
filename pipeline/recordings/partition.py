"""All recordings of one partition of `media`, as a fold over its records.

The result for a media stream depends only on its own records, on the decisions on its call, and on
the `GatewayStarted` of its gateway. The partition knows which recordings are open and which are
complete. So late audio becomes a supplement, and repeated audio changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pipeline.media.batch import MalformedBatch
from pipeline.media.regular import RegularBatch
from pipeline.recordings.assembler import Assembler
from pipeline.recordings.beginnings import opened, opened_by, started, supplement
from pipeline.recordings.complete_streams import last_batch
from pipeline.recordings.decisions import periods
from pipeline.recordings.effects import (
    NEVER_OPENED,
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.keys import recording_of
from pipeline.recordings.memory import Checkpoint, Memory
from pipeline.recordings.received_at import frames_received_at
from pipeline.recordings.recording import Recording
from pipeline.recordings.sources import (
    GATEWAY_DIED,
    SUPPLEMENT_SILENT_MS,
    Audio,
    OfStream,
    closing,
    is_complete,
    silence,
    silence_limit,
    source_of,
)
from pipeline.recordings.trailing_loss import Death, at_end
from pipeline.recordings.withholding import spans_of
from pipeline.twilio.check_tasks import is_check_task
from schemas.records import (
    GatewayAlive,
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecordingDecided,
    RecordingSegment,
)

FAR_BEHIND = 50_000
"""After this many records, a recording that receives nothing gets a new checkpoint too: resuming it
never reads more records."""


class PartitionFold:
    """The fold. It begins with the partition's checkpoints and takes the records in order, from
    `resume_offset` or any earlier one. Records that the checkpoints contain are skipped."""

    def __init__(self, checkpoints: Iterable[Checkpoint] = ()) -> None:
        known = list(checkpoints)
        self._open: dict[str, Assembler] = {}
        for checkpoint in known:
            if isinstance(checkpoint, RecorderCheckpoint) and checkpoint.closed_at is None:
                self._open[source_of(checkpoint)] = Assembler(checkpoint)
        self._memory = Memory(known)
        self._dirty: dict[str, tuple[int, int]] = {}
        self._look_at = 0  # until this log time, no recording can reach its silence limit

    @property
    def open_recordings(self) -> tuple[Recording, ...]:
        """The recordings that are open."""
        return tuple(assembler.recording for assembler in self._open.values())

    def resume_offset(self, committed: int) -> int:
        """Return the offset to read from, so that no recording misses a record. It may be below
        `committed`: a recorder that had lost the partition may have overwritten a newer checkpoint
        with an older one."""
        return min([committed, *(a.next_offset for a in self._open.values())])

    def know(self, decided: RecordingDecided) -> None:
        """Add a decision from before the first record that is read."""
        self._memory.decisions.add(decided, -1, decided.at)
        self._memory.decisions.unsaved(None)

    def handle(self, record: Any, offset: int, at: int) -> list[Effect]:
        """Return the effects of the record at `offset`; `at` is its Kafka timestamp, ms."""
        if isinstance(record, OfStream) and is_check_task(record.task_sid):
            return [Ignored("a test call")]
        if at > self._look_at:
            own = source_of(record) if isinstance(record, OfStream) else ""
            return [*self._end_silent(own, offset, at), *self._handle(record, offset, at)]
        return self._handle(record, offset, at)

    def handle_regular(self, batch: RegularBatch, offset: int, at: int) -> list[Effect] | None:
        """Return the result of `handle` for the same batch, at a fraction of the cost. None:
        nothing was done; call `handle`."""
        assembler = self._open.get(batch.source)
        if assembler is None or offset < assembler.next_offset or at > self._look_at:
            return None
        if assembler.recording.part or not assembler.gather(batch, offset):
            return None
        assembler.heard_at = at
        if assembler.due:
            return [self._cut(assembler, assembler.cut(offset))]
        if batch.source not in self._dirty:
            self._dirty[batch.source] = (offset, at)
        return []

    def safe_offset(self, position: int) -> int:
        """Return the offset to commit once every effect up to `position` is carried out. Records
        from that offset on may not be in a checkpoint."""
        unsaved = self._memory.decisions.first_unsaved
        found = [position if unsaved is None else min(position, unsaved)]
        return min([*found, *(offset for offset, _ in self._dirty.values())])

    def snapshots(self, position: int, before: int | None = None) -> list[Checkpoint]:
        """Return the checkpoints to publish, with pending audio, for all records below `position`:
        of recordings with an oldest unsaved record (one that is in no checkpoint) of a Kafka
        timestamp below `before` (None: any), of recordings with a checkpoint that is far behind,
        and the unsaved decisions. They count as published: they no longer hold back the commit, or
        the next owner of the partition."""
        due = {source for source, (_, at) in self._dirty.items() if before is None or at < before}
        due |= {s for s, a in self._open.items() if position - a.next_offset > FAR_BEHIND}
        for source in due:
            self._dirty.pop(source, None)
            self._open[source].next_offset = position
        recordings = [self._open[source].checkpoint() for source in due]
        return [*recordings, *self._memory.decisions.unsaved(before)]

    def forget(self, committed: int, at: int) -> list[bytes]:
        """Forget what ended long before `at` (ms, log time) and is not read again. Return the keys
        of the checkpoints to delete."""
        return self._memory.forget(self.resume_offset(committed), at)

    def _handle(self, record: Any, offset: int, at: int) -> list[Effect]:
        match record:
            case MediaBatch() | MediaDropped():
                return self._audio(record, offset, at)
            case MediaStreamOpened():
                return self._opened(record, offset, at)
            case MediaStreamClosed():
                return self._closed(record, offset, at)
            case RecordingDecided():
                is_new = self._memory.decisions.add(record, offset, at)
                return [] if is_new else [Ignored("decided before")]
            case GatewayStarted():
                return self._gateway_started(record, offset, at)
            case GatewayAlive():
                return [Ignored("alive")]
            case _:
                return [Refused("unexpected-record", f"a {type(record).__name__} on media")]

    def _opened(self, record: MediaStreamOpened, offset: int, at: int) -> list[Effect]:
        if self._is_read(self._open.get(source_of(record)), offset):
            return [Ignored("read before")]
        if self._of_stream(record) or self._memory.complete_of(record):
            # If no recording has its first batch, that batch begins a supplement.
            return [Ignored("opened before")]
        return [self._begin(opened(record, offset), offset, at)]

    def _closed(self, record: MediaStreamClosed, offset: int, at: int) -> list[Effect]:
        assembler = self._open.get(source_of(record))
        if assembler is not None:
            if self._is_read(assembler, offset):
                return [Ignored("read before")]
            return [self._end(assembler, offset, at, record)]
        if self._memory.complete_of(record):
            return [Ignored("after the close")]
        return [NEVER_OPENED]

    def _audio(self, record: Audio, offset: int, at: int) -> list[Effect]:
        known = self._open.get(source_of(record))
        if self._is_read(known, offset):
            return [Ignored("read before")]
        complete: Sequence[RecorderCheckpoint] = ()
        if known is None or known.recording.part:
            complete = self._memory.complete_of(record)
            if is_complete(record, complete):
                return [Ignored("in a complete recording")]
        assembler = known or self._beginning(record, offset, complete)
        return self._folded(record, assembler, offset, at)

    def _beginning(
        self, record: Audio, offset: int, complete: Sequence[RecorderCheckpoint]
    ) -> Assembler:
        """Return the recording that begins with this record: a supplement if the media stream has a
        recording already."""
        others = [*map(recording_of, complete), *self._of_stream(record)]
        if not others:
            return opened_by(record, offset)
        main = next((each for each in others if not each.part), others[0])
        last = last_batch(complete, record.gateway, record.epoch)
        return supplement(record, offset, main, last)

    def _folded(self, record: Audio, assembler: Assembler, offset: int, at: int) -> list[Effect]:
        source, segment = source_of(record), None
        try:
            if isinstance(record, MediaBatch):
                segment = assembler.add(record, offset)
            elif not assembler.drop(record, offset):
                return [Ignored("dropped before")]
        except MalformedBatch as error:
            return [Refused("malformed-batch", str(error))]
        assembler.heard_at = at
        effects: list[Effect] = []
        if source not in self._open:
            effects.append(self._begin(assembler, offset, at))
        if segment is None:
            self._dirty.setdefault(source, (offset, at))
        else:
            effects.append(self._cut(assembler, segment))
        return effects

    def _begin(self, assembler: Assembler, offset: int, at: int) -> RecordingBegan:
        recording = assembler.recording
        source = source_of(recording)
        self._open[source] = assembler
        self._dirty[source] = (offset, at)
        assembler.heard_at = at
        self._look_at = min(self._look_at, at + silence_limit(recording))
        return RecordingBegan(started(recording))

    def _cut(self, assembler: Assembler, segment: RecordingSegment) -> SegmentCut:
        self._dirty.pop(source_of(assembler.recording), None)
        return SegmentCut(assembler.recording, segment, assembler.checkpoint())

    def _gateway_started(self, record: GatewayStarted, offset: int, at: int) -> list[Effect]:
        dead = [
            assembler
            for assembler in self._open.values()
            if assembler.recording.gateway == record.gateway
            and assembler.recording.epoch < record.epoch
            and not self._is_read(assembler, offset)
        ]
        death = Death(GATEWAY_DIED, "its gateway started again", record.at)
        return [self._end(a, offset, at, death) for a in dead]

    def _end_silent(self, own: str, offset: int, at: int) -> list[Effect]:
        """End recordings that were silent for too long, except that of the record's own source."""
        silent = [
            assembler
            for source, assembler in self._open.items()
            if at > assembler.heard_at + silence_limit(assembler.recording)
            and source != own
            and not self._is_read(assembler, offset)
        ]
        ended: list[Effect] = [self._end(a, offset, at, silence(a, at)) for a in silent]
        rest = [a.heard_at + silence_limit(a.recording) for a in self._open.values()]
        self._look_at = max(min(rest, default=at + SUPPLEMENT_SILENT_MS), at)
        return ended

    def _end(
        self, assembler: Assembler, offset: int, at: int, closed: MediaStreamClosed | Death
    ) -> RecordingEnded:
        recording = assembler.recording
        reported = closed if isinstance(closed, MediaStreamClosed) else None
        if reported and not recording.generation:
            recording = replace(recording, generation=reported.generation, name=reported.name)
        stored, tail = assembler.segments, assembler.cut(offset)
        decisions = self._memory.decisions_on(recording)
        checkpoint = closing(assembler.checkpoint(), offset, at, stored, decisions)
        source = source_of(recording)
        del self._open[source]
        self._dirty.pop(source, None)
        self._memory.complete.add(checkpoint)
        tracks, points = assembler.tracks(), assembler.received_at
        return RecordingEnded(
            recording=recording,
            ended_at=reported.at if reported else assembler.last_at,
            reason=closed.reason,
            detail=closed.detail,
            last_offset=offset,
            samples=assembler.samples,
            tracks=tracks,
            batches=assembler.batches.up_to(reported.batches if reported else 0),
            reported=reported,
            stored=stored,
            tail=tail,
            checkpoint=checkpoint,
            at_end=at_end(assembler, closed),
            origin=max(0, assembler.origin),
            spans=spans_of(periods(decisions), points, assembler.samples),
            frames_at=frames_received_at(tracks, points, recording.started_at),
        )

    def _of_stream(self, record: OfStream) -> list[Recording]:
        """Return the open recordings of the record's media stream."""
        mine = record.task_sid, record.stream_sid
        return [each for each in self.open_recordings if (each.task_sid, each.stream_sid) == mine]

    @staticmethod
    def _is_read(assembler: Assembler | None, offset: int) -> bool:
        return assembler is not None and offset < assembler.next_offset
