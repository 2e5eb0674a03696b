"""The view of a call: the sessions of its workers."""

import json
from typing import Any

import pytest

from pipeline.calls.sessions import CallSession, earlier
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    inbound,
    leg_sid,
    outbound,
    reservation_sid,
    worker_attributes,
    worker_sid,
)
from tests.pipeline.calls.views import ANN, BOB, seen, spans, states, talking


def test_a_workers_session_ends_when_his_own_leg_leaves() -> None:
    """The participant leaving may come long before the wrap-up."""
    story = talking().participant("leave", 30_500, ANN)
    assert [("ann@example.com", 2_000, 30_000)] == spans(story)  # callbacks have whole seconds
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
    """And the call continues with the next one."""
    story = inbound().reservation("created", 1_000, "ann").reservation(step, 15_000, "ann")
    assert [("ann@example.com", None, 15_000)] == spans(story)
    assert "active" == seen(story).state


def test_a_cold_transfer_ends_one_session_and_leaves_the_call_pending() -> None:
    """Between two workers the call continues."""
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
    """The leg of Ann's first part does not end the second."""
    story = (
        talking()
        .participant("leave", 10_000, ANN)
        .reservation("created", 20_000, "ann", name="again")
        .reservation("accepted", 21_000, "ann", name="again")
    )
    assert [(2_000, 10_000), (21_000, None)] == [(s, e) for _, s, e in spans(story)]


def test_a_worker_who_loses_a_leg_and_comes_back_stays() -> None:
    """The session ends with the worker's last leg, and continues once the worker is back."""
    story = talking().participant("leave", 10_000, ANN)
    assert ["ended"] == states(story)
    story.participant("join", 15_000, leg_sid("again"), ParticipantLabel=worker_sid("ann"))
    assert [("ann@example.com", 2_000, None)] == spans(story)
    story.participant("leave", 40_000, leg_sid("again"))
    assert [("ann@example.com", 2_000, 40_000)] == spans(story)


def test_the_leg_of_a_ringing_worker_ends_no_other_session() -> None:
    """Ann's leg is not known; the leg of Bob, still ringing, is no substitute for it."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    story.reservation("created", 9_000, "bob")
    story.call_status("ringing", 9_100, BOB, To="client:bob_40example_2Ecom")
    story.call_status("completed", 30_000, BOB, CallStatus="no-answer")
    assert ["active", "alerting"] == states(story)


def test_a_supervisor_is_no_session_and_no_answer() -> None:
    """A coaching participant listens; one without a reservation belongs to no session."""
    story = outbound().reservation("accepted", 200, "ann").participant("join", 400, ANN)
    story.participant("join", 900, leg_sid("boss"), Coaching="true")
    assert ["ringing"] == states(story)


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


def test_a_session_has_team_and_queue() -> None:
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


def test_an_absence_begins_no_earlier_than_the_acceptance() -> None:
    """A leg may leave in the second of the acceptance; the session had not begun before."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 10_500, "ann")
    for step, at, leg in [
        ("join", 5_000, "first"),
        ("leave", 10_000, "first"),
        ("join", 20_000, "again"),
    ]:
        story.participant(step, at, leg_sid(leg), ParticipantLabel=worker_sid("ann"))
    [session] = seen(story).sessions
    assert ((T0 + 10_500, T0 + 20_000),) == session.absences


def test_a_session_is_pending_until_it_is_accepted_or_over() -> None:
    """And open from the acceptance to the end."""
    story = inbound().reservation("created", 1_000, "ann")
    found = []
    for step in ("accepted", "wrapup"):
        found += seen(story).sessions
        story.reservation(step, 5_000, "ann")
    missed = inbound().reservation("created", 1_000, "ann").reservation("timeout", 9_000, "ann")
    found += [*seen(story).sessions, *seen(missed).sessions]
    assert [True, False, False, False] == [session.is_pending for session in found]
    assert [False, True, False, False] == [session.is_open for session in found]
