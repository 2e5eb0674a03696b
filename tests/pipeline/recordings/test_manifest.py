"""The manifest's figures."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline.recordings import assembler, manifest
from tests.pipeline.recordings.folded import FRAMES, fold_all, message
from tests.pipeline.recordings.logs import T0, batch_of, closed, opened


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


AUDIO_MS = 130


@pytest.mark.parametrize(
    ("changes", "silent_ms"),
    [
        ({"unbroken": True}, 9_000 - AUDIO_MS),
        ({"unbroken": True, "at": T0 + AUDIO_MS + 999}, 0),
        ({}, 0),
        ({"unbroken": True, "batches": 2}, 0),
    ],
)
def test_silence_after_the_last_frame(changes, silent_ms):
    """It is known if the end was announced with no number missing; not if a batch is missing."""
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES), replace(closed("MZ1"), **changes)]
    _, effects = fold_all(*(message(record, n) for n, record in enumerate(records)))
    made = manifest.completed(effects[-1], 0, "")
    assert (AUDIO_MS, silent_ms) == (made.duration_ms, made.silent_ms)


def test_a_recording_that_was_stored_before_is_announced_with_its_stored_counts():
    """Those of the manifest, whatever the fold still knows."""
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES), closed("MZ1")]
    _, effects = fold_all(*(message(record, n) for n, record in enumerate(records)))
    stored = {
        "audio": {"bytes": 11, "sha256": "ab", "duration_ms": 12},
        "frames": {"received": 13, "lost": 14, "withheld": 15},
        "lost_for": {"gateway-died": 14},
        "lost_at_end": {"frames": 16},
        "withheld_ms": 17,
    }
    made = manifest.completed_before(effects[-1], stored)
    assert (11, "ab", 12) == (made.audio_bytes, made.audio_sha256, made.duration_ms)
    assert (13, 14, 15, 17) == (made.received, made.lost, made.withheld, made.withheld_ms)
    assert ({"gateway-died": 14}, 16, 0) == (made.lost_for, made.lost_at_end, made.silent_ms)
    none_at_end = manifest.completed_before(effects[-1], stored | {"lost_at_end": None})
    assert 0 == none_at_end.lost_at_end
