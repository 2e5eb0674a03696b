"""What calls mean, case by case."""

import json
from typing import Any

import pytest

from pipeline.calls.merge import Folded, fold
from pipeline.calls.sessions import CallSession, earlier
from pipeline.calls.view import CallView, view
from schemas.records import Call
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    Story,
    inbound,
    leg_sid,
    outbound,
    reservation_sid,
    worker_attributes,
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
    return [(s.extension, _after(s.started_at), _after(s.ended_at)) for s in seen(story).sessions]


def _after(ms: int | None) -> int | None:
    return None if ms is None else ms - T0


def talking() -> Story:
    """An inbound call that Ann has taken; her leg carries her SID as its label."""
    return (
        inbound()
        .reservation("created", 1_000, "ann")
        .reservation("accepted", 2_000, "ann")
        .participant("join", 2_100, CUSTOMER_LEG)
        .participant("join", 2_300, ANN, ParticipantLabel=worker_sid("ann"))
    )


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
    """With two workers, each has his own hold."""
    story = (
        talking()
        .reservation("created", 3_000, "bob")
        .reservation("accepted", 4_000, "bob")
        .participant("join", 4_100, BOB, ParticipantLabel=worker_sid("bob"))
        .participant("hold", 5_000, ANN)
    )
    assert ["hold", "active"] == states(story)


def test_a_workers_session_ends_when_his_own_leg_leaves() -> None:
    """The participant leaving may come long before the wrap-up."""
    story = talking().participant("leave", 30_500, ANN)
    assert [("ann@example.com", 2_000, 30_000)] == spans(story)  # callbacks tell whole seconds
    story.reservation("completed", 600_000, "ann")
    assert [("ann@example.com", 2_000, 30_000)] == spans(story)


def test_within_a_second_the_reservations_word_holds() -> None:
    """Of leaving at 30 s sharp and a wrap-up at 30.7 s the wrap-up is the more exact."""
    story = talking().participant("leave", 30_500, ANN).reservation("wrapup", 30_700, "ann")
    assert [("ann@example.com", 2_000, 30_700)] == spans(story)


@pytest.mark.parametrize(
    "label", [worker_sid("ann"), "ann", "Ann@Example.com", "client:ann_40example_2Ecom"]
)
def test_a_leg_is_known_by_any_of_the_workers_names(label: str) -> None:
    """What Flex puts on a participant's label varies."""
    story = (
        inbound()
        .reservation("created", 1_000, "ann")
        .reservation("accepted", 2_000, "ann")
        .reservation("created", 3_000, "bob")
        .reservation("accepted", 4_000, "bob")
        .participant("join", 4_100, BOB, ParticipantLabel=worker_sid("bob"))
        .participant("join", 4_500, leg_sid("z"), ParticipantLabel=label)
        .participant("leave", 9_000, leg_sid("z"))
    )
    assert [9_000, None] == [ended for _, _, ended in spans(story)]


def test_an_unlabelled_leg_that_leaves_ends_no_session() -> None:
    """It may be an outside party's."""
    story = (
        inbound()
        .reservation("created", 1_000, "ann")
        .reservation("accepted", 2_000, "ann")
        .participant("join", 3_000, leg_sid("z"))
        .participant("leave", 5_000, leg_sid("z"))
    )
    assert ["active"] == states(story)


def test_a_call_goes_on_with_an_outside_party_when_the_worker_has_left() -> None:
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


def test_the_only_worker_with_the_only_worker_leg_needs_no_label() -> None:
    """The task's attributes name the worker's leg."""
    story = inbound()
    story.attributes["conference"] = {
        "sid": "CF" + "1" * 32,
        "participants": {"worker": ANN, "customer": CUSTOMER_LEG},
    }
    story.reservation("accepted", 2_000, "ann").participant("leave", 8_000, ANN)
    assert [("ann@example.com", 2_000, 8_000)] == spans(story)


@pytest.mark.parametrize(
    "step", ["rejected", "timeout", "canceled", "rescinded", "failed"]
)  # fmt: skip
def test_a_reservation_never_accepted_is_a_session_without_beginning(step: str) -> None:
    """And the call goes on forming its next."""
    story = inbound().reservation("created", 1_000, "ann").reservation(step, 15_000, "ann")
    assert [("ann@example.com", None, 15_000)] == spans(story)
    assert "active" == seen(story).state


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
    """So is the end of the conference, also while somebody is being called."""
    story = talking().reservation("created", 30_000, "bob").conference_end(41_000)
    assert [41_000, 41_000] == [ended for _, _, ended in spans(story)]


def test_a_cold_transfer_ends_one_session_and_leaves_the_call_pending() -> None:
    """Between two workers the call goes on."""
    story = talking().task(
        "transfer-initiated",
        10_000,
        task_transfer_sid="TT1",
        transfer_mode="COLD",
        transfer_status="INITIATED",
    )
    story.reservation("wrapup", 10_200, "ann")
    assert (True, "active") == (seen(story).pending_transfer, seen(story).state)
    story.reservation("created", 10_900, "bob", task_transfer_sid="TT1")
    assert ["ended", "alerting"] == states(story)
    story.reservation("accepted", 14_000, "bob", task_transfer_sid="TT1")
    assert ["ended", "active"] == states(story)
    assert not seen(story).pending_transfer
    story.reservation("wrapup", 60_000, "bob")
    assert ("ended", T0 + 60_000) == (seen(story).state, seen(story).ended_at)


