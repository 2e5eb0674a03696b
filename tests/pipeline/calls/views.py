"""What a call means after a story, for tests."""

from pipeline.calls.merge import Folded, fold
from pipeline.calls.view import CallView, view
from schemas.records import Call
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    Story,
    inbound,
    leg_sid,
    worker_sid,
)

ANN, BOB = leg_sid("ann"), leg_sid("bob")


def seen(story: Story) -> CallView:
    """The call after the story so far."""
    call: Call | None = None
    for event in story.events:
        outcome = fold(call, event)
        call = outcome.call if isinstance(outcome, Folded) else call
    assert call is not None
    return view(call)


def states(story: Story) -> list[str]:
    """The connections' states."""
    return [connection.state for connection in seen(story).connections]


def spans(story: Story) -> list[tuple[str | None, int | None, int | None]]:
    """Each session's extension, beginning and end, in ms after T0."""
    return [(s.extension, after(s.started_at), after(s.ended_at)) for s in seen(story).sessions]


def after(ms: int | None) -> int | None:
    return None if ms is None else ms - T0


def talking() -> Story:
    """An inbound call that Ann has taken; Ann's leg has Ann's SID as its label."""
    return (
        inbound()
        .reservation("created", 1_000, "ann")
        .reservation("accepted", 2_000, "ann")
        .participant("join", 2_100, CUSTOMER_LEG)
        .participant("join", 2_300, ANN, ParticipantLabel=worker_sid("ann"))
    )
