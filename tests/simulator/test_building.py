"""What people do in a call results in steps and expectations."""

import json
from random import Random
from typing import Any

import pytest

from simulator.building import CALLED, FOREIGN, START_SLACK_MS, CallBuilder
from simulator.events import Account
from simulator.people import ANN, BEN, CLEO, LEGAL, SUE, SUPPORT, UGO, UMA
from simulator.script import (
    AgentListed,
    EventSent,
    HoldChanged,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    ParticipantJoined,
    ParticipantLeft,
    Script,
)
from simulator.unlike import Unlike

BEGIN = 1_700_000_000_000
TASKROUTER = "com.twilio.taskrouter."


def building(*unlike: Unlike) -> CallBuilder:
    """A call that begins."""
    account = Account("AC" + "0" * 32, "WS" + "1" * 32)
    return CallBuilder(BEGIN, account, Random(1), 1, frozenset(unlike))


def script(call: CallBuilder) -> Script:
    """The call that was built."""
    return call.script("case", "title")


def actions(call: CallBuilder, kind: type) -> list[Any]:
    """The steps of one kind so far, in order of time; the call need not have ended."""
    steps = sorted(call._stage.steps, key=lambda step: step.at)
    return [step.action for step in steps if isinstance(step.action, kind)]


def payloads(call: CallBuilder) -> list[tuple[str, Json]]:
    """TaskRouter's events: name and payload."""
    events = [sent.event for sent in actions(call, EventSent)]
    return [
        (event["type"].removeprefix(TASKROUTER), event["data"]["payload"])
        for event in events
        if event["type"].startswith(TASKROUTER)
    ]


def attributes(call: CallBuilder) -> Json:
    """The task's attributes in its last event."""
    found: Json = json.loads(payloads(call)[-1][1]["task_attributes"])
    return found


def callbacks(call: CallBuilder) -> list[str]:
    """The names of the conference callbacks."""
    events = [sent.event["data"] for sent in actions(call, EventSent)]
    parameters = [data["request"]["parameters"] for data in events if "request" in data]
    return [each["StatusCallbackEvent"] for each in parameters if "StatusCallbackEvent" in each]


def answered_inbound(*unlike: Unlike) -> tuple[CallBuilder, Any]:
    """A call that Ann has answered, and Ann's part."""
    call = building(*unlike)
    call.inbound(SUPPORT)
    part = call.offer(ANN)
    call.wait(1000)
    call.accept(part)
    return call, part


def test_an_inbound_call_has_its_leg_from_the_beginning() -> None:
    """The task names it; the customer is the caller, for the agent's leg too."""
    call, part = answered_inbound()
    call.hang_up()
    made = script(call)
    leg, agents = actions(call, LegBegan)
    assert (agents.ends.caller, agents.ends.called) == (leg.ends.caller, ANN.contact_uri)
    assert (made.customer_call_sid, CALLED) == (leg.call_sid, leg.ends.called)
    assert leg.ends.caller == made.expectation.customer
    stated = json.loads(payloads(call)[0][1]["task_attributes"])
    assert (leg.call_sid, "inbound") == (stated["call_sid"], stated["direction"])
    assert ("inbound", SUPPORT, "answered") == (
        made.expectation.direction, made.expectation.queue, made.expectation.outcome,
    )  # fmt: skip
    (session,) = made.expectation.sessions
    assert (BEGIN + 1100, made.ends_at) == (session.started_at, session.ended_at)
    assert {leg.call_sid, part.call_sid} == {j.call_sid for j in actions(call, ParticipantJoined)}


def test_an_outbound_call_has_its_leg_when_it_rings() -> None:
    """The conference lists it from then or from the answer on; the callback comes at the answer."""
    for listed in (True, False):
        call = building()
        call.outbound(SUPPORT)
        call.accept(call.offer(ANN))
        call.rings(listed=listed)
        leg = actions(call, LegBegan)[-1].call_sid
        assert listed == (leg in {j.call_sid for j in actions(call, ParticipantJoined)})
        assert 1 == callbacks(call).count("participant-join")
        call.answered()
        assert 1 == [j.call_sid for j in actions(call, ParticipantJoined)].count(leg)
        assert 2 == callbacks(call).count("participant-join")
        assert [LegChanged(leg, LegStatus.IN_PROGRESS)] == actions(call, LegChanged)
        call.hang_up()
        assert leg == script(call).customer_call_sid


