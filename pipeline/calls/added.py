"""Events that were never delivered, and were added to `cti.events` from Twilio's lists. Pure."""

from schemas.records import CtiEvent

SHARD = "reconciliation"
"""The `shard_id` of an added event, which comes from no Kinesis stream."""
ADDED = "added"
"""The milestone of a call with added events: when the first of them was added."""


def is_added(event: CtiEvent) -> bool:
    """Return whether the event was added. Events from Kinesis name its stream."""
    return event.shard_id == SHARD and not event.kinesis_stream
