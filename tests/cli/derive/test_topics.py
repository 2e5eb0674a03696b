"""The topics of a derivation."""

import pytest

from cli.derive.topics import PROGRESS, STATE, all_topics, derived
from schemas.topics import CALLS, CONTACTS, PROVISIONED, SCHEMA_IDS_TOPIC, STREAM_EVENTS, Topic


@pytest.mark.parametrize("topic", [CALLS, STREAM_EVENTS, CONTACTS], ids=lambda topic: topic.name)
def test_derived_records_keep_the_times_of_their_sources(topic: Topic) -> None:
    """The log time of a derived record is that of the live one. Old ones are not deleted by age."""
    config = derived(topic).config()
    assert "CreateTime" == config["message.timestamp.type"]
    assert (topic.name, topic.partitions, topic.records) == (
        derived(topic).name, derived(topic).partitions, derived(topic).records,
    )  # fmt: skip
    if topic.retention_ms is None:
        assert ("compact", False) == (config["cleanup.policy"], "retention.ms" in config)
    else:
        assert ("delete", "-1") == (config["cleanup.policy"], config["retention.ms"])


def test_the_topic_that_marks_the_prefix_comes_last() -> None:
    """A derivation that is stopped while it makes its topics leaves no prefix that looks whole."""
    made = all_topics([CALLS, CONTACTS])
    assert [CALLS.name, CONTACTS.name, SCHEMA_IDS_TOPIC.name, STATE.name, PROGRESS.name] == [
        topic.name for topic in made
    ]


def test_its_own_topics_are_none_of_a_pipeline() -> None:
    """They mark the prefix of a derivation. Only the last state of a key is kept, in order."""
    names = {topic.name for topic in PROVISIONED}
    for topic in (PROGRESS, STATE):
        assert topic.name not in names
        assert (1, "compact") == (topic.partitions, topic.config()["cleanup.policy"])
