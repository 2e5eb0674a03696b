"""A recording made from one of Twilio's: its INUM, keys, manifest and announcement. Pure.

The manifest is documented in docs/recovery.md.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.manifest import VERSION
from pipeline.recovery.alignment import AlignmentResult, Confidence
from pipeline.recovery.cutting import Cut
from pipeline.recovery.sides import CustomerChannel, DeterminedBy
from pipeline.recovery.sources import SourceRecording
from pipeline.recovery.wav_file import WavLayout
from pipeline.times import rfc3339
from schemas.records import RecordingCompleted
from schemas.states import RecordingSource

FRAME_SAMPLES = 160
RECOVERED = "recovered"
"""The reason in the `RecordingCompleted` of a recovered recording."""


@dataclass(frozen=True, slots=True)
class Download:
    """The file that Twilio delivered: its size and SHA-256 as delivered, and whether it was
    encrypted."""

    size: int
    sha256: str
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """A recording to store. `part`: 0, or the number of an earlier retrieval of the same recording;
    `started_at`: start of Twilio's whole recording, after the alignment (ms)."""

    task_sid: str
    source: SourceRecording
    part: int
    layout: WavLayout
    download: Download
    started_at: int
    comparison: AlignmentResult | None
    channel: CustomerChannel
    cut: Cut

    @property
    def begins_at(self) -> int:
        """The time of the first sample that is kept (ms)."""
        return self.started_at + self.cut.first // SAMPLES_PER_MS

    @property
    def duration_ms(self) -> int:
        """The length of the audio that is kept."""
        return self.cut.samples // SAMPLES_PER_MS


def confidence(recovered: Recovered) -> Confidence:
    """Return how well the start is known."""
    found = recovered.comparison
    return Confidence.LOW if found is None else found.confidence


def inum(source: SourceRecording, part: int) -> str:
    """Return the INUM, 18 decimal digits: the second in which Twilio's recording began, and a hash
    modulo 10^8 of its SID or, for a later part, of `SID:part`."""
    text = source.sid if part == 0 else f"{source.sid}:{part}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % 10**8
    return f"{source.started_at // 1000:010d}{number:08d}"


def recording_id(task_sid: str, source: SourceRecording, part: int) -> str:
    """Return the recording's unique name: the INUM and 64 bits of a hash."""
    text = "\n".join((task_sid, source.sid, str(part)))
    return f"{inum(source, part)}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def manifest_key(task_sid: str, source: SourceRecording, part: int) -> str:
    """Return the manifest's key in the recordings store."""
    return manifest_key_of(recording_id(task_sid, source, part))


def manifest_key_of(recording_id: str) -> str:
    """Return the key of the manifest of a recording with this unique name."""
    return f"{_directory(recording_id)}/{recording_id.partition('-')[0]}.json"


def audio_key(recovered: Recovered, sha256: str) -> str:
    """Return the WAV's key. It contains the beginning of the file's hash. If two retrievers do the
    same work, the one that writes the manifest first decides which audio counts."""
    r = recovered
    directory = _directory(recording_id(r.task_sid, r.source, r.part))
    return f"{directory}/{inum(r.source, r.part)}-{sha256[:16]}.wav"


def _directory(recording_id: str) -> str:
    """Return the directory of a recording. Its name begins with the second of the start."""
    day = datetime.fromtimestamp(int(recording_id[:10]), UTC)
    return f"{day:%Y/%m/%d}/{recording_id}"


def manifest(recovered: Recovered, audio_bytes: int, audio_sha256: str) -> bytes:
    """Return the manifest of a recording with stored audio."""
    r, kept = recovered, recovered.cut
    frames = _frames(r)
    fields = {
        "version": VERSION,
        "inum": inum(r.source, r.part),
        "recording_id": recording_id(r.task_sid, r.source, r.part),
        "supplement_of": None,
        "source": RecordingSource.TWILIO_RECORDING,
        "stream_sid": r.source.sid,
        "call_sid": r.source.call_sid or "",
        "task_sid": r.task_sid,
        "name": None,
        "generation": 0,
        "started_at": rfc3339(r.begins_at),
        "ended_at": rfc3339(r.begins_at + r.duration_ms),
        "ended": {"reason": RECOVERED, "detail": ""},
        "audio": {
            "key": audio_key(r, audio_sha256),
            "format": "wav, 8000 Hz, mu-law, left: inbound, right: outbound",
            "bytes": audio_bytes,
            "sha256": audio_sha256,
            "samples": kept.samples,
            "duration_ms": r.duration_ms,
            "origin_ms": kept.first // SAMPLES_PER_MS,
        },
        "frames": {
            "received": frames,
            **dict.fromkeys(("lost", "duplicate", "overlap", "invalid", "withheld"), 0),
        },
        "lost_for": {},
        "lost_at_end": None,
        "withheld": [
            {"at": first - kept.first, "samples": last - first} for first, last in kept.silenced
        ],
        "withheld_ms": kept.silenced_ms,
        "silent_at_end_ms": 0,
        "twilio": _twilio(r),
        "customer": {
            "channel": r.channel.number + 1,
            "determined_by": r.channel.determined_by,
            "mixed": r.channel.determined_by is DeterminedBy.MONO,
        },
        "alignment": _alignment(r),
        "segments": [],
    }
    return orjson.dumps(fields) + b"\n"


def _twilio(r: Recovered) -> dict[str, Any]:
    return {
        "recording_sid": r.source.sid,
        "conference_sid": r.source.conference_sid,
        "call_sid": r.source.call_sid,
        "part": r.part,
        "start_time": rfc3339(r.source.started_at),
        "duration_ms": r.source.duration_ms,
        "source": r.source.origin,
        "channels": r.layout.channels,
        "format": r.layout.format,
        "samples": r.layout.samples,
        "bytes": r.download.size,
        "sha256": r.download.sha256,
        "encrypted": r.download.encrypted,
    }


def _alignment(r: Recovered) -> dict[str, Any]:
    found = r.comparison
    return {
        "confidence": confidence(r),
        "shift_ms": r.started_at - r.source.started_at,
        "correlation": None if found is None else found.correlation,
        "compared_speech_ms": 0 if found is None else found.speech_ms,
    }


def _frames(r: Recovered) -> int:
    """Return the frames of 20 ms of both sides, counted as in other recordings."""
    per_side = -(-r.cut.samples // FRAME_SAMPLES)
    return per_side * (1 if r.channel.determined_by is DeterminedBy.MONO else 2)


def announcement(manifest: Mapping[str, Any], key: str) -> RecordingCompleted:
    """Return the announcement of a recording with this manifest, stored under `key`. Raise
    `KeyError` and `ValueError` for a manifest of another kind."""
    audio = manifest["audio"]
    started_at = _ms(manifest["started_at"])
    return RecordingCompleted(
        inum=manifest["inum"],
        stream_sid=manifest["stream_sid"],
        call_sid=manifest["call_sid"],
        task_sid=manifest["task_sid"],
        generation=0,
        started_at=started_at,
        ended_at=started_at + audio["duration_ms"],
        duration_ms=audio["duration_ms"],
        received=manifest["frames"]["received"],
        lost=0,
        duplicate=0,
        invalid=0,
        overlap=0,
        audio=audio["key"],
        audio_bytes=audio["bytes"],
        audio_sha256=audio["sha256"],
        manifest=key,
        reason=RECOVERED,
        recording_id=manifest["recording_id"],
        withheld_ms=manifest["withheld_ms"],
        source=manifest["source"],
    )


def _ms(text: str) -> int:
    whole = datetime.fromisoformat(text)
    return round(whole.timestamp() * 1000)
