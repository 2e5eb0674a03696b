"""Closing checkpoints of complete recordings."""

from dataclasses import replace

from pipeline.recordings.beginnings import opened as begun
from schemas.records import BatchRange, RecorderCheckpoint, RecorderDecision
from tests.pipeline.recordings.logs import T0, opened


def closing_checkpoint(
    sid: str, *, offset: int = 5, closed_at: int = T0 + 1_000, last: int = 0, part: int = 0
) -> RecorderCheckpoint:
    """Return the closing checkpoint of a recording with batches 1 to `last`. `part`: of a
    supplement."""
    ranges = (BatchRange(1, last),) if last else ()
    return replace(
        begun(opened(sid), 0).checkpoint(),
        offset=offset, closed_at=closed_at, last_batch=last, batches=last, ranges=ranges,
        tracks=(), part=part,
    )  # fmt: skip


def decision(
    at: int, kind: str, *, task: str = "WT1", offset: int = 1, heard_at: int | None = None
) -> RecorderDecision:
    """Return a decision, `at` ms after T0, that the log has at once, or `heard_at` ms after T0."""
    heard = T0 + (at if heard_at is None else heard_at)
    return RecorderDecision(task, T0 + at, kind, f"because of {at}", offset, heard)
