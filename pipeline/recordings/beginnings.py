"""How a recording begins: with the opening of its media stream, with a later record if that was
lost, or, as a supplement, with the first batch that arrived after the recording was complete."""

from dataclasses import replace

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.assembler import TRACKS, UNKNOWN, Assembler
from pipeline.recordings.names import inum, recording_id
from pipeline.recordings.recording import Recording
from schemas.records import (
    MediaBatch,
    MediaDropped,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingStarted,
)


def opened(record: MediaStreamOpened, offset: int) -> Assembler:
    """Return the recording of a media stream that a gateway took in."""
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
    """Return the recording of a media stream without an opening: it begins with this record, which
    is still to be folded in."""
    r = record
    return _new(
        Recording(r.stream_sid, r.call_sid, r.task_sid, None, 0, r.gateway, r.epoch, r.at, offset)
    )


def supplement(
    record: MediaBatch | MediaDropped, offset: int, of: Recording, last_batch: int
) -> Assembler:
    """Return a supplement that begins with this record, which is still to be folded in. `of`: the
    recording it belongs to; `last_batch`: the highest batch number that is known of its source."""
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
    """Return how long before the record's time its first frame was spoken."""
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
