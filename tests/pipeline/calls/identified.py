"""Calls with legs, and what identifies them, for tests."""

import json
from typing import Any

from pipeline.calls.legs import Legs
from pipeline.calls.lifetime import apply_fetched
from pipeline.calls.merge import Folded, fold
from pipeline.calls.view import CallView, view
from schemas.records import Call, CtiEvent, LegFetched
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    worker_attributes,
    worker_sid,
)

ANN, BOSS, OUTSIDE, AGAIN = leg_sid("ann"), leg_sid("boss"), leg_sid("out"), leg_sid("again")
OURS = "+15559990000"
LABELS = ["external", "external party", "transfer-target", "caller", "customer", "agent-7", ""]


def folded(events: list[CtiEvent], *fetched: LegFetched) -> Call:
    """The call after the events, and the ends of legs as Twilio gave them."""
    call: Call | None = None
    for event in events:
        outcome = fold(call, event)
        call = outcome.call if isinstance(outcome, Folded) else call
    assert call is not None
    for each in fetched:
        applied = apply_fetched(call, each, T0)
        assert isinstance(applied.state, Call)
        call = applied.state
    return call


def seen(story: Story, *fetched: LegFetched) -> CallView:
    """What the call means after the story so far."""
    return view(folded(story.events, *fetched))


def sids(legs: Legs) -> dict[str, set[str]]:
    """The SIDs of each kind."""
    return {
        "customers": {leg.call_sid for leg in legs.customers},
        "workers": {leg.call_sid for leg, _ in legs.workers},
        "supervisors": {leg.call_sid for leg in legs.supervisors},
        "unknown": {leg.call_sid for leg in legs.unknown},
    }


def fetched(leg: str, to: str, worker: str | None = None, label: str | None = None) -> LegFetched:
    """Twilio's answer about a leg that it dialed."""
    sid = None if worker is None else worker_sid(worker)
    return LegFetched(leg, TASK, OURS, to, "outbound-api", label, sid, T0)


def talking(story: Story | None = None, **attributes: Any) -> Story:
    """A call that Ann has taken, with the customer in the conference; no leg has a label."""
    worker = json.dumps(worker_attributes("ann", **attributes))
    story = inbound() if story is None else story
    story.reservation("created", 1_000, "ann", worker_attributes=worker)
    story.reservation("accepted", 2_000, "ann", worker_attributes=worker)
    people = {"worker": ANN, "customer": CUSTOMER_LEG}
    story.attributes["conference"] = {"sid": "CF" + "1" * 32, "participants": people}
    story.task("updated", 3_000)
    return story.participant("join", 2_000, ANN).participant("join", 2_000, CUSTOMER_LEG)
