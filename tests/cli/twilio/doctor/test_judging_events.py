"""Judgements about the way of events, at their limits."""

from dataclasses import replace

import pytest

from cli.twilio.doctor.facts import ShardLag
from cli.twilio.doctor.judging_events import (
    LAG_FAILURE_MS,
    LAG_WARNING_MS,
    MIN_RETENTION_HOURS,
    QUIET_MS,
    kinesis_lag,
    kinesis_stream,
    last_event,
)
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from tests.cli.twilio.doctor.healthy import HEALTHY, NOW, STREAM, of_facts, of_kafka, of_kinesis

OK, WARNING, FAILURE = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILURE


@pytest.mark.parametrize(
    ("status", "hours", "is_local", "expected"),
    [
        ("ACTIVE", MIN_RETENTION_HOURS, False, OK),
        ("UPDATING", MIN_RETENTION_HOURS, False, OK),
        ("CREATING", MIN_RETENTION_HOURS, False, FAILURE),
        ("ACTIVE", MIN_RETENTION_HOURS - 1, False, WARNING),
        ("ACTIVE", 24, True, OK),  # an emulator forgets everything anyway
        ("DELETING", 24, True, FAILURE),
    ],
)
def test_a_kinesis_stream_is_active_and_keeps_records_for_two_days(
    status: str, hours: int, is_local: bool, expected: CheckStatus
) -> None:
    """The remedy for a short retention is a command."""
    stream = replace(STREAM, status=status, retention_hours=hours)
    outcome = kinesis_stream(of_kinesis(stream=stream, is_local=is_local)(HEALTHY))
    assert expected is outcome.status
    assert (expected is WARNING) == outcome.remedy.startswith("aws kinesis increase-stream")


def lag(*lags: int, is_begun: bool = True) -> CheckStatus:
    """Return the judgement of shards with these lags (ms)."""
    shards = [ShardLag(f"s-{n}", is_begun=is_begun, lag_ms=each) for n, each in enumerate(lags)]
    return kinesis_lag(of_kinesis(lags=shards)(HEALTHY)).status


def test_the_worst_shard_counts() -> None:
    """A minute is normal; after ten minutes something is broken."""
    assert [OK, WARNING] == [lag(0, LAG_WARNING_MS), lag(0, LAG_WARNING_MS + 1)]
    assert [WARNING, FAILURE] == [lag(LAG_FAILURE_MS), lag(0, LAG_FAILURE_MS + 1)]
    assert OK is lag()


def test_a_stream_that_no_bridge_has_read_is_a_failure_if_it_has_records() -> None:
    """However new they are. A new stream has none."""
    assert [FAILURE, OK] == [lag(1, 0, is_begun=False), lag(0, 0, is_begun=False)]


@pytest.mark.parametrize(("age_ms", "status"), [(QUIET_MS, OK), (QUIET_MS + 1, WARNING)])
def test_a_day_without_an_event_is_suspicious(age_ms: int, status: CheckStatus) -> None:
    """It may also be a holiday: no failure."""
    assert status is last_event(of_kafka(last_event_at=NOW - age_ms)(HEALTHY)).status
    assert "60 min ago" in last_event(of_kafka(last_event_at=NOW - 3_600_000)(HEALTHY)).detail


def test_the_cause_of_missing_facts_is_named() -> None:
    """Another check fails because of it."""
    trouble = CheckTrouble("no such stream")
    for outcome in (
        kinesis_lag(of_kinesis(lags=trouble)(HEALTHY)),
        last_event(of_kafka(last_event_at=trouble)(HEALTHY)),
    ):
        assert (WARNING, "not checked: no such stream") == (outcome.status, outcome.detail)
    assert "Kafka cannot" in last_event(of_facts(kafka=trouble)(HEALTHY)).detail
