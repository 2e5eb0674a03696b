"""`flexcapture bridge --replay-from`: its names, its progress and its exit status."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.jobs import CLOCK_ERROR_MS, Replay, ReplayFailed
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from cli import replay as module
from cli.replay import REPORT_EVERY_S, checkpoint_name, replay
from pipeline.kinesis.period import Period
from pipeline.runtime.settings import Settings, SettingsError
from tests.virtual_time import VirtualLoop

NOW = 1_800_000_000_000


@given(st.from_regex(r"[A-Za-z0-9._-]{1,80}", fullmatch=True).filter(lambda name: name != "live"))
def test_a_name_is_part_of_keys_and_groups(name: str) -> None:
    """Letters, digits and some signs."""
    assert name == checkpoint_name(name)


@pytest.mark.parametrize("name", ["", "live", "a b", "a|b", "x" * 81, "é", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    """`live` is the name of the live bridges."""
    with pytest.raises(ValueError, match="must be 1 to 80"):
        checkpoint_name(name)


class Surroundings:
    """Kafka and Kinesis. `work`: what happens while the replay is bridged: an error, or whether it
    ends as done after `seconds`."""

    def __init__(self, patch: pytest.MonkeyPatch, work: Any = True, seconds: float = 0.0) -> None:
        self.jobs: list[Replay] = []
        self.absent: Exception | None = None
        self.log_now = NOW
        self._work, self._seconds = work, seconds
        patch.setattr(module, "machine_clock", lambda: NOW)
        patch.setattr(module, "set_up_logs", lambda *_: None)
        patch.setattr(module, "ensure_topics", self._ensure)
        patch.setattr(module, "Kinesis", lambda _: self)
        patch.setattr(module, "log_clock", self._clock)
        patch.setattr(module, "run_job", self._run)
        patch.setattr(module, "written", lambda: (1_234, 5))
        patch.setattr(asyncio, "run", self._virtually)

    @staticmethod
    def _virtually(work: Any) -> Any:
        with asyncio.Runner(loop_factory=_QuietLoop) as runner:
            return runner.run(work)

    async def _ensure(self, *_: Any) -> None:
        """The topics are there."""

    async def incarnation(self) -> None:
        if self.absent is not None:
            raise self.absent

    def close(self) -> None:
        """Disconnect."""

    @asynccontextmanager
    async def _clock(self, *_: Any) -> AsyncIterator[Any]:
        async def settled(_: asyncio.Event) -> None:
            """At once."""

        yield SimpleNamespace(settled=settled, now=lambda: self.log_now)

    async def _run(self, _: Any, __: Any, ___: Any, job: Replay, ____: Any) -> bool:
        self.jobs.append(job)
        job.found = Period(job.begins_at, NOW)
        await asyncio.sleep(self._seconds)
        if isinstance(self._work, Exception):
            raise self._work
        return bool(self._work)


class _QuietLoop(VirtualLoop):
    """Signals are not for this loop."""

    def add_signal_handler(self, *_: Any) -> None:
        """No signal comes."""


def test_a_replay_that_is_done_has_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name is made of the period, so that the same command continues it."""
    surroundings = Surroundings(monkeypatch)
    assert 0 == replay(Settings(), NOW - 9_000, None, None)
    assert 0 == replay(Settings(), NOW - 9_000, NOW, None)
    assert 0 == replay(Settings(), NOW - 9_000, NOW, "again")
    begin = f"replay-{NOW - 9_000}"
    assert [begin, f"{begin}-{NOW}", "again"] == [each.name for each in surroundings.jobs]
    err = capsys.readouterr().err
    assert f"replay {begin}: done, 2027-" in err
    assert "1,234 events and 5 dead letters" in err
    assert "continue with" not in err


def test_a_replay_that_was_stopped_can_be_continued(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, and the argument that continues it."""
    Surroundings(monkeypatch, work=False)
    assert 1 == replay(Settings(), NOW - 9_000, None, "again")
    assert "stopped" in (err := capsys.readouterr().err)
    assert "continue with --checkpoint-name again" in err


def test_the_progress_is_printed_at_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until the end."""
    Surroundings(monkeypatch, seconds=3.5 * REPORT_EVERY_S)
    replay(Settings(), NOW - 9_000, None, "again")
    lines = capsys.readouterr().err.splitlines()
    assert 4 == len(lines)
    assert all("not begun" in line for line in lines[:3])


@pytest.mark.parametrize(
    "error", [ReplayFailed("created again"), ExceptionGroup("x", [KinesisUnavailable("away")])]
)
def test_a_replay_that_cannot_continue_has_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """With the reason, also from within a group of errors."""
    Surroundings(monkeypatch, work=error)
    assert 1 == replay(Settings(), NOW - 9_000, None, "again")
    assert ("created again" if isinstance(error, ReplayFailed) else "away") in (
        capsys.readouterr().err
    )


def test_an_absent_stream_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The live bridge waits; a replay has nothing to read."""
    surroundings = Surroundings(monkeypatch)
    surroundings.absent = StreamAbsent("no stream flex-events")
    assert 1 == replay(Settings(), NOW - 9_000, None, None)
    assert "no stream flex-events" in capsys.readouterr().err
    assert [] == surroundings.jobs


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay does not fail."""
    Surroundings(monkeypatch, work=KeyError("defect"))
    with pytest.raises(ExceptionGroup, match="unhandled"):
        replay(Settings(), NOW - 9_000, None, None)


@pytest.mark.parametrize(("begins_at", "log_now"), [(NOW + CLOCK_ERROR_MS, NOW), (NOW, NOW - 1)])
def test_a_period_in_the_future_is_refused(
    monkeypatch: pytest.MonkeyPatch, begins_at: int, log_now: int
) -> None:
    """By this machine's clock before Kafka is reached, and then by the log's."""
    surroundings = Surroundings(monkeypatch)
    surroundings.log_now = log_now
    with pytest.raises(SettingsError, match="--replay-from"):
        replay(Settings(), begins_at, None, None)
    assert [] == surroundings.jobs
