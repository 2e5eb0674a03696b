"""Checks of existing topics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cluster.topic_checks import findings, refusal, remedy
from schemas.topics import CONTACTS, MEDIA, PROVISIONED, STREAM_EVENTS, Topic, min_in_sync

DAY_MS = 24 * 60 * 60 * 1000
DEFAULTS = {
    "retention.bytes": "-1",
    "min.insync.replicas": "1",
    "unclean.leader.election.enable": "false",
}


def config(topic: Topic, replicas: int = 1, **changes: str) -> dict[str, str | None]:
    """The settings of a topic of ours, with some changed (`_` for `.`)."""
    changed = {name.replace("_", "."): value for name, value in changes.items()}
    least = {"min.insync.replicas": str(min_in_sync(replicas))}
    return {**DEFAULTS, **least, **topic.config(), **changed}


@pytest.mark.parametrize("topic", PROVISIONED, ids=lambda topic: str(topic.name))
@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_nothing_is_wrong_with_our_own(topic: Topic, replicas: int) -> None:
    """A topic as it is created here is accepted as it is."""
    assert [] == findings(topic, "x", replicas, config(topic, replicas), replicas)


@pytest.mark.parametrize(
    ("topic", "replicas", "changes", "fix"),
    [
        (MEDIA, 1, {"cleanup_policy": "compact"}, "cleanup.policy=delete"),
        (MEDIA, 1, {"cleanup_policy": "compact,delete"}, "cleanup.policy=delete"),
        (STREAM_EVENTS, 3, {"cleanup_policy": "compact"}, "cleanup.policy=delete"),
        (CONTACTS, 1, {"cleanup_policy": "delete"}, "cleanup.policy=compact"),
        (CONTACTS, 3, {"cleanup_policy": "delete, compact"}, "cleanup.policy=compact"),
        (MEDIA, 1, {"retention_ms": str(DAY_MS)}, f"retention.ms={3 * DAY_MS}"),
        (MEDIA, 1, {"retention_ms": "0"}, f"retention.ms={3 * DAY_MS}"),
        (MEDIA, 1, {"retention_bytes": "1000000"}, "retention.bytes=-1"),
        (MEDIA, 1, {"retention_bytes": "0"}, "retention.bytes=-1"),
        (MEDIA, 3, {"min_insync_replicas": "1"}, "min.insync.replicas=2"),
        (CONTACTS, 4, {"min_insync_replicas": "1"}, "min.insync.replicas=2"),
        (MEDIA, 2, {"min_insync_replicas": "3"}, "min.insync.replicas=1"),
        (MEDIA, 2, {"unclean_leader_election_enable": "true"}, "election.enable=false"),
    ],
)
def test_what_loses_data_is_refused_with_the_command(
    topic: Topic, replicas: int, changes: dict[str, str], fix: str
) -> None:
    """A refusal names the topic, the setting, and a command that puts it right."""
    found = findings(topic, "p.x", replicas, config(topic, replicas, **changes), 0)
    why = refusal(found, "broker:9092")
    assert why is not None
    assert "topic p.x: " in why
    assert "kafka-configs.sh --bootstrap-server broker:9092 --alter --entity-type topics" in why
    assert f"--entity-name p.x --add-config {fix}" in why or fix in why
    assert "flexcapture topics apply" in why


@pytest.mark.parametrize(
    ("topic", "replicas", "changes", "wanted_replicas"),
    [
        (MEDIA, 1, {"retention_ms": "-1"}, 0),
        (MEDIA, 1, {"retention_ms": str(9 * DAY_MS)}, 0),
        (MEDIA, 1, {"segment_ms": str(7 * DAY_MS)}, 0),
        (MEDIA, 2, {"min_insync_replicas": "2"}, 0),
        (MEDIA, 3, {"min_insync_replicas": "3"}, 0),
        (MEDIA, 1, {"max_message_bytes": "3000"}, 0),
        (MEDIA, 1, {}, 3),
    ],
)
def test_what_only_differs_is_a_warning(
    topic: Topic, replicas: int, changes: dict[str, str], wanted_replicas: int
) -> None:
    """What keeps more, or blocks more, than it must is reported and not refused."""
    found = findings(topic, "x", replicas, config(topic, replicas, **changes), wanted_replicas)
    assert 1 == len(found)
    assert refusal(found, "b:1") is None


def test_a_topic_may_keep_its_records_own_times() -> None:
    """A mirrored topic has the times of its records; nothing is said about that."""
    actual = config(MEDIA) | {"message.timestamp.type": "CreateTime"}
    assert [] == findings(MEDIA, "x", 1, actual, 0)


def test_settings_that_are_not_known_are_not_judged() -> None:
    """Without a description there is nothing to say, not one finding for each setting."""
    assert [] == findings(MEDIA, "x", 3, {}, 0)


@given(st.sampled_from(PROVISIONED), st.integers(1, 5), st.data())
def test_the_remedy_leaves_nothing_that_loses_data(
    topic: Topic, replicas: int, data: st.DataObject
) -> None:
    """Whatever the settings are: with what the findings ask for, nothing is refused any more."""
    values = {
        "cleanup.policy": st.sampled_from(["delete", "compact", "compact,delete"]),
        "retention.ms": st.integers(-1, 40 * DAY_MS).map(str),
        "retention.bytes": st.sampled_from(["-1", "0", "1000"]),
        "min.insync.replicas": st.integers(1, 6).map(str),
        "unclean.leader.election.enable": st.sampled_from(["true", "false"]),
    }
    actual = config(topic, replicas) | data.draw(st.fixed_dictionaries({}, optional=values))
    found = findings(topic, "x", replicas, actual, 0)
    actual |= {each.setting: each.wanted for each in found if each.setting}
    left = findings(topic, "x", replicas, actual, 0)
    assert refusal(left, "b:1") is None
    assert [] == [each for each in left if each.setting]
    assert "" == remedy([], "b:1")


@pytest.mark.parametrize("topic", PROVISIONED, ids=lambda topic: str(topic.name))
def test_retention_is_accurate(topic: Topic) -> None:
    """Kafka deletes whole segments: a record is kept for no more than 1.1 times its retention."""
    if topic.retention_ms is not None:
        assert int(topic.config()["segment.ms"]) <= 0.1 * topic.retention_ms
