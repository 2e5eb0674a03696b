"""The doctor's results are saved for the console."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.twilio.doctor import command
from cli.twilio.doctor.command import DoctorOptions, run_doctor
from cli.twilio.doctor.saving import not_saved
from pipeline.check_results import CheckResult, CheckRun, CheckStatus
from pipeline.runtime.settings import Settings
from pipeline.store.check_runs import CheckRuns
from pipeline.store.database import migrate, open_database

FINE = (CheckResult("account", CheckStatus.OK, "fine", ""),)
RUN = CheckRun(1_800_000_000_000, FINE)


def database(directory: Path) -> Settings:
    """Return the settings of a migrated database."""
    url = f"sqlite:///{directory}/flexcapture.db"
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    return Settings(database_url=url)


def saved(settings: Settings) -> CheckRun | None:
    """Return the run that is in the database."""
    engine = open_database(settings.database_url or "")
    try:
        return CheckRuns(engine).last()
    finally:
        engine.dispose()


def test_a_run_is_saved(tmp_path: Path) -> None:
    """And nothing is said."""
    settings = database(tmp_path)
    assert not_saved(settings, RUN) is None
    assert RUN == saved(settings)


def test_what_cannot_be_saved_has_its_reason(tmp_path: Path) -> None:
    """Without a password. No database is created or migrated."""
    assert "DATABASE_URL is not set" in str(not_saved(Settings(), RUN))
    absent = Settings(database_url=f"sqlite:///{tmp_path}/absent.db")
    assert "does not exist" in str(not_saved(absent, RUN))
    (tmp_path / "empty.db").touch()
    earlier = Settings(database_url=f"sqlite:///{tmp_path}/empty.db")
    assert "OperationalError" in str(not_saved(earlier, RUN))
    away = Settings(database_url="postgresql://user:hunter22@127.0.0.1:1/none")
    assert "OperationalError" in str(not_saved(away, RUN))
    assert "hunter22" not in str(not_saved(away, RUN))
    assert {"empty.db"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "case",
    [
        (None, True, 0, True),
        (None, False, 0, False),
        (True, True, 0, True),
        (True, False, 1, False),
        (False, True, 0, False),
    ],
)
def test_the_option_decides(
    case: tuple[bool | None, bool, int, bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By default a run is saved if there is a database, and its absence changes no exit status.
    Standard output has the results only."""
    save, has_database, status, is_saved = case

    async def diagnosed(_: object) -> tuple[CheckResult, ...]:
        await asyncio.sleep(0)
        return FINE

    monkeypatch.setattr(command, "diagnosed", diagnosed)
    settings = database(tmp_path) if has_database else Settings()
    target: Any = SimpleNamespace(settings=settings)
    assert status == run_doctor(target, DoctorOptions(in_json=True, save=save))
    output = capsys.readouterr()
    assert "account" == json.loads(output.out)["checks"][0]["name"]
    assert ("not saved" in output.err) is (save is True and not has_database)
    if has_database:
        assert (saved(settings) is not None) is is_saved