def test_a_customer_that_does_not_answer_ends_the_call() -> None:
    """The leg was never in progress."""
    call = building()
    call.outbound(SUPPORT)
    call.accept(call.offer(ANN))
    call.rings(listed=True)
    call.unanswered()
    changes = [c.status for c in actions(call, LegChanged)]
    assert [LegStatus.NO_ANSWER, LegStatus.COMPLETED] == changes
    assert "unanswered" == script(call).expectation.outcome


def test_a_call_between_colleagues_has_no_customer() -> None:
    """It is internal, and not recorded."""
    call = building()
    call.internal(ANN, BEN)
    stated, expected = attributes(call), script(call).expectation
    assert (True, BEN.contact_uri) == (stated["client_call"], stated["to"])
    assert ("internal", None) == (expected.direction, expected.customer)


def test_an_agent_who_rejects_has_no_leg() -> None:
    """The session was never accepted."""
    call = building()
    call.inbound(SUPPORT)
    call.reject(call.offer(ANN))
    (session,) = script(call).expectation.sessions
    assert (None, False) == (session.started_at, session.monitored)
    assert "reservation.rejected" == payloads(call)[-1][0]
    assert [] == actions(call, ParticipantJoined)


def test_a_customer_who_gives_up_is_lost() -> None:
    """Open reservations and the task are canceled, and there was no conference."""
    call = building()
    call.inbound(SUPPORT)
    call.reject(call.offer(BEN))
    call.wait(50)
    call.offer(ANN)
    call.wait(50)
    call.give_up()
    made = script(call)
    assert ["reservation.canceled", "task.canceled"] == [name for name, _ in payloads(call)[-2:]]
    assert [BEGIN + 100, BEGIN + 200] == [s.ended_at for s in made.expectation.sessions]
    assert ("abandoned", []) == (made.expectation.outcome, callbacks(call))


def test_a_hold_has_a_callback() -> None:
    """At its beginning and its end; by an unusual account the customer has another leg meanwhile,
    which is in no conference."""
    for unlike in ((), (Unlike.HELD_CUSTOMER,)):
        call, _ = answered_inbound(*unlike)
        customer, named = actions(call, LegBegan)[0].call_sid, list[str]()
        for on in (True, False):
            call.hold(on=on)
            named.append(attributes(call)["conference"]["participants"]["customer"])
        assert [True, False] == [h.hold for h in actions(call, HoldChanged)]
        assert ["participant-hold", "participant-unhold"] == callbacks(call)[-2:]
        assert (customer, not unlike) == (named[1], named[0] == customer)
        assert named[0] not in {j.call_sid for j in actions(call, ParticipantJoined)} - {customer}


@pytest.mark.parametrize(("queue", "kind"), [(None, "WORKER"), (LEGAL, "QUEUE")])
def test_a_transfer_offers_the_call_to_another(queue: str | None, kind: str) -> None:
    """The queue that it goes through decides whether the other agent is monitored; there is an
    event of the task when that agent accepts."""
    call, part = answered_inbound()
    to = call.transfer(part, CLEO, "WARM", queue)
    name, created = payloads(call)[-1]
    assert ("reservation.created", kind, "WARM", queue or SUPPORT) == (
        name, created["transfer_type"], created["transfer_mode"], created["task_queue_name"],
    )  # fmt: skip
    assert (queue is None, True) == (to.monitored, actions(call, EventSent)[-1].prompt)
    call.accept(to)
    name, payload = payloads(call)[-1]
    assert ("task.transfer-completed", "COMPLETED") == (name, payload["transfer_status"])
    assert part.reservation_sid == payload["transfer_initiating_reservation_sid"]
    names = [each for each, _ in payloads(call)]
    assert [1, 1] == [names.count(f"task.transfer-{step}") for step in ("initiated", "completed")]


