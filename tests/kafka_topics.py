"""Topics as tests create them."""

from dataclasses import replace

from schemas.topics import TIMESTAMP_TYPE, Topic


def with_original_timestamps(topic: Topic) -> Topic:
    """Return the topic with the timestamps of producers, for mirrored or derived topics and for
    simulated time."""
    return replace(topic, extra={**topic.extra, TIMESTAMP_TYPE: "CreateTime"})
