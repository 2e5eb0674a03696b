"""Find the media stream that a record belongs to, and decide when a media stream without records
has ended."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.media.batch import source_key
from pipeline.recordings.assembler import Assembler
from pipeline.recordings.complete_streams import has_batch, last_batch
from pipeline.recordings.recording import Recording
from pipeline.recordings.trailing_loss import Death
from schemas.records import (
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecorderDecision,
)

Audio = MediaBatch | MediaDropped
OfStream = MediaStreamOpened | Audio | MediaStreamClosed
"""The records of one media stream."""

SILENT_MS = 60 * 60 * 1000
"""A media stream without a record for this long (log time) has ended: its gateway died and did not
return under its name. The time is long because audio that a gateway spilled while Kafka was away
still belongs to its recording."""
SUPPLEMENT_SILENT_MS = 60_000
"""The same for a supplement. It is short because its audio arrives all at once."""

GATEWAY_DIED = "gateway-died"
GATEWAY_GONE = "gateway-gone"
SILENT = "silent"


def source_of(of: OfStream | Recording | RecorderCheckpoint) -> str:
    """Return the key of the source of batches: see `pipeline.media.batch.source_key`."""
    return source_key(of.task_sid, of.stream_sid, of.gateway, of.epoch)


def silence_limit(recording: Recording) -> int:
    """Return how long a recording may be without records before it ends, in ms."""
    return SUPPLEMENT_SILENT_MS if recording.part else SILENT_MS


def silence(assembler: Assembler, at: int) -> Death:
    """Return the end of a media stream that was silent for too long. `at`: log time in ms."""
    limit = silence_limit(assembler.recording)
    reason = SILENT if assembler.recording.part else GATEWAY_GONE
    return Death(reason, f"no record for {limit // 60_000} min", at, takes_frames=False)


def is_complete(record: Audio, complete: Sequence[RecorderCheckpoint]) -> bool:
    """Return whether complete recordings have the audio, or account for its loss."""
    if isinstance(record, MediaBatch):
        return has_batch(complete, record.gateway, record.epoch, record.number)
    return record.last_number <= last_batch(complete, record.gateway, record.epoch)


def closing(
    checkpoint: RecorderCheckpoint,
    offset: int,
    at: int,
    stored: int,
    decisions: Sequence[RecorderDecision],
) -> RecorderCheckpoint:
    """Return the closing checkpoint of a recording that ended with the record at `offset`."""
    return replace(
        checkpoint,
        decisions=tuple(decisions),
        offset=offset + 1,
        closed_at=at,
        segments=stored,
        tracks=(),
        pending=None,
        clock=(),
    )