def test_others_join_without_a_session() -> None:
    """A party outside, with a leg that rings first, and a supervisor that the customer does not
    hear."""
    call, part = answered_inbound()
    outside, supervisor = call.call_outside("guest"), call.listen_in(SUE)
    joined = {each.call_sid: each for each in actions(call, ParticipantJoined)}
    assert ("guest", False) == (joined[outside].label, joined[outside].coaching)
    assert (f"supervisor-{SUE.email}", True) == (
        joined[supervisor].label, joined[supervisor].coaching,
    )  # fmt: skip
    began = {each.call_sid: each.status for each in actions(call, LegBegan)}
    assert (LegStatus.RINGING, LegStatus.IN_PROGRESS) == (began[outside], began[supervisor])
    call.hang_up()
    assert [part.reservation_sid] == [
        session.reservation_sid for session in script(call).expectation.sessions
    ]


def test_an_agent_who_leaves_goes_alone() -> None:
    """The session ends then, and the call continues."""
    call, part = answered_inbound()
    call.leave(part)
    call.wait(5000)
    assert [part.call_sid] == [left.call_sid for left in actions(call, ParticipantLeft)]
    call.hang_up()
    made = script(call)
    assert made.ends_at - 5000 == made.expectation.sessions[0].ended_at
    assert 1 == [name for name, _ in payloads(call)].count("reservation.completed")


def test_hanging_up_ends_everything() -> None:
    """All legs, the conference, the recording, and each reservation and the task a moment later."""
    call, _ = answered_inbound()
    call.records(ANN)
    call.wait(3000)
    call.hang_up()
    made = script(call)
    ended = {change.call_sid for change in actions(call, LegChanged)}
    assert set(made.legs) == ended
    assert "conference-end" == callbacks(call)[-1]
    (recording,) = made.expectation.recordings
    assert (made.ends_at - 3000, made.ends_at, START_SLACK_MS, ("ann@example.com",)) == (
        recording.begins_at, recording.ends_at, recording.slack, recording.extensions,
    )  # fmt: skip
    assert [
        "reservation.wrapup", "task.wrapup", "reservation.completed", "task.completed",
    ] == [name for name, _ in payloads(call)[-4:]]  # fmt: skip
    assert made.ends_at < made.steps[-1].at


def test_an_agent_who_is_listed_is_monitored_from_then_on() -> None:
    """Only this one."""
    call = building()
    call.inbound(SUPPORT)
    parts = [call.offer(agent) for agent in (UMA, ANN, UGO)]
    assert [False, True, False] == [part.monitored for part in parts]
    call.list_agent(UMA)
    assert [True, True, False] == [part.monitored for part in parts]
    assert [AgentListed(UMA.email)] == actions(call, AgentListed)


def test_a_browser_may_name_the_leg_of_another_call() -> None:
    """It begins and ends beside the call, in no conference; other attributes stay."""
    call, part = answered_inbound()
    call.rewrites(part, {"call_sid": FOREIGN, "note": 1}, {"email": "x"})
    stated = attributes(call)
    assert (1, "inbound") == (stated["note"], stated["direction"])
    foreign = stated["call_sid"]
    assert foreign not in {j.call_sid for j in actions(call, ParticipantJoined)}
    call.hang_up()
    assert foreign in {change.call_sid for change in actions(call, LegChanged)}
    assert foreign not in {left.call_sid for left in actions(call, ParticipantLeft)}
    worker = json.loads(dict(payloads(call))["reservation.completed"]["worker_attributes"])
    assert "x" == worker["email"]


def test_a_call_may_have_no_callbacks() -> None:
    """The events of TaskRouter come nevertheless."""
    call = building()
    call.without_callbacks()
    call.inbound(SUPPORT)
    call.accept(call.offer(ANN))
    call.chatter()
    call.hang_up()
    assert [] == callbacks(call)
    assert "worker.activity.update" in dict(payloads(call))
