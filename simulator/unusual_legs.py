"""Calls in which neither labels nor the schemes of addresses show which leg is the customer's."""

from simulator.openings import conversation_begins, dialled
from simulator.people import ANN, SID, SUE, SUPPORT, TESS, Agent
from simulator.unusual import UnusualCall


def third_party_labelled(call: UnusualCall) -> None:
    """Inbound, a labelled third party comes and leaves"""
    conversation_begins(call)
    call.wait(1500)
    guest = call.call_outside(call.any_label())
    call.wait(1200)
    call.drop_out(guest)
    call.wait(3500)
    call.hang_up()


def outbound_third_party(call: UnusualCall) -> None:
    """Outbound, only a third party has a label"""
    call.unlabelled()
    if call.random.random() < 0.5:
        call.without_call_callbacks()
    dialled(call)
    call.wait(400)
    call.rings(listed=False)
    call.wait(1000)
    call.answered()
    call.records(ANN)
    call.wait(2000)
    guest = call.call_outside(call.any_label())
    call.wait(1200)
    call.drop_out(guest)
    call.wait(3500)
    call.hang_up()


def outbound_sip(call: UnusualCall) -> None:
    """Outbound to a SIP address, no labels"""
    user = f"Desk.{call.number}"
    stated = call.random.choice(
        (f"sip:{user}@PBX.example.com:5061;transport=tls", f"sips:{user}@pbx.example.com")
    )
    call.customer_is(stated, f"sip:{user.lower()}@pbx.example.com;user=phone")
    _outbound_without_labels(call, ANN)


def outbound_odd_number(call: UnusualCall) -> None:
    """Outbound, number in another notation, no labels"""
    digits = call.phone.removeprefix("+")
    spaced = f"+{digits[0]} ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    call.customer_is(call.random.choice((spaced, digits, f"00{digits}")), f"+{digits}")
    _outbound_without_labels(call, ANN)


def agent_on_telephone(call: UnusualCall) -> None:
    """Outbound, agent on a telephone, no labels, a muted supervisor"""
    call.without_call_callbacks()
    _outbound_without_labels(call, TESS, supervisor=SUE)


def agent_on_sip(call: UnusualCall) -> None:
    """Outbound to a SIP address, agent on a SIP telephone, no labels"""
    call.without_call_callbacks()
    call.customer_is(
        f"sip:guest-{call.number}@pbx.example.com", f"sip:guest-{call.number}@PBX.example.com"
    )
    _outbound_without_labels(call, SID)


def supervised_while_ringing(call: UnusualCall) -> None:
    """Outbound, a muted supervisor joins while it rings"""
    call.unlabelled()
    dialled(call)
    call.wait(400)
    call.rings(listed=False)
    call.wait(500)
    call.listen_in_muted(SUE)
    call.wait(2500)
    call.answered()
    call.records(ANN)
    call.wait(5000)
    call.hang_up()


def supervised_unanswered(call: UnusualCall) -> None:
    """Outbound, a muted supervisor joins, no answer"""
    dialled(call)
    call.wait(400)
    call.rings(listed=True)
    call.wait(500)
    call.listen_in_muted(SUE)
    call.wait(4000)
    call.unanswered()


def page_reload(call: UnusualCall) -> None:
    """The agent's page is loaded again: another leg without a label"""
    ann = conversation_begins(call)
    call.wait(3500)
    call.stops_recording()
    call.lose_leg(ann)
    call.wait(4000)
    call.rejoin(ann)
    call.records(ANN)
    call.wait(5000)
    call.hang_up()


def stranger_instead_of_agent(call: UnusualCall) -> None:
    """The agent's leg leaves; the leg that joins is not the agent's"""
    ann = conversation_begins(call)
    call.wait(4000)
    call.stops_recording()
    call.lose_leg(ann)
    call.wait(1500)
    call.call_outside()
    call.wait(5000)
    call.hang_up()


def customer_named_anew(call: UnusualCall) -> None:
    """Inbound, the attributes name a third party's leg as the customer's"""
    ann = conversation_begins(call)
    call.wait(1500)
    call.hold(on=True)
    guest = call.call_outside(call.any_label())
    call.states_conference(ann, customer=guest)
    call.wait(1200)
    call.drop_out(guest)
    call.wait(600)
    call.hold(on=False)
    call.wait(2500)
    call.hang_up()


def outbound_customer_named_anew(call: UnusualCall) -> None:
    """Outbound, `call_sid` is the agent's leg; later a third party is named as the customer"""
    ann = dialled(call)
    call.states(call_sid=call.leg_of(ann))
    call.wait(400)
    call.rings(listed=False)
    call.wait(1000)
    call.answered()
    call.states_conference(ann)
    call.records(ANN)
    call.wait(1500)
    call.hold(on=True)
    guest = call.call_outside(call.any_label())
    call.states_conference(ann, customer=guest)
    call.wait(1200)
    call.drop_out(guest)
    call.wait(600)
    call.hold(on=False)
    call.wait(2500)
    call.hang_up()


def _outbound_without_labels(
    call: UnusualCall, agent: Agent, supervisor: Agent | None = None
) -> None:
    call.unlabelled()
    call.outbound(SUPPORT)
    call.wait(200)
    part = call.offer(agent)
    call.wait(300)
    call.accept(part)
    call.wait(500)
    call.rings(listed=False)
    call.wait(400)
    if supervisor is not None:
        call.listen_in_muted(supervisor)
    call.wait(1600)
    call.answered()
    call.records(agent)
    call.wait(5000)
    call.hang_up()


LEGS = (
    page_reload,
    outbound_customer_named_anew,
    stranger_instead_of_agent,
    outbound_third_party,
    customer_named_anew,
    supervised_while_ringing,
    third_party_labelled,
    outbound_sip,
    outbound_odd_number,
    agent_on_telephone,
    agent_on_sip,
    supervised_unanswered,
)
"""The longest first."""
