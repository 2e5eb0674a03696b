"""The last run of the doctor in the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import SQLAlchemyError

from pipeline.check_results import CheckResult, CheckRun, CheckStatus
from pipeline.store.check_runs import LONGEST_TEXT, CheckRuns
from pipeline.store.database import migrate, open_database

RUN = CheckRun(
    1_800_000_000_000,
    (
        CheckResult("sink", CheckStatus.FAILURE, "no sink", "run setup"),
        CheckResult("account", CheckStatus.OK, "fine", ""),
    ),
)


def test_the_last_run_replaces_the_one_before(database_url: str) -> None:
    """In the order of its checks; a check that no longer exists does not stay."""
    engine = open_database(database_url)
    migrate(engine)
    runs = CheckRuns(engine)
    assert runs.last() is None
    runs.save(RUN)
    assert RUN == runs.last()
    later = CheckRun(RUN.at + 1, RUN.results[:1])
    runs.save(later)
    assert later == runs.last()
    engine.dispose()


def test_runs_that_end_at_once_are_kept_whole(database_url: str) -> None:
    """One of them, without results of another."""
    engine = open_database(database_url)
    migrate(engine)
    made = [replace(RUN, at=RUN.at + number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(CheckRuns(engine).save, made))
    assert CheckRuns(engine).last() in made
    with engine.connect() as connection:
        ran = connection.exec_driver_sql("SELECT ran_at FROM check_results").scalars()
        assert 1 == len(set(ran))
    engine.dispose()


def test_any_text_can_be_saved(database_url: str) -> None:
    """As answers of other systems may have it."""
    engine = open_database(database_url)
    migrate(engine)
    odd = CheckResult("sink", CheckStatus.WARNING, "a\x00b" + "x" * 10_000, "🙂")
    CheckRuns(engine).save(CheckRun(1, (odd,)))
    run = CheckRuns(engine).last()
    assert run is not None
    assert "a\ufffdbx" == run.results[0].detail[:4]
    assert (LONGEST_TEXT, "🙂") == (len(run.results[0].detail), run.results[0].remedy)
    engine.dispose()


def test_a_database_that_was_not_migrated_is_an_error(database_url: str) -> None:
    """For the caller to report."""
    engine = open_database(database_url)
    with pytest.raises(SQLAlchemyError):
        CheckRuns(engine).save(RUN)
    engine.dispose()
