"""What calls mean, case by case."""

from typing import Any

import pytest

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
from tests.pipeline.calls.views import ANN, BOB, seen, spans, states, talking


def test_a_call_without_reservation_is_forming() -> None:
    """No party is on it yet; the customer is known from the attributes."""
    call = seen(inbound())
    assert ("forming", "inbound", CUSTOMER) == (call.state, call.direction, call.customer)
    assert CUSTOMER_LEG == call.customer_call_sid
    assert "sales" == call.queue


def test_an_inbound_call_alerts_then_is_active_then_ends() -> None:
    """The connection follows the reservation."""
    story = inbound().reservation("created", 1_000, "ann")
    assert ["alerting"] == states(story)
    story.reservation("accepted", 2_000, "ann")
    assert ["active"] == states(story)
    assert "active" == seen(story).state
    story.reservation("wrapup", 9_250, "ann")
    assert ["ended"] == states(story)
    assert ("ended", T0 + 9_250) == (seen(story).state, seen(story).ended_at)
    assert [("ann@example.com", 2_000, 9_250)] == spans(story)


def test_hold_and_unhold_of_the_customers_leg() -> None:
    """The customer on hold is a connection on hold."""
    story = talking().participant("hold", 4_000, CUSTOMER_LEG)
    assert ["hold"] == states(story)
    assert ["active"] == states(story.participant("unhold", 6_000, CUSTOMER_LEG))


def test_hold_of_one_workers_leg_is_his_connections_alone() -> None:
    """With two workers, each has a hold of their own."""
    story = (
        talking()
        .reservation("created", 3_000, "bob")
        .reservation("accepted", 4_000, "bob")
        .participant("join", 4_100, BOB, ParticipantLabel=worker_sid("bob"))
        .participant("hold", 5_000, ANN)
    )
    assert ["hold", "active"] == states(story)


def test_a_call_continues_with_an_outside_party_after_the_worker_has_left() -> None:
    """Its end is the conference's, else the task's; without an outside party the worker's leaving
    was the end."""
    story = (
        inbound()
        .reservation("created", 1_000, "ann")
        .reservation("accepted", 2_000, "ann")
        .participant("join", 3_000, leg_sid("z"))
        .reservation("wrapup", 5_000, "ann")
    )
    assert None is seen(story).ended_at

    story.task("completed", 60_000)
    assert T0 + 60_000 == seen(story).ended_at
    story.participant("leave", 9_000, leg_sid("z"))
    assert T0 + 9_000 == seen(story).ended_at


def test_a_caller_who_gave_up_in_the_queue() -> None:
    """task.canceled ends the call for good, with or without a reservation."""
    story = inbound().task("canceled", 20_000)
    assert ("ended", T0 + 20_000) == (seen(story).state, seen(story).definitive_end)
    rung = inbound().reservation("created", 1_000, "ann").task("canceled", 20_000)
    assert [("ann@example.com", None, 20_000)] == spans(rung)


def test_the_customers_leg_gone_ends_everything() -> None:
    """Hanging up is definitive."""
    story = talking().participant("leave", 40_000, CUSTOMER_LEG)
    assert [40_000] == [ended for _, _, ended in spans(story)]
    assert T0 + 40_000 == seen(story).definitive_end


def test_the_conferences_end_ends_everything() -> None:
    """So is the end of the conference, also while a phone is ringing."""
    story = talking().reservation("created", 30_000, "bob").conference_end(41_000)
    assert [41_000, 41_000] == [ended for _, _, ended in spans(story)]


def test_a_customer_who_left_and_is_back_is_on_the_call() -> None:
    """The last departure of the worker counts."""
    story = talking().participant("leave", 10_000, CUSTOMER_LEG)
    assert T0 + 10_000 == seen(story).ended_at
    story.participant("join", 14_000, CUSTOMER_LEG)
    assert None is seen(story).ended_at
    story.participant("leave", 50_000, CUSTOMER_LEG)
    assert T0 + 50_000 == seen(story).ended_at


def test_a_conference_that_ended_is_no_end_where_the_customer_is_in_another() -> None:
    """It ended between two workers: the customer waits, and joins the next one, which numbers its
    callbacks anew. Bob was reserved before it ended."""
    story = talking().task("transfer-initiated", 9_000, task_transfer_sid="TT1")
    story.reservation("created", 9_500, "bob").reservation("wrapup", 10_000, "ann")
    story.participant("leave", 10_000, CUSTOMER_LEG).conference_end(10_000)
    assert T0 + 10_000 == seen(story).ended_at
    story.reservation("accepted", 14_000, "bob")
    story.participant("join", 14_000, CUSTOMER_LEG, SequenceNumber="1")
    assert (None, ["ended", "active"]) == (seen(story).ended_at, states(story))


