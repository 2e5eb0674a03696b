"""Results of the doctor: how many of each status, and when they are too old."""

from pipeline.check_results import CheckResult, CheckRun, CheckStatus

DAY_MS = 86_400_000
RUN = CheckRun(
    1_000,
    (
        CheckResult("account", CheckStatus.OK, "fine", ""),
        CheckResult("sink", CheckStatus.FAILURE, "none", "create it"),
        CheckResult("topics", CheckStatus.FAILURE, "none", "create them"),
    ),
)


def test_statuses_are_counted() -> None:
    """One that does not occur is 0."""
    assert [1, 0, 2] == [RUN.number(status) for status in CheckStatus]


def test_a_run_is_stale_after_a_day() -> None:
    """Not before."""
    assert not RUN.is_stale(1_000 + DAY_MS)
    assert RUN.is_stale(1_001 + DAY_MS)
