"""How a recording begins: with the opening of its media stream; with a later record if that was
lost; or, as a supplement, with the first batch that arrived after the recording was complete."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.media.regular import STEP_MS
from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.assembler import TRACKS, UNKNOWN, Assembler
from pipeline.recordings.keys import inum, recording_id, recording_of
from pipeline.recordings.recording import Recording
from schemas.records import (
    DroppedTrack,
    MediaBatch,
    MediaDropped,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingStarted,
    Run,
)

FILES_GONE = "files-gone"
"""The reason of frames that were recorded and are lost now, because their files and records are
gone."""
FRAME_BYTES = STEP_MS * SAMPLES_PER_MS


def opened(record: MediaStreamOpened, offset: int) -> Assembler:
    """Return the recording of a media stream that a gateway opened."""
    r = record
    return _new(
        Recording(
            r.stream_sid,
            r.call_sid,
            r.task_sid,
            r.name,
            r.generation,
            r.gateway,
            r.epoch,
            r.at,
            offset,
        )
    )


def opened_by(record: MediaBatch | MediaDropped, offset: int) -> Assembler:
    """Return the recording of a media stream without an opening. It begins with this record; the
    caller still has to fold it in."""
    r = record
    return _new(
        Recording(r.stream_sid, r.call_sid, r.task_sid, None, 0, r.gateway, r.epoch, r.at, offset)
    )


def supplement(
    record: MediaBatch | MediaDropped, offset: int, of: Recording, last_batch: int
) -> Assembler:
    """Return a supplement that begins with this record; the caller still has to fold it in. `of`:
    the recording it belongs to. `last_batch`: the highest known batch number of its source."""
    r = record
    number = r.number if isinstance(r, MediaBatch) else r.first_number
    recording = Recording(
        *(r.stream_sid, r.call_sid, r.task_sid, of.name, of.generation),
        *(r.gateway, r.epoch, r.at - _lasts_ms(r), offset),
        part=number if isinstance(r, MediaBatch) else -number,
        supplement_of=of.supplement_of or inum(of),
        named_at=r.at,
    )
    begun = _new(recording).checkpoint()
    last = last_batch if last_batch < number else number - 1
    return Assembler(replace(begun, last_batch=last, origin=UNKNOWN))


@dataclass(frozen=True, slots=True)
class FirstKept:
    """The first record of a recording that is still on the log: the number of its (first) batch,
    and the first timestamp (ms) of each track that has frames in it."""

    number: int
    timestamps: Mapping[str, int]


def anew(checkpoint: RecorderCheckpoint, kept: FirstKept | None) -> RecorderCheckpoint:
    """Return the checkpoint with which to make the recording again from its first record, under the
    same INUM. Frames before `kept` (None: all so far) are lost, and count as lost.

    The recording does not count as silent before its last record so far.
    """
    c = checkpoint
    begun = _new(recording_of(c)).checkpoint()
    if c.part:
        last = c.ranges[0].first - 1 if c.ranges else c.last_batch
        begun = replace(begun, last_batch=last, origin=UNKNOWN)
    last_lost = c.last_batch if kept is None else kept.number - 1
    if last_lost > begun.last_batch:
        begun = _without(begun, c, last_lost, {} if kept is None else kept.timestamps)
    return replace(begun, offset=c.first_offset, heard_at=c.heard_at or c.last_at)


def frames_lost(checkpoint: RecorderCheckpoint, kept: FirstKept | None) -> int:
    """Return how many frames of both tracks are lost if the recording is made again."""
    begun = anew(checkpoint, kept)
    ends = {} if kept is None else kept.timestamps
    if not begun.dropped_batches:
        return 0
    runs = (_runs(checkpoint, track, ends.get(track.track)) for track in checkpoint.tracks)
    return sum(run.frames for of_track in runs for run in of_track)


def _without(
    begun: RecorderCheckpoint, known: RecorderCheckpoint, last_lost: int, ends: Mapping[str, int]
) -> RecorderCheckpoint:
    """Return `begun` with the batches up to `last_lost` dropped. Lost are the frames of `known`
    before `ends` (ms, by track; all frames of a track that is not in it)."""
    tracks = (DroppedTrack(t.track, _runs(known, t, ends.get(t.track))) for t in known.tracks)
    dropped = MediaDropped(
        *(begun.stream_sid, begun.call_sid, begun.task_sid, begun.gateway, begun.epoch),
        at=begun.started_at,
        reason=FILES_GONE,
        first_number=begun.last_batch + 1,
        last_number=last_lost,
        tracks=tuple(track for track in tracks if track.runs),
    )
    assembler = Assembler(begun)
    assembler.drop(dropped, begun.first_offset)
    return assembler.checkpoint()


def _runs(known: RecorderCheckpoint, track: RecorderTrack, end: int | None) -> tuple[Run, ...]:
    """Return the frames of a track that were received before `end`."""
    origin = max(0, known.origin)
    runs = []
    for each in track.seen:
        first, step = each.first + origin, each.step or STEP_MS
        count = each.count if end is None else min(each.count, -((first - end) // step))
        if count > 0:
            runs.append(Run(first, count, step, FRAME_BYTES))
    return tuple(runs)


def _new(recording: Recording) -> Assembler:
    r = recording
    return Assembler(
        RecorderCheckpoint(
            stream_sid=r.stream_sid,
            call_sid=r.call_sid,
            task_sid=r.task_sid,
            name=r.name,
            generation=r.generation,
            gateway=r.gateway,
            epoch=r.epoch,
            started_at=r.started_at,
            last_at=r.started_at,
            first_offset=r.first_offset,
            offset=r.first_offset + 1,
            closed_at=None,
            segments=0,
            batches=0,
            last_batch=0,
            missing_batches=0,
            repeated_batches=0,
            tracks=tuple(RecorderTrack(name, None, 0, 0, 0, 0, 0, False, ()) for name in TRACKS),
            pending=None,
            heard_at=0,
            by_task=r.by_task,
            part=r.part,
            supplement_of=r.supplement_of,
            named_at=r.named_at,
        )
    )


def _lasts_ms(record: MediaBatch | MediaDropped) -> int:
    """Return the time from the start of the record's first frame to the end of its last, in ms."""
    runs = [run for track in record.tracks for run in track.runs]
    if not runs:
        return 0
    ends = [
        run.timestamp + (run.frames - 1) * run.step + run.size // SAMPLES_PER_MS for run in runs
    ]
    return max(0, max(ends) - min(run.timestamp for run in runs))


def started(recording: Recording) -> RecordingStarted:
    """Return the announcement that the recording began."""
    r = recording
    return RecordingStarted(
        *(inum(r), r.stream_sid, r.call_sid, r.task_sid, r.generation, r.started_at),
        recording_id=recording_id(r),
        supplement_of=r.supplement_of,
    )
