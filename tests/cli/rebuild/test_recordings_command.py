"""The output and the exit status of `flexcapture rebuild recordings`."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.rebuild import recordings_command
from cli.rebuild.recordings import Chosen, NothingToRead, RecordingsReport
from cli.rebuild.recordings_command import rebuild, summary
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore

BAD = RecordingsReport(made=4, same=3, differences=["1"], left_out=["2"], running=["3", "4"])


class Rebuilding:
    """Has this result. `stores`: the directories of target and comparison, and whether the first
    one existed."""

    def __init__(self, patch: pytest.MonkeyPatch, result: RecordingsReport | Exception) -> None:
        self.stores: list[tuple[Path, bool, Path | None]] = []
        self._result = result
        patch.setattr(recordings_command, "rebuild_recordings", self._rebuild)

    async def _rebuild(
        self, _: Any, __: Any, target: AudioStore, ___: Any, kept: AudioStore | None = None
    ) -> RecordingsReport:
        if isinstance(self._result, Exception):
            raise self._result
        assert target.files is not None
        root = target.files.root
        own = None if kept is None or kept.files is None else kept.files.root
        self.stores.append((root, root.exists(), own))
        return self._result


def test_a_comparison_is_made_in_a_place_that_is_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The recordings store is only read."""
    rebuilding = Rebuilding(monkeypatch, RecordingsReport(made=1, same=1))
    assert 0 == rebuild(Settings(), Chosen(), None, tmp_path.as_uri())
    [(made, existed, kept)] = rebuilding.stores
    assert (True, False, tmp_path) == (existed, made.exists(), kept)


def test_recordings_are_made_in_the_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is compared then."""
    rebuilding = Rebuilding(monkeypatch, RecordingsReport(made=1))
    assert 0 == rebuild(Settings(), Chosen(), (tmp_path / "x").as_uri(), "file:///own")
    [(made, _, kept)] = rebuilding.stores
    assert (tmp_path / "x", None) == (made, kept)


def test_differences_have_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All lists are printed, then the summary."""
    Rebuilding(monkeypatch, BAD)
    assert 1 == rebuild(Settings(), Chosen(), None, tmp_path.as_uri())
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    starts = ("1: differ", "1: not made: their beginning", "2: not made: their end")
    assert all(head.startswith(start) for head, start in zip(heads, starts, strict=False))
    assert 4 == len(heads)
    assert summary(BAD, checked=True) == lines[-1]


@pytest.mark.parametrize(
    ("report", "checked", "expected"),
    [
        (RecordingsReport(made=4), False, "4 recordings were made."),
        (BAD, False, "4 recordings were made; 1 begin too early; 2 do not end."),
        (
            RecordingsReport(made=4, same=4), True,
            "4 recordings are the same, 0 are not. Nothing was written.",
        ),
    ],
)  # fmt: skip
def test_the_summary(report: RecordingsReport, checked: bool, expected: str) -> None:
    """Of a rebuild and of a comparison."""
    assert expected == summary(report, checked=checked)


@pytest.mark.parametrize(
    "error", [NothingToRead("there is no topic media"), KafkaConnectionError("away"), OSError()]
)
def test_errors_have_status_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
) -> None:
    """With their text, or their type."""
    Rebuilding(monkeypatch, error)
    assert 1 == rebuild(Settings(), Chosen(), tmp_path.as_uri(), None)
    assert (str(error) or "OSError") in capsys.readouterr().err
