"""Calls that are kept for a while, for tests."""

from dataclasses import replace

from pipeline.calls.lifetime import (
    Applied,
    Kept,
    apply_event,
)
from schemas.records import Call, CtiEvent
from tests.pipeline.calls.histories import (
    inbound,
)

HOUR = 3_600_000


def kept(events: list[CtiEvent], state: Kept | None = None, now: int = 0) -> Kept | None:
    """Return the state after these events. They arrive at their Kinesis times, or at `now`."""
    for event in events:
        found = apply_event(state, event, now or event.arrived_at)
        if isinstance(found, Applied):
            state = found.state
    return state


def call_after(events: list[CtiEvent]) -> Call:
    """The call after these events."""
    state = kept(events)
    assert isinstance(state, Call)
    return state


def late(event: CtiEvent, by: int) -> CtiEvent:
    """The event, so long in coming."""
    return replace(event, arrived_at=event.arrived_at + by)


def over() -> Call:
    """A call that was given up in the queue after five seconds."""
    return call_after(inbound().task("canceled", 5_000).events)
