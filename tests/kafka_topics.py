"""Topics as tests create them."""

from dataclasses import replace

from schemas.topics import TIMESTAMP_TYPE, Topic


def with_original_timestamps(topic: Topic) -> Topic:
    """Return the topic with the timestamps of producers, for mirrored or derived topics and for
    simulated time. It keeps records of any age: by their timestamps they may be months old."""
    return replace(topic, extra={**topic.extra, TIMESTAMP_TYPE: "CreateTime", "retention.ms": "-1"})
