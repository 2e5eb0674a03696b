"""Judgements about clocks, Kafka, the database and the recordings store, at their limits."""

from typing import Any

import pytest

from cli.twilio.doctor import judging_storage as judging
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from pipeline.cluster.topic_checks import TopicFinding
from tests.cli.twilio.doctor.healthy import HEALTHY, of_account, of_facts, of_kafka

OK, WARNING, FAILURE = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILURE
TROUBLE = CheckTrouble("refused")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("skew_ms", "status"), [(2_000, OK), (2_001, WARNING), (60_000, WARNING), (60_001, FAILURE)]
)
def test_the_worse_of_two_clocks_counts(sign: int, skew_ms: int, status: CheckStatus) -> None:
    """In both directions: tickets are valid for a minute."""
    for plant in (of_kafka(skew_ms=sign * skew_ms), of_account(skew_ms=sign * skew_ms)):
        outcome = judging.clocks(plant(HEALTHY))
        assert status is outcome.status
        assert ("ahead of" if sign > 0 else "behind") in outcome.detail


def test_one_clock_is_enough() -> None:
    """Without any, nothing can be compared."""
    facts = of_facts(kafka=TROUBLE)(HEALTHY)
    assert (OK, False) == (judging.clocks(facts).status, "Kafka" in judging.clocks(facts).detail)
    facts = of_account(skew_ms=None)(of_kafka(skew_ms=None)(HEALTHY))
    assert WARNING is judging.clocks(facts).status


def finding(topic: str, *, loses_data: bool) -> TopicFinding:
    """Return a wrong setting."""
    return TopicFinding(topic, "x", "", "", loses_data=loses_data)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, OK, "as they must be"),
        ({"missing": ("a", "b")}, FAILURE, "missing: a; b"),
        ({"partitions": {"a": 12}, "missing": ("b",)}, FAILURE, "missing: b"),
        ({"partitions": {"a": 12}}, FAILURE, "a has 12 partitions"),
        ({"findings": (finding("a", loses_data=False),)}, WARNING, "a: x"),
        (
            {"findings": (finding("a", loses_data=False), finding("b", loses_data=True))},
            FAILURE, "b: x",
        ),
        ({"missing": tuple("abcdefg")}, FAILURE, "a; b; c; d; e; and 2 more"),
    ],
)  # fmt: skip
def test_the_worst_problem_of_the_topics_is_named(
    changes: dict[str, Any], status: CheckStatus, words: str
) -> None:
    """Missing topics first, then wrong numbers, then settings."""
    outcome = judging.topics(of_kafka(**changes)(HEALTHY))
    assert (status, True) == (outcome.status, outcome.detail.endswith(words))


@pytest.mark.parametrize(
    ("replicas", "status"), [(0, WARNING), (1, WARNING), (2, WARNING), (3, OK), (5, OK)]
)
def test_three_replicas_are_safe(replicas: int, status: CheckStatus) -> None:
    """0: there are no topics."""
    outcome = judging.replication(of_kafka(replicas=replicas)(HEALTHY))
    assert status is outcome.status
    assert (replicas in (1, 2)) == ("can be lost" in outcome.detail)


@pytest.mark.parametrize("judge", [judging.topics, judging.replication])
def test_without_kafka_its_topics_are_not_judged(judge: Any) -> None:
    """Only the check `kafka` fails."""
    facts = of_facts(kafka=TROUBLE)(HEALTHY)
    assert (FAILURE, "refused") == (judging.kafka(facts).status, judging.kafka(facts).detail)
    assert (WARNING, True) == (judge(facts).status, "Kafka" in judge(facts).detail)


@pytest.mark.parametrize("name", ["database", "store"])
@pytest.mark.parametrize(("is_unset", "status"), [(True, WARNING), (False, FAILURE)])
def test_storage_without_a_setting_is_not_checked(
    name: str, is_unset: bool, status: CheckStatus
) -> None:
    """The command may run on another machine than the console or the recorder."""
    judge = judging.database if name == "database" else judging.recordings_store
    outcome = judge(of_facts(**{name: CheckTrouble("refused", is_unset=is_unset)})(HEALTHY))
    assert (status, True) == (outcome.status, "refused" in outcome.detail)
    assert OK is judge(HEALTHY).status
