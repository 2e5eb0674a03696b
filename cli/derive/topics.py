"""The topics of a derivation. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from schemas.topics import SCHEMA_IDS_TOPIC, TIMESTAMP_TYPE, Topic

PROGRESS = Topic(
    "derive.progress",
    "progress",
    ("DerivationProgress",),
    partitions=1,
    retention_ms=None,
)
"""The derivation's progress. A prefix with this topic is a derivation's, and no pipeline's."""
PROGRESS_KEY = b"progress"

STATE = Topic(
    "derive.state",
    "role:key",
    (),
    partitions=1,
    retention_ms=None,
    extra={"segment.bytes": str(8 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.1"},
)
"""The states of the roles' keys. A stopped derivation continues with them."""


def derived(topic: Topic) -> Topic:
    """Return the topic as it is made under the derivation's prefix: with the timestamps of the
    source records, and kept until the derivation is dropped."""
    extra = {**topic.extra, TIMESTAMP_TYPE: "CreateTime"}
    if topic.retention_ms is not None:
        extra["retention.ms"] = "-1"
    return replace(topic, extra=extra)


def all_topics(targets: Iterable[Topic]) -> tuple[Topic, ...]:
    """Return every topic of a derivation; the topic that marks the prefix comes last."""
    return (*map(derived, targets), SCHEMA_IDS_TOPIC, STATE, PROGRESS)
