"""The manifest of a recording: a JSON object that accounts for every frame, segment by segment.

Documented in docs/recordings.md. Signature and masks will be further fields.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.effects import RecordingEnded
from pipeline.recordings.keys import audio_key, inum, manifest_key, recording_id
from pipeline.recordings.lost_ranges import START
from pipeline.recordings.trailing_loss import AtEnd, Missing
from pipeline.times import rfc3339
from schemas.records import (
    LeftOutRun,
    RecorderTrack,
    RecordingCompleted,
    RecordingSegment,
    SegmentTrack,
)

VERSION = 2
SILENCE_MS = 1_000
"""A shorter time between the last frame and the end of the media stream is not reported."""
END = b"]}\n"
"""The last bytes of the manifest."""


def completed(ended: RecordingEnded, audio_bytes: int, audio_sha256: str) -> RecordingCompleted:
    """Return the announcement of a recording with stored audio and manifest."""
    r, frames = ended.recording, _frames(ended)
    return RecordingCompleted(
        inum=inum(r),
        stream_sid=r.stream_sid,
        call_sid=r.call_sid,
        task_sid=r.task_sid,
        generation=r.generation,
        started_at=r.started_at,
        ended_at=ended.ended_at,
        duration_ms=ended.samples // SAMPLES_PER_MS,
        received=frames["received"],
        lost=frames["lost"],
        duplicate=frames["duplicate"],
        invalid=frames["invalid"],
        overlap=frames["overlap"],
        audio=audio_key(r),
        audio_bytes=audio_bytes,
        audio_sha256=audio_sha256,
        manifest=manifest_key(r),
        reason=ended.reason,
        recording_id=recording_id(r),
        supplement_of=r.supplement_of,
        lost_for=_added(_lost_for(ended)),
        lost_at_end=ended.at_end.frames if ended.at_end else 0,
        withheld=ended.withheld.total,
        withheld_ms=ended.withheld.ms,
        silent_ms=_silent_ms(ended),
        first_frame_at=ended.frames_at[0],
        last_frame_at=ended.frames_at[1],
    )


def completed_before(ended: RecordingEnded, manifest: Mapping[str, Any]) -> RecordingCompleted:
    """Return the announcement of a recording with a stored manifest, with the manifest's counts.
    They cannot be counted again: the segments, which show withheld frames, may be gone."""
    audio, frames, at_end = manifest["audio"], manifest["frames"], manifest["lost_at_end"]
    return replace(
        completed(ended, audio["bytes"], audio["sha256"]),
        duration_ms=audio["duration_ms"],
        received=frames["received"],
        lost=frames["lost"],
        lost_for=manifest["lost_for"],
        lost_at_end=at_end["frames"] if at_end else 0,
        withheld=frames["withheld"],
        withheld_ms=manifest["withheld_ms"],
        silent_ms=manifest.get("silent_at_end_ms", 0),
    )


def head(ended: RecordingEnded, partition: int, audio_bytes: int, audio_sha256: str) -> bytes:
    """Return the manifest up to its first segment. The entries of the segments (`entry`), separated
    by commas, and `END` follow."""
    r, batches, reported = ended.recording, ended.batches, ended.reported
    fields = {
        "version": VERSION,
        "inum": inum(r),
        "recording_id": recording_id(r),
        "supplement_of": r.supplement_of or None,
        "source": "stream",
        "stream_sid": r.stream_sid,
        "call_sid": r.call_sid,
        "task_sid": r.task_sid,
        "name": r.name,
        "generation": r.generation,
        "gateway": {"instance": r.gateway, "epoch": r.epoch},
        "started_at": rfc3339(r.started_at),
        "ended_at": rfc3339(ended.ended_at),
        "ended": {"reason": ended.reason, "detail": ended.detail},
        "audio": {
            "key": audio_key(r),
            "format": "wav, 8000 Hz, mu-law, left: inbound, right: outbound",
            "bytes": audio_bytes,
            "sha256": audio_sha256,
            "samples": ended.samples,
            "duration_ms": ended.samples // SAMPLES_PER_MS,
            "origin_ms": ended.origin,
        },
        "frames": _frames(ended) | {"withheld": ended.withheld.total},
        "lost_for": _added(_lost_for(ended)),
        "lost_at_end": ended.at_end and _at_end(ended, ended.at_end),
        "withheld": list(_withheld(ended)),
        "withheld_ms": ended.withheld.ms,
        "silent_at_end_ms": _silent_ms(ended),
        "tracks": _tracks(ended),
        "kafka": {
            "topic": "media",
            "partition": partition,
            "first_offset": r.first_offset,
            "last_offset": ended.last_offset,
        },
        "batches": {
            "received": batches.count,
            "highest": batches.last,
            "missing": batches.missing,
            "dropped": batches.dropped,
            "repeated": batches.repeated,
        },
        "gateway_reported": reported
        and {"batches": reported.batches, "frames": reported.frames, "invalid": reported.invalid},
    }
    return orjson.dumps(fields)[:-1] + b',"segments":['


def _silent_ms(ended: RecordingEnded) -> int:
    """Return how long the media stream was still open after the audio while Twilio sent nothing, in
    ms: 0 unless that is certain, and 0 if it is less than `SILENCE_MS`."""
    reported = ended.reported
    is_known = reported is not None and reported.unbroken and ended.samples > 0
    if not is_known or ended.at_end is not None or ended.withheld.total:
        return 0
    heard_until = ended.recording.started_at + ended.samples // SAMPLES_PER_MS
    silent = ended.ended_at - heard_until
    return silent if silent >= SILENCE_MS else 0


def _withheld(ended: RecordingEnded) -> Iterator[dict[str, Any]]:
    """Yield each span that must not be audible: its samples, its frames, and the decision."""
    for span, (inbound, outbound) in zip(ended.spans, ended.withheld.frames, strict=True):
        decision, end_at = span.period.decision, span.period.end_at
        yield {
            "at": span.first,
            "samples": span.last - span.first,
            "frames": {"inbound": inbound, "outbound": outbound},
            "from": rfc3339(span.period.begin_at),
            "until": None if end_at is None else rfc3339(end_at),
            "decision": {
                "at": rfc3339(decision.at),
                "decision": decision.decision,
                "reason": decision.reason,
            },
        }


def entry(segment: RecordingSegment) -> bytes:
    """Return the manifest's entry of a segment. `sha256` is the hash of its inbound samples as
    received, without silences, followed by its outbound samples."""
    digest = hashlib.sha256()
    for part in segment.tracks:
        digest.update(part.audio)
    fields = {
        "index": segment.index,
        "sha256": digest.hexdigest(),
        "kafka": {"first_offset": segment.first_offset, "last_offset": segment.last_offset},
        "batches": segment.batches,
        "tracks": {part.track: _part(part) for part in segment.tracks},
    }
    return orjson.dumps(fields)


def frame_counts(tracks: tuple[RecorderTrack, ...]) -> dict[str, int]:
    """Return the frame counts of all tracks together."""
    return {
        "received": sum(track.received for track in tracks),
        "lost": sum(track.lost for track in tracks),
        "duplicate": sum(track.duplicate for track in tracks),
        "overlap": sum(track.overlap for track in tracks),
        "invalid": sum(track.invalid for track in tracks),
    }


def _frames(ended: RecordingEnded) -> dict[str, int]:
    frames = frame_counts(ended.tracks)
    if ended.at_end is not None:
        frames["lost"] += ended.at_end.frames
    return frames


def _lost_for(ended: RecordingEnded) -> list[dict[str, int]]:
    """Return the frames that each track lost, by reason: in its holes, and at its end."""
    missing = ended.at_end.tracks if ended.at_end else [Missing(0, ()) for _ in ended.tracks]
    return [
        _added([track.lost_for, *({hole.reason: hole.lost} for hole in each.holes)])
        for track, each in zip(ended.tracks, missing, strict=True)
    ]


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return {reason: count for reason, count in sorted(total.items()) if count}


def _at_end(ended: RecordingEnded, at_end: AtEnd) -> dict[str, Any]:
    """Return the frames lost at the end. None of them is in the audio, except that the shorter
    track is filled up with silence."""
    pairs = zip(ended.tracks, at_end.tracks, strict=True)
    return {
        "frames": at_end.frames,
        "until_ms": at_end.until_ms,
        "reason": at_end.reason,
        "tracks": {track.track: list(_missing(each)) for track, each in pairs},
    }


def _missing(missing: Missing) -> Iterator[dict[str, Any]]:
    at = missing.at
    for hole in missing.holes:
        yield _lost(at, hole.samples, hole.lost, hole.reason)
        at += hole.samples


def _tracks(ended: RecordingEnded) -> dict[str, Any]:
    return {
        track.track: frame_counts((track,))
        | {"lost": sum(lost.values())}
        | {"samples": track.end or 0, "filled": ended.samples - (track.end or 0)}
        | {"lost_for": lost}
        for track, lost in zip(ended.tracks, _lost_for(ended), strict=True)
    }


def _part(part: SegmentTrack) -> dict[str, Any]:
    return {
        "start": part.start,
        "ranges": list(_ranges(part)),
        "left_out": [_left_out(run) for run in part.left_out],
        "invalid": part.invalid,
    }


def _ranges(part: SegmentTrack) -> Iterator[dict[str, Any]]:
    at = part.start
    for run in part.runs:
        if run.silence and run.reason == START:
            yield {"kind": "silence", "at": at, "samples": run.silence, "reason": START}
        elif run.silence:
            yield _lost(at, run.silence, run.lost, run.reason)
        at += run.silence
        if not run.frames:
            continue
        yield {
            "kind": "received",
            "at": at,
            "timestamp": run.timestamp,
            "frames": run.frames,
            "step": run.step,
            "size": run.size,
        }
        at += run.frames * run.size


def _lost(at: int, samples: int, frames: int, reason: str) -> dict[str, Any]:
    return {"kind": "lost", "at": at, "samples": samples, "frames": frames, "reason": reason}


def _left_out(run: LeftOutRun) -> dict[str, Any]:
    return {
        "kind": "duplicate" if run.duplicate else "overlap",
        "timestamp": run.timestamp,
        "frames": run.frames,
        "step": run.step,
        "size": run.size,
    }