def test_a_failed_transfer_is_no_longer_pending() -> None:
    """Then the call ends with its last worker."""
    story = talking().task("transfer-initiated", 10_000, task_transfer_sid="TT1")
    story.task("transfer-failed", 20_000, task_transfer_sid="TT1")
    story.reservation("wrapup", 30_000, "ann")
    assert ("ended", T0 + 30_000) == (seen(story).state, seen(story).ended_at)


def test_a_transfer_back_makes_two_sessions_of_one_worker() -> None:
    """The leg of her first part ends nothing of the second."""
    story = (
        talking()
        .participant("leave", 10_000, ANN)
        .reservation("created", 20_000, "ann", name="again")
        .reservation("accepted", 21_000, "ann", name="again")
    )
    assert [(2_000, 10_000), (21_000, None)] == [(s, e) for _, s, e in spans(story)]


def test_a_worker_who_loses_his_leg_and_comes_back_stays() -> None:
    """His part is over when the last of his legs is gone, and goes on once he is there again."""
    story = talking().participant("leave", 10_000, ANN)
    assert ["ended"] == states(story)
    story.participant("join", 15_000, leg_sid("again"), ParticipantLabel=worker_sid("ann"))
    assert [("ann@example.com", 2_000, None)] == spans(story)
    story.participant("leave", 40_000, leg_sid("again"))
    assert [("ann@example.com", 2_000, 40_000)] == spans(story)


def test_the_leg_of_one_who_is_only_called_ends_nobody_elses_part() -> None:
    """Ann's leg is not known; Bob's, who does not answer, is no stand-in for it."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    story.reservation("created", 9_000, "bob")
    story.call_status("ringing", 9_100, BOB, To="client:bob_40example_2Ecom")
    story.call_status("completed", 30_000, BOB, CallStatus="no-answer")
    assert ["active", "alerting"] == states(story)


def test_a_customer_who_left_and_is_back_is_on_the_call() -> None:
    """He left when he left for the last time."""
    story = talking().participant("leave", 10_000, CUSTOMER_LEG)
    assert T0 + 10_000 == seen(story).ended_at
    story.participant("join", 14_000, CUSTOMER_LEG)
    assert None is seen(story).ended_at
    story.participant("leave", 50_000, CUSTOMER_LEG)
    assert T0 + 50_000 == seen(story).ended_at


def test_a_conference_that_ended_is_no_end_where_the_customer_is_in_another() -> None:
    """Between two workers it broke off: he waits, and comes into the next, whose callbacks are
    numbered anew. Bob was asked for before it ended."""
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
    """While his leg is known; if it is not, the held one may be his."""
    outside = leg_sid("out")
    story = talking().participant("join", 5_000, outside).participant("hold", 6_000, outside)
    assert ["active"] == states(story)
    unknown = outbound().reservation("accepted", 200, "ann")
    unknown.participant("join", 400, ANN, ParticipantLabel=worker_sid("ann"))
    unknown.participant("join", 5_000, outside).participant("hold", 6_000, outside)
    assert ["hold"] == states(unknown)


def test_a_call_begins_with_its_task() -> None:
    """Not with a callback that tells the second only, or of the time before the queue."""
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


def test_an_outbound_call_that_nobody_answered() -> None:
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


def test_a_supervisor_is_no_session_and_no_answer() -> None:
    """A coaching participant listens; one without a reservation belongs to no session."""
    story = outbound().reservation("accepted", 200, "ann").participant("join", 400, ANN)
    story.participant("join", 900, leg_sid("boss"), Coaching="true")
    assert ["ringing"] == states(story)


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


@pytest.mark.parametrize(
    ("attributes", "extension"),
    [
        (worker_attributes("ann"), "ann@example.com"),
        (worker_attributes("ann", email=None), "ann@example.com"),
        (worker_attributes("ann", email="", contact_uri="client:Ann_5FB"), "ann_b"),
        ({}, "ann"),
    ],
)
def test_the_extension_is_the_email_else_the_contact_else_the_name(
    attributes: dict[str, Any], extension: str
) -> None:
    """Lower case, special characters decoded."""
    worker = json.dumps(attributes)
    call = seen(inbound().reservation("created", 10, "ann", worker_attributes=worker))
    assert extension == call.sessions[0].extension


def test_a_session_tells_team_and_queue() -> None:
    """The policy looks at them."""
    session = seen(talking()).sessions[0]
    assert (
        CallSession(
            reservation_sid=reservation_sid("ann"),
            worker_sid=worker_sid("ann"),
            extension="ann@example.com",
            team="blue",
            queue="sales",
            created_at=T0 + 1_000,
            started_at=T0 + 2_000,
            ended_at=None,
            list_words=session.list_words,
            has_leg=True,
        )
        == session
    )
    assert {"ann@example.com", "team:blue", "worker:ann"} < session.list_words


def test_a_session_that_nothing_else_ends_is_over_with_the_task() -> None:
    """An end of its own, be it later, takes that one's place."""
    story = talking().task("completed", 50_000)
    assert [("ann@example.com", 2_000, 50_000)] == spans(story)
    assert ("ended", T0 + 50_000) == (seen(story).state, seen(story).ended_at)
    story.reservation("completed", 50_080, "ann")
    assert [("ann@example.com", 2_000, 50_080)] == spans(story)


def test_earlier_of_exact_and_whole_seconds() -> None:
    """Whole seconds lose only within their own second."""
    assert 1_700 == earlier(1_700, 1_000)
    assert 1_000 == earlier(2_700, 1_000)
    assert 1_200 == earlier(1_700, 1_200)
    assert 5 == earlier(None, 5)
    assert 5 == earlier(5, None)
