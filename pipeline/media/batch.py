"""Divide a `MediaBatch` into its runs or frames, each with its bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.media.runs import frames_of
from schemas.records import MediaBatch, Run, TrackBatch


class MalformedBatch(ValueError):
    """The batch's runs do not describe its audio. The text gives the difference."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """One frame: the track it came on, its timestamp in ms of media time, its mu-law samples."""

    track: str
    timestamp: int
    payload: bytes


def source_key(task_sid: str, stream_sid: str, gateway: str, epoch: int) -> str:
    """Return the key of a source of batches: one media stream of a call, as received by one run of
    a gateway. Batches are numbered within a source."""
    return f"{task_sid} {stream_sid} {gateway} {epoch}"


def check(track: TrackBatch) -> None:
    """Raise `MalformedBatch` unless the runs are valid and add up to the audio's length."""
    check_runs(track.runs)
    described = sum(run.frames * run.size for run in track.runs)
    if described != len(track.audio):
        raise MalformedBatch(f"runs of {described} bytes, audio of {len(track.audio)}")


def check_runs(runs: Iterable[Run]) -> None:
    """Raise `MalformedBatch` unless the runs are valid."""
    for run in runs:
        stepless = run.step < 0 or (run.step == 0 and run.frames > 1)
        if run.timestamp < 0 or run.frames < 1 or run.size < 1 or stepless:
            raise MalformedBatch(f"impossible run {run}")


def run_audio(track: TrackBatch) -> Iterator[tuple[Run, bytes]]:
    """Yield each run with its bytes, in order of arrival. Raise `MalformedBatch` before any."""
    check(track)
    start = 0
    for run in track.runs:
        end = start + run.frames * run.size
        yield run, track.audio[start:end]
        start = end


def frames(batch: MediaBatch) -> Iterator[AudioFrame]:
    """Yield each frame with its bytes: track after track, in order of arrival within a track.

    Raise `MalformedBatch` at the first track that is not valid.
    """
    for track in batch.tracks:
        check(track)
        start = 0
        for timestamp, size in frames_of(track.runs):
            yield AudioFrame(track.track, timestamp, track.audio[start : start + size])
            start += size
