"""The output and the exit status of `flexcapture recordings restart`."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.recordings import command
from cli.recordings.restart import Broken, NoCheckpoints
from pipeline.recordings.beginnings import FirstKept
from pipeline.recordings.beginnings import opened as begun
from pipeline.runtime.settings import Settings
from pipeline.store.audio import StoreError
from tests.pipeline.recordings.logs import opened
from tests.pipeline.recordings.supplemented import batch


def checkpoint() -> Any:
    """Return the checkpoint of an unfinished recording with two batches."""
    fold = begun(opened("MZ1"), 3)
    fold.add(batch(1), 4)
    fold.add(batch(2), 5)
    return fold.checkpoint()


LOST = Broken(checkpoint(), None)
WHOLE = Broken(checkpoint(), FirstKept(1, {}))


class Found:
    """The recordings that lack files. `restarted`: those that are recorded again."""

    def __init__(self, patch: pytest.MonkeyPatch, *broken: Broken) -> None:
        self.broken = list(broken)
        self.error: Exception | None = None
        self.restarted: list[Broken] = []
        patch.setattr(command, "find_broken", self._find)
        patch.setattr(command, "restart", self._restart)

    async def _find(self, _: Settings, __: Any, partition: int) -> list[Broken]:
        assert 3 == partition
        if self.error is not None:
            raise self.error
        return self.broken

    async def _restart(self, _: Any, __: Any, ___: int, broken: list[Broken]) -> None:
        self.restarted += broken


def run(directory: Path, *, yes: bool = False) -> int:
    """Run the command on partition 3."""
    return command.run(Settings(), directory.as_uri(), 3, yes=yes)


def test_the_loss_is_shown_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 1 without `--yes`: the partition is still stopped."""
    found = Found(monkeypatch, LOST, WHOLE)
    assert 1 == run(tmp_path)
    out = capsys.readouterr().out
    assert f"{LOST.inum}  MZ1  WT1  began 20" in out
    assert "8 frames are lost" in out
    assert "nothing is lost" in out
    assert ("With --yes" in out, []) == (True, found.restarted)


def test_with_consent_they_are_recorded_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All of them."""
    found = Found(monkeypatch, LOST, WHOLE)
    assert 0 == run(tmp_path, yes=True)
    assert [LOST, WHOLE] == found.restarted
    assert "are being recorded again" in capsys.readouterr().out


def test_whole_recordings_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 0."""
    found = Found(monkeypatch)
    assert 0 == run(tmp_path, yes=True)
    assert "Nothing was done" in capsys.readouterr().out
    assert [] == found.restarted


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError("away"), StoreError("no answer"), NoCheckpoints("x"), TimeoutError()],
    ids=repr,
)
def test_errors_have_status_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
) -> None:
    """With their text."""
    Found(monkeypatch).error = error
    assert 1 == run(tmp_path, yes=True)
    assert (str(error) or "no answer in time") in capsys.readouterr().err
