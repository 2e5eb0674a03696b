"""Recordings of several short segments, on each kind of store."""

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from agents.recorder import retry
from pipeline.recordings import assembler
from pipeline.store.audio import AudioStore


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 1_600)
    monkeypatch.setattr(retry, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(retry, "LONGEST_DELAY_S", 0.001)


@pytest.fixture(params=["objects", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AudioStore:
    """Each of the two kinds."""
    if request.param == "objects":
        return AudioStore(MemoryStore())
    return AudioStore.from_url(tmp_path.as_uri())
