"""The customer's leg among the participants of a conference."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.ends import NO_ENDS, LegEnds, leg_ends
from pipeline.streams.marks import NoLeg, Participant
from pipeline.streams.participants import Marks, customer_leg, without_ends

MARKS = Marks(
    workers=frozenset({"worker", "agent", "ann@example.com", "ca-ann"}),
    customers=frozenset({"customer"}),
    worker_ends=frozenset({"client:ann@example.com", "tel:15550177"}),
    customer_ends=frozenset({"tel:15550100"}),
)
ANN = Participant("CA-ann", "", "connected")
CUSTOMER = Participant("CA-cust", "", "connected")
OUTSIDE = Participant("CA-out", "external", "connected")
BOSS = Participant("CA-boss", "", "connected")
OURS = "+15559999"
TO_CUSTOMER = leg_ends(OURS, "+1 555 0100", "outbound-api")
TO_AGENT = leg_ends("+15550100", "+15550177", "outbound-api")
TO_OUTSIDE = leg_ends(OURS, "+15550333", "outbound-api")
TO_BOSS = leg_ends(OURS, "client:boss", "outbound-api")


def chosen(
    *participants: Participant, marks: Marks = MARKS, **ends: LegEnds
) -> Participant | NoLeg:
    """The customer's leg, by ends of the legs `CA-NAME`."""
    return customer_leg(participants, marks, {f"CA-{name}": each for name, each in ends.items()})


def test_the_leg_beside_a_workers_own_is_the_customers() -> None:
    """By elimination, if nothing marks it and its ends are not known."""
    assert chosen(ANN, CUSTOMER) == CUSTOMER
    assert chosen(ANN, OUTSIDE) == OUTSIDE


def test_ends_come_before_labels() -> None:
    """An outside party labelled `customer`, or anything, is not the customer."""
    for label in ("external", "customer", "caller", "transfer-target", "agent", ""):
        outside = replace(OUTSIDE, label=label)
        found = chosen(ANN, outside, CUSTOMER, cust=TO_CUSTOMER, out=TO_OUTSIDE)
        assert found == CUSTOMER, label


def test_the_agents_own_telephone_is_never_streamed() -> None:
    """Also while the customer's leg rings, and a supervisor's client listens."""
    phone = Participant("CA-phone", "", "connected")
    ringing = replace(CUSTOMER, status="ringing")
    ends = {"phone": TO_AGENT, "boss": TO_BOSS, "cust": TO_CUSTOMER}

    assert chosen(phone, **ends) is NoLeg.NOBODY
    assert chosen(phone, BOSS, **ends) is NoLeg.NOBODY
    assert chosen(BOSS, phone, ringing, **ends) is NoLeg.RINGING
    assert chosen(BOSS, phone, CUSTOMER, **ends) == CUSTOMER


def test_a_telephone_of_an_agent_without_a_known_contact_is_not_streamed() -> None:
    """Its number is another than the one that was called."""
    phone = Participant("CA-phone", "", "connected")
    unknown = replace(MARKS, worker_ends=frozenset(), workers=frozenset())
    found = chosen(BOSS, phone, marks=unknown, boss=TO_BOSS, phone=TO_OUTSIDE)
    assert found is NoLeg.NOBODY


def test_an_outbound_call_to_a_sip_address() -> None:
    """In whatever notation Twilio gives it; agents are on SIP phones too."""
    marks = replace(
        MARKS,
        customer_ends=frozenset({"sip:bob@pbx.example.com"}),
        worker_ends=frozenset({"sip:ann@phones.example.com"}),
    )
    to_bob = leg_ends(OURS, "sips:Bob@PBX.example.com:5061;transport=tls", "outbound-api")
    to_ann = leg_ends(OURS, "sip:ann@phones.example.com:5060", "outbound-api")
    phone = Participant("CA-phone", "", "connected")

    assert chosen(phone, CUSTOMER, marks=marks, cust=to_bob, phone=to_ann) == CUSTOMER
    assert chosen(phone, marks=marks, phone=to_ann) is NoLeg.NOBODY


def test_the_caller_id_of_an_agents_leg_is_not_the_customer() -> None:
    """Flex calls agents with the customer's number as `from`."""
    to_client = leg_ends("+15550100", "client:somebody", None)
    assert chosen(CUSTOMER, cust=to_client) is NoLeg.NOBODY
    assert chosen(ANN, CUSTOMER, cust=to_client) is NoLeg.NOBODY


def test_an_uncertain_leg_is_not_streamed() -> None:
    """No leg, a ringing one, two that may be the customer's, a lone one that may be the agent's."""
    ringing = replace(CUSTOMER, status="ringing")
    listener = Participant("CA-boss", "", "connected", coaching=True)
    muted = replace(BOSS, muted=True)

    assert chosen(ANN, listener) is NoLeg.NOBODY
    assert chosen(ANN, muted) is NoLeg.NOBODY
    assert chosen(ANN, replace(BOSS, label="Supervisor-7")) is NoLeg.NOBODY
    assert chosen(ANN, ringing) is NoLeg.RINGING
    assert chosen(ANN, CUSTOMER, OUTSIDE) is NoLeg.AMBIGUOUS
    assert chosen(CUSTOMER) is NoLeg.UNSURE
    assert chosen(replace(CUSTOMER, label="customer")).label == "customer"  # type: ignore[union-attr]


