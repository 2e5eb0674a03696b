"""Identification of legs in real contact centers: labels are free text, agents are on telephones,
legs come back."""

from typing import Any

import pytest

from pipeline.streams.marks import customer_marks
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    Story,
    inbound,
    leg_sid,
    outbound,
    worker_sid,
)
from tests.pipeline.calls.identified import ANN, LABELS, OUTSIDE, fetched, seen, sids, talking


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("begun", [inbound, outbound])
def test_an_outside_party_that_leaves_does_not_end_the_call(begun: Any, label: str) -> None:
    """Whatever its label: customer and agent continue."""
    story = talking(begun())
    story.participant("join", 20_000, OUTSIDE, ParticipantLabel=label)
    call = seen(story)
    assert CUSTOMER_LEG == call.customer_call_sid
    assert {CUSTOMER_LEG} == sids(call.legs)["customers"]

    call = seen(story.participant("leave", 40_000, OUTSIDE))
    assert (None, None) == (call.definitive_end, call.ended_at)
    assert call.sessions[0].is_open
    assert T0 + 60_000 == seen(story.participant("leave", 60_000, CUSTOMER_LEG)).definitive_end


def test_only_the_label_customer_means_customer_if_nothing_else_does() -> None:
    """On an outbound call, if the task names no leg."""
    for label, expected in [("customer", "customers"), ("external", "unknown")]:
        story = outbound().reservation("accepted", 200, "ann")
        story.participant("join", 300, ANN, ParticipantLabel=worker_sid("ann"))
        story.participant("join", 9_000, leg_sid("c"), ParticipantLabel=label)
        assert {leg_sid("c")} == sids(seen(story).legs)[expected]


def test_a_second_leg_labelled_customer_is_not_the_customer() -> None:
    """It joined while customer and agent were both present; once they are not, it is."""
    story = outbound().reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 9_000, leg_sid("c"), ParticipantLabel="customer")
    story.participant("join", 20_000, OUTSIDE, ParticipantLabel="customer")
    call = seen(story.participant("leave", 30_000, OUTSIDE))
    assert (None, leg_sid("c"), False) == (
        call.definitive_end,
        call.customer_call_sid,
        call.customer_leg_is_sure,
    )
    story.participant("leave", 40_000, leg_sid("c"))
    assert T0 + 40_000 == seen(story).definitive_end
    story.participant("join", 42_000, leg_sid("c2"), ParticipantLabel="customer")
    assert None is seen(story).definitive_end


def test_participants_customer_that_moves_to_an_outside_party_ends_nothing() -> None:
    """The agent puts the customer on hold to talk to another one; that one leaves."""
    for begun in (inbound, outbound):
        story = talking(begun()).participant("hold", 10_000, CUSTOMER_LEG)
        story.participant("join", 12_000, OUTSIDE)
        people = {"worker": ANN, "customer": OUTSIDE}
        story.attributes["conference"] = {"sid": "CF" + "1" * 32, "participants": people}
        story.task("updated", 12_500).participant("leave", 30_000, OUTSIDE)
        call = seen(story)
        assert (CUSTOMER_LEG, None) == (call.customer_call_sid, call.definitive_end)
        assert ["hold"] == [c.state for c in call.connections]


@pytest.mark.parametrize("notation", ["+1 (555) 000-1111", "15550001111", "tel:+15550001111"])
def test_the_customer_is_known_by_the_number_that_was_called(notation: str) -> None:
    """Before any label, and without attributes that name the leg."""
    story = outbound().reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel="customer")
    story.call_status("ringing", 900, ANN, To="client:ann_40example_2Ecom")
    story.call_status("answered", 8_000, leg_sid("c"), To=notation, Direction="outbound-api")
    story.participant("join", 8_000, leg_sid("c"), ParticipantLabel="external")
    call = seen(story)
    assert (leg_sid("c"), True) == (call.customer_call_sid, call.customer_leg_is_sure)
    assert {ANN} == sids(call.legs)["workers"]


def test_an_outbound_call_to_a_sip_address_has_a_customer() -> None:
    """Twilio adds port and parameters to the address of the directory."""
    story = outbound()
    story.attributes |= {"outbound_to": "sip:Bob@PBX.example.com"}
    story = Story(attributes=story.attributes).task("created", 0)
    story.reservation("accepted", 200, "ann")
    to = "sip:bob@pbx.example.com:5060;transport=tls"
    story.call_status("answered", 8_000, leg_sid("c"), To=to)
    call = seen(story)
    assert ("outbound", leg_sid("c"), True) == (
        call.direction,
        call.customer_call_sid,
        call.customer_leg_is_sure,
    )
    assert call.answered


@pytest.mark.parametrize(
    "attributes",
    [
        {"direction": "inbound", "outbound_to": "+15550123", "from": CUSTOMER},
        {"direction": "Inbound", "outbound_to": "+15550123", "call_sid": CUSTOMER_LEG},
        {"outbound_to": "+15550123", "taskType": "callback"},
    ],
)
def test_a_task_that_names_whom_to_call_is_outbound(attributes: dict[str, Any]) -> None:
    """A callback keeps the direction and the leg of the call that left it."""
    call = seen(Story(attributes=attributes).task("created", 0))
    assert ("outbound", "+15550123", None) == (
        call.direction,
        call.customer,
        call.customer_call_sid,
    )


def test_a_target_that_is_added_later_does_not_turn_a_call_around() -> None:
    """Attributes can be rewritten while the task runs."""
    story = talking()
    story.attributes["outbound_to"] = "+15550123"
    call = seen(story.task("updated", 9_000))
    assert ("inbound", CUSTOMER, CUSTOMER_LEG) == (
        call.direction,
        call.customer,
        call.customer_call_sid,
    )