def test_callbacks_of_one_second_are_ordered_by_their_numbers() -> None:
    """Of different seconds by the seconds: the numbers begin anew with each conference."""
    story = talking().participant("hold", 4_100, CUSTOMER_LEG, SequenceNumber="9")
    story.participant("unhold", 4_600, CUSTOMER_LEG, SequenceNumber="8")
    assert ["hold"] == states(story)
    story.participant("unhold", 5_000, CUSTOMER_LEG, SequenceNumber="1")
    assert ["active"] == states(story)


def test_the_hold_of_an_outside_party_is_not_the_customers() -> None:
    """If the worker's leg is known; if not, the held leg may be the worker's."""
    outside = leg_sid("out")
    story = talking().participant("join", 5_000, outside).participant("hold", 6_000, outside)
    assert ["active"] == states(story)
    unknown = outbound().reservation("accepted", 200, "ann")
    unknown.participant("join", 400, ANN, ParticipantLabel=worker_sid("ann"))
    unknown.participant("join", 5_000, outside).participant("hold", 6_000, outside)
    assert ["hold"] == states(unknown)


def test_a_call_begins_with_its_task() -> None:
    """Not with a callback that states only the second, or one from before the queue."""
    story = inbound().call_status("initiated", -5_000, CUSTOMER_LEG)
    assert T0 == seen(story).started_at
    early = Story(attributes=inbound().attributes).reservation("created", 1_000, "ann")
    assert T0 + 1_000 == seen(early).started_at


def test_an_outbound_call_rings_until_somebody_else_is_there() -> None:
    """The worker accepts before the called party answers."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    assert ["ringing"] == states(story)
    story.participant("join", 400, ANN, ParticipantLabel=worker_sid("ann"))
    assert ["ringing"] == states(story)
    story.participant("join", 8_000, leg_sid("c"))
    assert ["active"] == states(story)
    assert seen(story).answered


def test_the_workers_own_unlabelled_leg_is_no_answer() -> None:
    """Of two unknown legs one is the customer's, of one none."""
    story = outbound().reservation("accepted", 200, "ann").participant("join", 400, ANN)
    assert ["ringing"] == states(story)
    assert ["active"] == states(story.participant("join", 8_000, leg_sid("c")))


def test_an_unlabelled_leg_of_a_transfer_back_is_no_answer() -> None:
    """The worker's labelled leg was in the first session; the second one has none yet."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 1_000, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("leave", 5_000, ANN)
    story.reservation("created", 6_000, "ann", name="again")
    story.reservation("accepted", 7_000, "ann", name="again")
    assert not seen(story.participant("join", 8_000, leg_sid("again"))).answered
    assert seen(story.participant("join", 9_000, leg_sid("c"))).answered


def test_a_party_that_left_before_a_transfer_back_stays_an_answer() -> None:
    """The leg was gone before the worker accepted again, so it cannot be the worker's."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 1_000, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 3_000, leg_sid("c")).participant("leave", 5_000, leg_sid("c"))
    assert seen(story).answered
    story.reservation("created", 8_000, "ann", name="again")
    assert seen(story.reservation("accepted", 9_000, "ann", name="again")).answered


def test_an_unanswered_outbound_call() -> None:
    """The customer's leg ended busy: so no customer was on the call."""
    story = outbound().reservation("accepted", 200, "ann")
    story.call_status("completed", 9_000, leg_sid("c"), CallStatus="busy")
    assert (False, True) == (seen(story).answered, seen(story).never_answered)


@pytest.mark.parametrize(
    "attributes",
    [
        {"client_call": True, "to": "client:bob", "direction": "outbound"},
        {"internal": "true"},
        {"to": "client:bob_40example_2Ecom"},
        {"outbound_to": "client:bob"},
    ],
)
def test_a_call_between_workers_is_internal_and_has_no_customer(attributes: dict[str, Any]) -> None:
    """By any of the marks that Flex gives it."""
    call = seen(Story(attributes={"from": "client:ann", **attributes}).task("created", 0))
    assert ("internal", None) == (call.direction, call.customer)


def test_a_task_of_another_channel_is_ignored() -> None:
    """A chat is no call."""
    story = inbound().task("updated", 10, task_channel_unique_name="chat")
    assert "ignored" == seen(story).state


def test_junk_attributes_take_nothing_away() -> None:
    """An event with invalid attributes leaves what others said."""
    story = talking().task("updated", 9_000, task_attributes="{not json")
    story.reservation("wrapup", 9_900, "ann", worker_attributes="")
    call = seen(story)
    assert ("inbound", CUSTOMER) == (call.direction, call.customer)
    assert "ann@example.com" == call.sessions[0].extension


def test_a_worker_requested_within_the_second_of_a_conferences_end_does_not_continue_it() -> None:
    """The callback of the end has whole seconds, so the request may have come before it."""
    ended = talking().conference_end(10_000).reservation("created", 10_700, "bob")
    assert T0 + 10_000 == seen(ended).definitive_end
    continued = talking().conference_end(10_000).reservation("created", 11_001, "bob")
    assert None is seen(continued).definitive_end