def test_an_agent_on_their_own_telephone_is_identified_by_elimination() -> None:
    """Two legs have the same end; only the agent's label distinguishes them."""
    marks = replace(MARKS, customer_ends=frozenset({"tel:15550177"}))
    first, second = replace(ANN, label="ann@example.com"), CUSTOMER
    assert chosen(first, second, marks=marks, ann=TO_AGENT, cust=TO_AGENT) == CUSTOMER
    lone = Participant("CA-x", "", "connected")
    assert chosen(lone, marks=marks, x=TO_AGENT) is NoLeg.UNSURE


def test_a_label_of_a_leg_that_joined_a_complete_call_does_not_decide() -> None:
    """A leg that was there before it may be the customer's."""
    late = Participant("CA-late", "customer", "connected", joined_at=30.0)
    agent, first = replace(ANN, joined_at=10.0), replace(CUSTOMER, joined_at=20.0)
    assert chosen(agent, first, late) is NoLeg.AMBIGUOUS
    assert chosen(agent, replace(first, joined_at=40.0), late) == late
    assert chosen(agent, late) == late


def test_sids_of_the_task_come_first() -> None:
    """Of several the one with the customer's ends."""
    marks = replace(MARKS, customers=frozenset({"ca-out", "customer"}))
    assert chosen(ANN, CUSTOMER, OUTSIDE, marks=marks, cust=TO_CUSTOMER) == OUTSIDE
    both = replace(MARKS, customers=frozenset({"ca-out", "ca-cust"}))
    assert chosen(ANN, CUSTOMER, OUTSIDE, marks=both, cust=TO_CUSTOMER) == CUSTOMER
    assert chosen(ANN, CUSTOMER, OUTSIDE, marks=both) is NoLeg.AMBIGUOUS


@pytest.mark.parametrize(
    ("participants", "expected"),
    [
        ([ANN, replace(CUSTOMER, label="customer")], ()),
        ([BOSS, replace(CUSTOMER, label="customer")], ("CA-boss", "CA-cust")),
        ([replace(BOSS, label="agent"), replace(CUSTOMER, label="customer")], ()),
        ([replace(CUSTOMER, label="customer")], ("CA-cust",)),
        ([replace(ANN, label="worker"), ANN, replace(CUSTOMER, label="customer")], ()),
        ([BOSS, OUTSIDE, replace(CUSTOMER, label="customer")], ("CA-boss", "CA-out", "CA-cust")),
        ([replace(ANN, label="ann@example.com"), CUSTOMER], ("CA-cust",)),
        ([replace(ANN, label="worker")], ()),
        ([BOSS, replace(CUSTOMER, label="worker")], ("CA-boss", "CA-cust")),
        ([replace(BOSS, coaching=True), ANN], ("CA-ann",)),
    ],
)
def test_ends_are_asked_for_only_if_nothing_else_decides(
    participants: list[Participant], expected: tuple[str, ...]
) -> None:
    """A request for each leg; the usual conference, with labels, needs none."""
    assert without_ends(participants, MARKS) == expected


def test_an_agents_own_telephone_labelled_customer_is_not_streamed() -> None:
    """The ends are asked for, since no label shows a worker's leg."""
    phone = Participant("CA-phone", "customer", "connected")
    assert without_ends([phone, CUSTOMER], MARKS) == ("CA-phone", "CA-cust")
    assert chosen(phone, CUSTOMER, phone=TO_AGENT, cust=TO_CUSTOMER) == CUSTOMER
    assert chosen(phone, phone=TO_AGENT) is NoLeg.NOBODY


_ENDS = st.sampled_from([NO_ENDS, TO_CUSTOMER, TO_AGENT, TO_OUTSIDE, TO_BOSS])
_LEGS = st.lists(
    st.tuples(
        st.sampled_from(["", "customer", "external", "ann@example.com", "supervisor"]),
        _ENDS,
        st.sampled_from(["", "connected", "ringing"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
)


@given(_LEGS, st.randoms())
def test_an_agents_own_leg_is_never_chosen(
    legs: list[tuple[str, LegEnds, str, bool, bool]], random: object
) -> None:
    """Nor one that is known to lead elsewhere; whatever the labels and the order."""
    participants = [
        Participant(f"CA-{n}", label, status, coaching, muted=muted)
        for n, (label, _, status, coaching, muted) in enumerate(legs)
    ]
    ends = {f"CA-{n}": each for n, (_, each, _, _, _) in enumerate(legs)}
    found = customer_leg(participants, MARKS, ends)
    shuffled = list(participants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert customer_leg(shuffled, MARKS, ends) == found
    if isinstance(found, Participant):
        assert ends[found.call_sid] is not TO_AGENT
        assert not found.coaching
        assert found.status != "ringing"
        assert found.label == "customer" or ends[found.call_sid] in (NO_ENDS, TO_CUSTOMER)