def test_a_customer_who_is_called_back_is_on_the_call() -> None:
    """The line broke; the agent calls the customer's number from the same task."""
    story = talking().participant("leave", 20_000, CUSTOMER_LEG)
    story.call_status("answered", 25_000, leg_sid("c2"), To=CUSTOMER, Direction="outbound-api")
    story.participant("join", 25_000, leg_sid("c2"))
    call = seen(story)
    assert (None, leg_sid("c2"), True) == (
        call.definitive_end,
        call.customer_call_sid,
        call.customer_leg_is_sure,
    )
    story.participant("leave", 50_000, leg_sid("c2"))
    assert T0 + 50_000 == seen(story).definitive_end


def test_an_anonymous_customer_is_no_other_anonymous_party() -> None:
    """Both hide their numbers; only the task's SID identifies the customer."""
    story = inbound()
    attributes = story.attributes | {"from": "Anonymous"}
    story = talking(Story(attributes=attributes).task("created", 0))
    story.participant("join", 20_000, OUTSIDE)
    story.call_status("answered", 20_000, OUTSIDE, From="anonymous", Direction="inbound")
    assert None is seen(story.participant("leave", 30_000, OUTSIDE)).definitive_end


def test_a_label_customer_does_not_outrank_an_earlier_leg_that_nothing_identifies() -> None:
    """The call was complete before it joined: agent's leg and one more."""
    story = Story(attributes={}).task("created", 0).reservation("accepted", 1_000, "ann")
    story.participant("join", 2_000, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 3_000, leg_sid("c"))
    story.participant("join", 20_000, OUTSIDE, ParticipantLabel="customer")
    call = seen(story.participant("leave", 30_000, OUTSIDE))
    assert (None, False) == (call.definitive_end, call.customer_leg_is_sure)


def test_a_label_and_attributes_that_disagree_are_not_sure() -> None:
    """Attributes named the agent's own leg late; its ends distinguish the two."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN)
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    story.task("updated", 1_000)
    story.participant("join", 300, leg_sid("c"), ParticipantLabel="customer")
    call = seen(story)
    assert (leg_sid("c"), False) == (call.customer_call_sid, call.customer_leg_is_sure)


def test_a_leg_that_left_in_the_second_of_a_join_may_have_been_there() -> None:
    """Callbacks are exact to the second: the label alone does not make the third leg the
    customer's, so its leaving does not end the call."""
    story = outbound().reservation("accepted", 600, "ann")
    story.participant("join", 1_000, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 1_000, leg_sid("c"))
    story.participant("join", 3_100, OUTSIDE, ParticipantLabel="customer")
    story.participant("leave", 3_500, OUTSIDE).participant("leave", 3_800, leg_sid("c"))
    assert (set(), None) == (sids(seen(story).legs)["customers"], seen(story).definitive_end)


def test_a_customer_who_is_called_again_is_on_the_leg_that_is_there() -> None:
    """Only labels say so; the first leg is gone."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 3_000, leg_sid("c"), ParticipantLabel="customer")
    story.participant("leave", 9_000, leg_sid("c"))
    story.participant("join", 20_000, leg_sid("c2"), ParticipantLabel="customer")
    assert leg_sid("c2") == seen(story).customer_call_sid


def test_a_leg_that_only_its_label_identifies_is_not_sure_until_its_ends_are_known() -> None:
    """Labels are free text: the agent's own leg may be labelled `customer`."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel="customer")
    call = seen(story)
    assert (ANN, False) == (call.customer_call_sid, call.customer_leg_is_sure)
    assert ANN.lower() not in customer_marks(call)
    assert {ANN} == sids(seen(story, fetched(ANN, "client:ann_40example_2Ecom")).legs)["workers"]

    for to, is_sure in [(CUSTOMER, True), ("(555) 000-1111", True), ("+15550009876", False)]:
        call = seen(story, fetched(ANN, to))
        assert (ANN, is_sure) == (call.customer_call_sid, call.customer_leg_is_sure)
        assert (ANN.lower() in customer_marks(call)) == is_sure


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_label_does_not_outrank_the_end_of_the_customer_who_is_being_called(
    is_answered: bool,
) -> None:
    """A third party that joins while the customer's leg rings may have the label `customer`."""
    story = _called_beside_a_third_party()
    if is_answered:
        story.call_status("answered", 9_000, leg_sid("c"), To=CUSTOMER)
        story.participant("join", 9_000, leg_sid("c"))
    call = seen(story)
    assert {leg_sid("c")} == sids(call.legs)["customers"]
    assert {OUTSIDE} == sids(call.legs)["unknown"]
    assert OUTSIDE.lower() not in customer_marks(call)
    assert call.customer_call_sid == (leg_sid("c") if is_answered else None)


def test_after_a_call_in_vain_the_label_decides() -> None:
    """The agent calls the customer at another number."""
    story = _called_beside_a_third_party()
    story.call_status("completed", 7_000, leg_sid("c"), To=CUSTOMER, CallStatus="no-answer")
    call = seen(story)
    assert (OUTSIDE, None) == (call.customer_call_sid, call.definitive_end)
    assert not call.customer_leg_is_sure  # Twilio is asked which legs there are


def _called_beside_a_third_party() -> Story:
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel=worker_sid("ann"))
    story.call_status("ringing", 900, leg_sid("c"), To=CUSTOMER)
    story.call_status("answered", 3_000, OUTSIDE, To="+15557770006")
    return story.participant("join", 3_000, OUTSIDE, ParticipantLabel="customer")
