"""Agents' own legs: they are not streamed."""

from pipeline.streams.verification import OWN_LEG
from schemas.records import (
    FetchLeg,
    FindConference,
    MediaStreamChanged,
    RecordingDecided,
    StartDuplicateStream,
)
from tests.pipeline.calls.histories import (
    CUSTOMER,
    inbound,
    leg_sid,
    outbound,
)
from tests.pipeline.streams.managed import ANN, Manager

UNIDENTIFIED_MS = 2_000


def test_a_streamed_leg_that_turns_out_to_be_the_agents_own_is_stopped() -> None:
    """The adapter took it for the customer's. It is not streamed again."""
    story = outbound().reservation("accepted", 200, "ann")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    story.task("updated", 1_000).participant("join", 2_000, ANN)
    manager = Manager().receive(story, 2_100)
    [find] = manager.of(FindConference)
    [start] = manager.listed(2_200, find).of(StartDuplicateStream)
    manager.started(2_300, start, ANN)
    [question] = manager.tick(4_100).of(FetchLeg)
    manager.answer(4_200, question, "client:ann_40example_2Ecom", start=CUSTOMER)
    assert OWN_LEG.text in [c.reason for c in manager.of(MediaStreamChanged)]
    [start] = manager.of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks
    assert ANN.lower() in start.worker_marks


def test_the_agents_own_leg_is_not_streamed_because_attributes_named_it_late() -> None:
    """It is in the conference, without label or ends: the adapter looks the customer's leg up, and
    nothing marks the agent's as that."""
    story = inbound().task("created", 0, task_attributes='{"direction": "inbound"}')
    story.events.pop(0)
    story.attributes = {"direction": "inbound"}
    story.reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    story.task("updated", 1_000).participant("join", 2_000, ANN)
    manager = Manager().receive(story, 2_100)
    assert manager.of(StartDuplicateStream) == []
    [find] = manager.of(FindConference)
    [start] = manager.listed(2_200, find).of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks


def test_the_agents_own_leg_labelled_customer_is_not_streamed() -> None:
    """A label is free text. The conference is asked for the customer's leg, and Twilio for the ends
    of the agent's, so that its leaving is the agent's absence and not the call's end."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel="customer")
    manager = Manager().receive(story, 400)
    [find] = manager.of(FindConference)
    [start] = manager.listed(450, find).of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks

    [question] = manager.tick(300 + UNIDENTIFIED_MS + 500).of(FetchLeg)
    assert ANN == question.call_sid
    manager.answer(3_000, question, "client:ann_40example_2Ecom")
    manager.receive(story.participant("join", 9_000, leg_sid("c")), 9_100)
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    assert manager.call is not None
    assert "active" == manager.call.state
    [stop] = manager.of(RecordingDecided)
    assert ("stop", True) == (stop.decision, "the leg of ann@example.com is gone" in stop.reason)
