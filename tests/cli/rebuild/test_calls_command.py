"""The output and the exit status of `flexcapture rebuild tracker`."""

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.rebuild import calls_command
from cli.rebuild.calls import CallsReport, RebuildRefused
from cli.rebuild.calls_command import rebuild, summary
from pipeline.runtime.settings import Settings

GOOD = CallsReport(same=5)
BAD = CallsReport(same=5, behind=2, written=1, differences=["WT1: x"], doubts=["WT2: y"])


def let(patch: pytest.MonkeyPatch, result: CallsReport | Exception) -> None:
    """Let the rebuild have this result."""

    async def rebuilt(*_: object, **__: object) -> CallsReport:
        if isinstance(result, Exception):
            raise result
        return result

    patch.setattr(calls_command, "rebuild_tracker", rebuilt)


@pytest.mark.parametrize(
    ("report", "check", "status"),
    [(GOOD, True, 0), (GOOD, False, 0), (BAD, True, 1), (BAD, False, 0)],
)
def test_only_a_check_fails_for_differences(
    monkeypatch: pytest.MonkeyPatch, report: CallsReport, check: bool, status: int
) -> None:
    """A rebuild has corrected them."""
    let(monkeypatch, report)
    assert status == rebuild(Settings(), check=check)


def test_differences_and_doubts_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the summary."""
    let(monkeypatch, BAD)
    rebuild(Settings(), check=True)
    lines = capsys.readouterr().out.splitlines()
    assert ("1: these calls differed", "  WT1: x", "  WT2: y") == (lines[0], lines[1], lines[3])
    assert lines[-1] == summary(BAD, check=True)


def test_the_summary_counts_calls_and_written_values() -> None:
    """A check writes nothing. Calls that lack uncommitted events are correct."""
    assert summary(GOOD, check=True) == (
        "5 calls are correct in the table, 0 were not. Nothing was written."
    )
    text = summary(BAD, check=False)
    assert text.startswith("7 calls are correct in the table, 1 were not; 2 of the correct ones")
    assert text.endswith("1 values were written.")


@pytest.mark.parametrize(
    "error", [RebuildRefused("the tracker runs"), KafkaConnectionError("away"), TimeoutError()]
)
def test_errors_have_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """With their text, or the meaning of their type."""
    let(monkeypatch, error)
    assert 1 == rebuild(Settings(), check=False)
    out, err = capsys.readouterr()
    assert ("", True) == (out, (str(error) or "no answer in time") in err)
