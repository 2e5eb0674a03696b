"""Identification of the legs of agents and supervisors."""

import json

import pytest

from pipeline.policy.decide import decide, published
from schemas.records import LegFetched
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    inbound,
    leg_sid,
    outbound,
    worker_attributes,
    worker_sid,
)
from tests.pipeline.calls.identified import (
    AGAIN,
    ANN,
    BOSS,
    fetched,
    seen,
    sids,
    talking,
)
from tests.pipeline.streams.world import HISTORY


@pytest.mark.parametrize(
    ("contact", "called"),
    [
        ("+15550177", "+1-555-0177"),
        ("tel:+15550177", "0015550177"),
        ("sip:ann@phones.example.com", "SIP:Ann@phones.example.com:5060;user=phone"),
        ("client:ann_2Esmith", "client:ann.smith"),
    ],
)
def test_an_agents_own_leg_is_known_by_the_contact_uri(contact: str, called: str) -> None:
    """A telephone, a SIP phone or a Flex client; its leaving is the agent's."""
    worker = json.dumps(worker_attributes("ann", contact_uri=contact))
    story = outbound().reservation("accepted", 200, "ann", worker_attributes=worker)
    story.call_status("answered", 300, ANN, From=CUSTOMER, To=called, Direction="outbound-api")
    story.participant("join", 300, ANN)
    call = seen(story)
    assert ({ANN}, False) == (sids(call.legs)["workers"], call.answered)
    assert not seen(story.participant("leave", 9_000, ANN)).sessions[0].is_open


def test_a_supervisor_who_joins_muted_answers_nothing() -> None:
    """While an outbound call rings, on a Flex client or a telephone."""
    for leg, to in [(BOSS, None), (leg_sid("b2"), "client:boss")]:
        story = outbound().reservation("accepted", 200, "ann").participant("join", 300, ANN)
        story.participant("join", 4_000, leg, Muted="true")
        if to:
            story.call_status("answered", 4_000, leg, To=to, Direction="outbound-api")
        call = seen(story)
        assert (False, ["ringing"]) == (call.answered, [c.state for c in call.connections])
        call = seen(story.participant("join", 9_000, leg_sid("c"), Muted="false"))
        assert (True, ["active"]) == (call.answered, [c.state for c in call.connections])


def test_an_agents_own_leg_on_hold_that_only_the_task_names() -> None:
    """Is shown as hold."""
    story = talking().participant("hold", 9_000, ANN)
    assert ["hold"] == [c.state for c in seen(story).connections]
    assert ["active"] == [
        c.state for c in seen(story.participant("unhold", 11_000, ANN)).connections
    ]


def test_while_the_agents_leg_is_gone_the_call_is_not_recorded() -> None:
    """The reservation is open; the reason says so."""
    call = seen(talking().participant("leave", 30_000, ANN))
    [session] = call.sessions
    assert (session.is_absent, session.is_open) == (True, False)
    decision = decide(call, HISTORY, T0 + 31_000)
    kind, reason = published(decision, "record")
    assert (False, "stop") == (decision.record, kind)
    assert "the leg of ann@example.com is gone, the reservation is open" in reason


@pytest.mark.parametrize("how", ["end", "label", "sid", "identity", "fetched label"])
def test_an_agent_who_comes_back_on_another_leg_continues_the_session(how: str) -> None:
    """A leg that its end, label or SID shows to be the agent's; the absence is kept."""
    story = talking().participant("leave", 30_000, ANN)
    fetched_legs: list[LegFetched] = []
    if how == "label":
        story.participant("join", 95_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    else:
        story.participant("join", 95_000, AGAIN)
    if how == "sid":
        people = {"worker": AGAIN, "customer": CUSTOMER_LEG}
        story.attributes["conference"]["participants"] = people
        story.task("updated", 96_000)
    if how == "end":
        fetched_legs.append(fetched(AGAIN, "client:ann_40example_2Ecom"))
    if how == "fetched label":
        fetched_legs.append(fetched(AGAIN, "+15550333", label="Ann@Example.com"))
    if how == "identity":
        fetched_legs.append(fetched(AGAIN, "+15550177", worker="ann"))
    call = seen(story, *fetched_legs)
    [session] = call.sessions
    assert (session.is_open, session.is_absent) == (True, False)
    assert ((T0 + 30_000, T0 + 95_000),) == session.absences
    assert decide(call, HISTORY, T0 + 96_000).record


def test_a_leg_that_nothing_identifies_is_not_the_agents() -> None:
    """Nor is one that leads to another end."""
    story = talking().participant("leave", 30_000, ANN).participant("join", 95_000, AGAIN)
    for fetched_legs in ([], [fetched(AGAIN, "+15550333")], [fetched(AGAIN, "client:boss")]):
        call = seen(story, *fetched_legs)
        assert call.sessions[0].is_absent
        assert not decide(call, HISTORY, T0 + 96_000).record


def test_a_second_leg_that_comes_within_a_second_is_no_absence() -> None:
    """Callbacks are exact to the second."""
    story = talking().participant("leave", 30_000, ANN)
    story.participant("join", 30_900, AGAIN, ParticipantLabel=worker_sid("ann"))
    assert () == seen(story).sessions[0].absences
    early = talking().participant("join", 28_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    assert () == seen(early.participant("leave", 30_000, ANN)).sessions[0].absences


def test_an_agents_own_leg_is_not_named_as_the_customers() -> None:
    """Attributes name the leg that its end shows to be the agent's; the contact names none."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.call_status("answered", 300, ANN, To="client:ann_40example_2Ecom")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    call = seen(story.task("updated", 1_000))
    assert (None, False) == (call.customer_call_sid, call.customer_leg_is_sure)


def test_a_workers_end_holds_for_each_reservation_of_the_worker() -> None:
    """The second reservation came without attributes; the leg on which it was taken leaves."""
    story = inbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.reservation("created", 9_000, "ann", name="again", worker_attributes="")
    story.reservation("accepted", 10_000, "ann", name="again", worker_attributes="")
    story.call_status("answered", 10_000, AGAIN, To="client:ann_40example_2Ecom")
    story.participant("join", 10_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    story.participant("leave", 20_000, AGAIN)
    assert [False, True] == [session.is_absent for session in seen(story).sessions]
