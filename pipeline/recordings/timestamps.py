"""The limit of timestamps within a media stream."""

from pipeline.media.batch import MalformedBatch
from pipeline.media.regular import MOST_FRAMES, STEP_MS
from schemas.records import (
    Run,
)

MAX_TIMESTAMP_MS = 25 * 60 * 60 * 1000
"""No call lasts longer. A greater timestamp is invalid, and would mean hours of silence."""


LAST_REGULAR_MS = MAX_TIMESTAMP_MS - MOST_FRAMES * STEP_MS
"""A regular batch that begins no later has no timestamp above `MAX_TIMESTAMP_MS`."""


def check_timestamps(runs: tuple[Run, ...]) -> None:
    """Raise `MalformedBatch` if a frame is later than `MAX_TIMESTAMP_MS`."""
    for run in runs:
        if run.timestamp + (run.frames - 1) * run.step > MAX_TIMESTAMP_MS:
            raise MalformedBatch(f"a timestamp of more than 25 h in {run}")
