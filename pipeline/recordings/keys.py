"""Names of a recording, its files and its checkpoints."""

import hashlib
from datetime import UTC, datetime

from pipeline.recordings.recording import Recording
from schemas.records import RecorderCheckpoint, RecorderDecision

SEGMENTS = "segments"
"""The directory of the segments of recordings that are not complete."""


def inum(recording: Recording) -> str:
    """Return the INUM, 18 decimal digits: the second in which the recording began, and a hash
    modulo 10^8 of the stream SID or, for a supplement, of `stream_sid:batch number`."""
    text = recording.stream_sid
    if recording.part:
        text = f"{text}:{abs(recording.part)}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % 10**8
    return f"{_named_at(recording) // 1000:010d}{number:08d}"


def recording_id(recording: Recording) -> str:
    """Return the recording's unique name: the INUM and 64 bits of a hash.

    The INUM alone is not unique. Two media streams that begin in the same second share one with a
    probability of 10^-8; a stream SID that is used under two tasks in one second always does.
    """
    r = recording
    parts = [r.stream_sid]
    if r.by_task:
        parts = [r.task_sid, r.stream_sid, r.gateway, str(r.epoch), str(r.part)]
    more = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{inum(r)}-{more}"


def audio_key(recording: Recording) -> str:
    """Return the WAV's key in the recordings store: a directory for each day (UTC), and in it one
    for each recording."""
    return f"{_directory(recording)}/{inum(recording)}.wav"


def manifest_key(recording: Recording) -> str:
    """Return the manifest's key, beside the WAV's."""
    return f"{_directory(recording)}/{inum(recording)}.json"


def segment_key(recording: Recording, index: int) -> str:
    """Return a segment's key. All are in one directory, so that one listing finds leftovers."""
    return f"{SEGMENTS}/{recording_id(recording)}-{index:06d}"


def draft_key(recording: Recording) -> str:
    """Return the key of the growing WAV, in a store with files that can grow."""
    return f"{SEGMENTS}/{recording_id(recording)}-draft.wav"


def entries_key(recording: Recording) -> str:
    """Return the key of the manifest's entries so far, one segment per line."""
    return f"{SEGMENTS}/{recording_id(recording)}-entries.json"


def recording_of(checkpoint: RecorderCheckpoint) -> Recording:
    """Return the recording of a checkpoint."""
    c = checkpoint
    return Recording(
        *(c.stream_sid, c.call_sid, c.task_sid, c.name, c.generation),
        *(c.gateway, c.epoch, c.started_at, c.first_offset),
        *(c.part, c.supplement_of, c.by_task, c.named_at),
    )


def checkpoint_key(record: RecorderCheckpoint | RecorderDecision) -> bytes:
    """Return the key of a record on `recorder.checkpoints`."""
    if isinstance(record, RecorderDecision):
        return f"decision:{record.task_sid}:{record.at}:{record.decision}".encode()
    # Earlier versions used the stream SID. Their recordings keep that key until they end.
    return (recording_id(recording_of(record)) if record.by_task else record.stream_sid).encode()


def _directory(recording: Recording) -> str:
    day = datetime.fromtimestamp(_named_at(recording) / 1000, UTC)
    return f"{day:%Y/%m/%d}/{recording_id(recording)}"


def _named_at(recording: Recording) -> int:
    return recording.named_at or recording.started_at
