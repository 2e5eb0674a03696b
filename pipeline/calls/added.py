"""Events that were never delivered and were added to `cti.events` from Twilio's lists. Pure."""

from dataclasses import replace

from schemas.records import Call, CtiEvent

SHARD = "reconciliation"
"""The `shard_id` of an added event, which comes from no Kinesis stream."""
ADDED = "added"
"""The milestone of a call with added events: when the first of them was added."""


def is_added(event: CtiEvent) -> bool:
    """Return whether the event was added. Events from Kinesis name its stream."""
    return event.shard_id == SHARD and not event.kinesis_stream


def marked(said: Call, event: CtiEvent) -> Call:
    """Return the statements of an added event about its call, with the time at which it was
    added."""
    return replace(said, milestones={**said.milestones, ADDED: event.arrived_at})
