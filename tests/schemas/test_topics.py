"""The required form of the topics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import (
    ALL,
    CALL_PARTITIONS,
    CALLS,
    CHANGELOGS,
    MEDIA,
    PROVISIONED,
    RECORDER_CHECKPOINTS,
    STREAM_EVENTS,
    Topic,
    changelog,
    min_in_sync,
)

DAY_MS = 24 * 60 * 60 * 1000
KEYED = [topic for topic in PROVISIONED if topic.is_keyed_by_task]


def test_topics_of_calls_have_equal_partitions() -> None:
    """A task is on the same partition of each of them. Another number would move every key."""
    assert 24 == CALL_PARTITIONS
    assert {CALL_PARTITIONS} == {topic.partitions for topic in KEYED}
    assert all(topic in KEYED for topic in (CALLS, MEDIA, STREAM_EVENTS, *CHANGELOGS))
    assert RECORDER_CHECKPOINTS.partitions == MEDIA.partitions


def test_names_are_unique() -> None:
    """Also those of the changelogs."""
    names = [topic.name for topic in PROVISIONED]
    assert len(set(names)) == len(names)
    assert {topic.name for topic in ALL} < set(names)


@given(st.none() | st.integers(1, 365 * DAY_MS))
def test_a_topic_is_kept_by_age_or_compacted(retention_ms: int | None) -> None:
    """Never both: recovery would hang on a changelog that is deleted by age. A record is kept for
    at most a tenth longer than the retention, as Kafka deletes whole segments."""
    config = Topic("x", "none", (), retention_ms=retention_ms).config()
    if retention_ms is None:
        assert "compact" == config["cleanup.policy"]
        assert "retention.ms" not in config
    else:
        assert "delete" == config["cleanup.policy"]
        assert retention_ms == int(config["retention.ms"])
        assert 1 <= int(config["segment.ms"]) <= max(1, retention_ms // 10)
        assert "-1" == config["retention.bytes"]  # no cluster default deletes it earlier


@pytest.mark.parametrize("topic", PROVISIONED, ids=lambda topic: topic.name)
def test_every_topic_is_safe(topic: Topic) -> None:
    """The broker sets the time of records, an unclean election may not lose acknowledged ones, and
    a record of 1 MB of audio fits."""
    config = topic.config()
    assert "LogAppendTime" == config["message.timestamp.type"]
    assert "false" == config["unclean.leader.election.enable"]
    assert int(config["max.message.bytes"]) > 1024 * 1024
    assert all(isinstance(value, str) for value in config.values())


def test_a_changelog_is_read_quickly() -> None:
    """Only compacted, in short segments: a process that takes over a partition reads all of it."""
    made = changelog("tracker")
    config = made.config()
    assert ("tracker-table-changelog", "compact") == (made.name, config["cleanup.policy"])
    assert int(config["segment.ms"]) <= 60_000
    assert made.is_keyed_by_task


@pytest.mark.parametrize(("replicas", "expected"), [(1, 1), (2, 1), (3, 2), (5, 2)])
def test_one_broker_may_be_away(replicas: int, expected: int) -> None:
    """With three replicas or more an acknowledged record is on two brokers. With fewer, writes must
    not depend on each of them."""
    assert expected == min_in_sync(replicas)
