"""Identification of legs in real contact centers: labels are free text, agents are on telephones,
legs come back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.legs import Legs
from pipeline.calls.lifetime import hear_fetched
from pipeline.calls.merge import Folded, fold
from pipeline.calls.view import CallView, view
from pipeline.policy.decide import decide, published
from pipeline.streams.marks import customer_marks
from schemas.records import Call, CtiEvent, LegFetched
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    outbound,
    worker_attributes,
    worker_sid,
)
from tests.pipeline.streams.world import HISTORY

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
        heard = hear_fetched(call, each, T0)
        assert isinstance(heard.state, Call)
        call = heard.state
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
    told, reason = published(decision, "record")
    assert (False, "stop") == (decision.record, told)
    assert "the leg of ann@example.com is gone, the reservation is open" in reason


@pytest.mark.parametrize("how", ["end", "label", "sid", "identity", "fetched label"])
def test_an_agent_who_comes_back_on_another_leg_continues_the_session(how: str) -> None:
    """A leg that its end, label or SID shows to be the agent's; the absence is kept."""
    story = talking().participant("leave", 30_000, ANN)
    told: list[LegFetched] = []
    if how == "label":
        story.participant("join", 95_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    else:
        story.participant("join", 95_000, AGAIN)
    if how == "sid":
        people = {"worker": AGAIN, "customer": CUSTOMER_LEG}
        story.attributes["conference"]["participants"] = people
        story.task("updated", 96_000)
    if how == "end":
        told.append(fetched(AGAIN, "client:ann_40example_2Ecom"))
    if how == "fetched label":
        told.append(fetched(AGAIN, "+15550333", label="Ann@Example.com"))
    if how == "identity":
        told.append(fetched(AGAIN, "+15550177", worker="ann"))
    call = seen(story, *told)
    [session] = call.sessions
    assert (session.is_open, session.is_absent) == (True, False)
    assert ((T0 + 30_000, T0 + 95_000),) == session.absences
    assert decide(call, HISTORY, T0 + 96_000).record


def test_a_leg_that_nothing_identifies_is_not_the_agents() -> None:
    """Nor is one that leads to another end."""
    story = talking().participant("leave", 30_000, ANN).participant("join", 95_000, AGAIN)
    for told in ([], [fetched(AGAIN, "+15550333")], [fetched(AGAIN, "client:boss")]):
        call = seen(story, *told)
        assert call.sessions[0].is_absent
        assert not decide(call, HISTORY, T0 + 96_000).record


def test_a_second_leg_that_comes_within_a_second_is_no_absence() -> None:
    """Callbacks are exact to the second."""
    story = talking().participant("leave", 30_000, ANN)
    story.participant("join", 30_900, AGAIN, ParticipantLabel=worker_sid("ann"))
    assert () == seen(story).sessions[0].absences
    early = talking().participant("join", 28_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    assert () == seen(early.participant("leave", 30_000, ANN)).sessions[0].absences


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


_KINDS = st.sampled_from(["join", "leave", "hold", "mute", "call", "ends"])
_ENDS = st.sampled_from(
    [CUSTOMER, "client:ann_40example_2Ecom", "sip:x@y.example", "Anonymous", OURS, "+15550177"]
)
_MORE = st.lists(
    st.tuples(
        _KINDS,
        st.integers(4, 60).map(lambda n: n * 1_000),
        st.sampled_from([ANN, CUSTOMER_LEG, OUTSIDE, AGAIN]),
        st.sampled_from(LABELS),
        _ENDS,
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from([inbound, outbound]), _MORE, st.data())
def test_any_order_of_legs_events_means_the_same(
    begun: Any, more: list[tuple[str, int, str, str, str, bool]], data: st.DataObject
) -> None:
    """Labels, ends, legs that come back, and Twilio's answers, in any order and repeated."""
    story, told = talking(begun()), []
    for kind, at, leg, label, end, muted in more:
        if kind == "call":
            story.call_status("answered", at, leg, From=OURS, To=end, Direction="outbound-api")
        elif kind == "ends":
            told.append(fetched(leg, end))
        else:
            flag = str(muted).lower()
            story.participant(kind, at, leg, ParticipantLabel=label, Muted=flag)
    again = data.draw(st.permutations(story.events))
    repeated = data.draw(st.lists(st.sampled_from(story.events), max_size=3))
    one = folded(story.events, *told)
    two = folded([*again, *repeated], *data.draw(st.permutations(told)))
    assert view(one) == view(two)
    found = view(one)
    assert CUSTOMER_LEG not in sids(found.legs)["workers"] or begun is outbound
    if begun is inbound:
        gone = [leg for leg in found.legs.customers if leg.call_sid == CUSTOMER_LEG]
        assert found.definitive_end is None or all(leg.facts.get("presence") for leg in gone)


def test_a_label_customer_does_not_outrank_an_earlier_leg_that_nothing_identifies() -> None:
    """The call was complete before it joined: agent's leg and one more."""
    story = Story(attributes={}).task("created", 0).reservation("accepted", 1_000, "ann")
    story.participant("join", 2_000, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 3_000, leg_sid("c"))
    story.participant("join", 20_000, OUTSIDE, ParticipantLabel="customer")
    call = seen(story.participant("leave", 30_000, OUTSIDE))
    assert (None, False) == (call.definitive_end, call.customer_leg_is_sure)


def test_a_label_and_attributes_that_disagree_are_not_sure() -> None:
    """Attributes named the agent's own leg late; the ends will tell the two apart."""
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


def test_an_agents_own_leg_is_not_named_as_the_customers() -> None:
    """Attributes name the leg that its end shows to be the agent's; the contact names none."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.call_status("answered", 300, ANN, To="client:ann_40example_2Ecom")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    call = seen(story.task("updated", 1_000))
    assert (None, False) == (call.customer_call_sid, call.customer_leg_is_sure)


def test_a_customer_who_is_called_again_is_on_the_leg_that_is_there() -> None:
    """Only labels say so; the first leg is gone."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel=worker_sid("ann"))
    story.participant("join", 3_000, leg_sid("c"), ParticipantLabel="customer")
    story.participant("leave", 9_000, leg_sid("c"))
    story.participant("join", 20_000, leg_sid("c2"), ParticipantLabel="customer")
    assert leg_sid("c2") == seen(story).customer_call_sid


def test_a_workers_end_holds_for_each_reservation_of_the_worker() -> None:
    """The second reservation came without attributes; the leg on which it was taken leaves."""
    story = inbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.reservation("created", 9_000, "ann", name="again", worker_attributes="")
    story.reservation("accepted", 10_000, "ann", name="again", worker_attributes="")
    story.call_status("answered", 10_000, AGAIN, To="client:ann_40example_2Ecom")
    story.participant("join", 10_000, AGAIN, ParticipantLabel=worker_sid("ann"))
    story.participant("leave", 20_000, AGAIN)
    assert [False, True] == [session.is_absent for session in seen(story).sessions]


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
