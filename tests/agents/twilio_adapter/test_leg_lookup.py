"""Legs that no event names: looked up in the task's conference."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pipeline.calls.ends import end_of
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.metrics import INVALID_SIDS
from schemas.records import (
    FetchLeg,
)
from tests.agents.twilio_adapter.scene import (
    LEG,
    TASK,
    WORKER,
    Scene,
    start_command,
)


async def test_an_unknown_leg_is_looked_up_by_the_task(scene: Scene) -> None:
    """The connected participant that is not a worker's is streamed; all pages are read."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com", "status": "connected"},
        {"call_sid": "CA" + "d" * 32, "label": "", "status": "connected", "coaching": True},
        {"call_sid": LEG, "label": "", "status": "connected"},
    ]
    answer = await scene.does(start_command(call_sid=None))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    expected = {"FriendlyName": TASK, "Status": "in-progress"}
    assert [(TASK, expected)] == scene.twilio.asked("conferences")


async def test_unmarked_legs_are_distinguished_by_their_ends(scene: Scene) -> None:
    """An agent's leg leads to a Flex client; the ends of each leg are requested once."""
    scene.twilio.calls[WORKER] = "in-progress"
    scene.twilio.conferences[TASK] = _unlabelled(LEG, WORKER)
    scene.twilio.ends = {
        WORKER: ("+15550199", "client:ann_40example_2Ecom"),
        LEG: ("+15550199", "+15550177"),
    }
    answer = await scene.does(start_command(call_sid=None, direction="outbound"))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]
    assert sorted([LEG, WORKER]) == sorted(leg for leg, _ in scene.twilio.asked("call"))


async def test_of_indistinguishable_legs_none_is_streamed(scene: Scene) -> None:
    """The request is repeated, and no leg is guessed by the order of joining."""
    scene.twilio.calls[WORKER] = "in-progress"
    scene.twilio.conferences[TASK] = _unlabelled(WORKER, LEG)
    soon = machine_clock() + 700
    answer = await scene.does(start_command(call_sid=None, direction="outbound", expires_at=soon))

    assert ("expired", "more than one leg may be the customer's") == (answer.outcome, answer.detail)
    assert [] == scene.twilio.asked("start")
    assert 2 <= len(scene.twilio.asked("conferences"))


@pytest.mark.parametrize("called", ["sip:bob@pbx.example.com", "+15550177"])
async def test_the_customers_end_is_found_and_the_agents_telephone_is_not_streamed(
    scene: Scene, called: str
) -> None:
    """The customer's leg is found among an agent on a telephone and a supervisor's client. The
    customer was called by number or by SIP address."""
    phone, boss = WORKER, "CA" + "d" * 32
    scene.twilio.calls |= {phone: "in-progress", boss: "in-progress"}
    scene.twilio.conferences[TASK] = _unlabelled(phone, boss, LEG)
    scene.twilio.ends = {
        phone: ("+15550199", "+15550123"),
        boss: ("+15550199", "client:boss_40example_2Ecom"),
        LEG: ("+15550199", called.replace(".com", ".com:5060;transport=tcp")),
    }
    ends = {"worker_ends": ("tel:15550123",), "customer_ends": (end_of(called),)}
    answer = await scene.does(start_command(call_sid=None, direction="outbound", **ends))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]


async def test_the_ends_of_a_leg_are_fetched(scene: Scene) -> None:
    """With one request; a leg that Twilio does not know is `unknown`."""
    scene.twilio.ends = {LEG: ("+15550199", "+15550177")}
    now = machine_clock()
    question = FetchLeg("fetch:1", TASK, LEG, 0, now, now + 4_000)
    answer = await scene.does(question)
    other = await scene.does(replace(question, command_id="fetch:2", call_sid=WORKER))
    wrong = await scene.does(replace(question, command_id="fetch:3", call_sid="../x"))

    assert ("fetch", "done", LEG) == (answer.command, answer.outcome, answer.call_sid)
    assert ("+15550199", "+15550177") == (answer.call_from, answer.call_to)
    assert [("unknown", None)] * 2 == [(a.outcome, a.call_to) for a in (other, wrong)]
    assert [LEG, WORKER] == [leg for leg, _ in scene.twilio.asked("call")]


async def test_the_label_of_a_leg_at_another_end_is_fetched_too(scene: Scene) -> None:
    """The conference is requested only if no end belongs to the call."""
    scene.twilio.ends = {LEG: ("+15550199", "client:page-77")}
    scene.twilio.conferences[TASK] = [{"call_sid": LEG, "label": "ann@example.com"}]
    now = machine_clock()
    question = FetchLeg("fetch:1", TASK, LEG, 0, now, now + 4_000, ("client:page-77",))
    known = await scene.does(question)
    assert (None, []) == (known.call_label, scene.twilio.asked("conferences"))
    other = await scene.does(replace(question, command_id="fetch:2", known_ends=()))
    assert ("done", "ann@example.com") == (other.outcome, other.call_label)


def _unlabelled(*legs: str) -> list[dict[str, Any]]:
    """Participants without a label."""
    return [{"call_sid": leg, "label": None, "status": "connected"} for leg in legs]


async def test_a_leg_that_is_not_there_yet_is_asked_for_again(scene: Scene) -> None:
    """First only the agent is in the conference, then the customer joins."""
    async with asyncio.TaskGroup() as tasks:
        agent = {"call_sid": WORKER, "label": "ann@example.com", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent]
        doing = tasks.create_task(scene.does(start_command(call_sid=None)))
        await scene.twilio.until_asked("participants", 2)
        customer = {"call_sid": LEG, "label": "+15550100", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent, customer]

    assert ("done", LEG) == (doing.result().outcome, doing.result().call_sid)


async def test_a_named_leg_of_an_inbound_call_that_is_gone_is_asked_for_ever_more_slowly(
    scene: Scene,
) -> None:
    """It was in progress before an agent accepted. A start on a ringing leg is repeated without a
    pause."""
    scene.twilio.calls[LEG] = "completed"
    lasting = {"expires_at": machine_clock() + 4_000}
    asked = {}
    for number, direction in enumerate(("inbound", "outbound"), 1):
        before = len(scene.twilio.requests)
        start = start_command(command_id=f"start:{TASK}:{number}:1", generation=number, **lasting)
        answer = await scene.does(replace(start, direction=direction))
        assert "expired" == answer.outcome
        asked[direction] = len(scene.twilio.requests) - before
        lasting = {"expires_at": machine_clock() + 4_000}
    assert asked["inbound"] <= 6 < asked["outbound"]


async def test_a_leg_that_twilio_does_not_know_is_looked_up_again(scene: Scene) -> None:
    """If a start is answered with 404, the customer's leg is looked up in the conference."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com"},
        {"call_sid": LEG, "label": "customer"},
    ]
    answer = await scene.does(start_command(call_sid="CA" + "e" * 32))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)


HOSTILE = (
    f"{LEG}.json?Status=completed&x=",
    "../Messages.json?To=%2B15550100&Body=x",
    f"../../AC{'f' * 32}/Calls/{LEG}",
    "..",
    LEG + "0",
    LEG[:-1],
    "MZ" + "b" * 32,
    LEG + "\n",
)


@pytest.mark.parametrize("leg", HOSTILE)
async def test_a_leg_that_is_no_sid_is_looked_up(scene: Scene, leg: str) -> None:
    """A command with an invalid call SID is carried out as if it had none; the SID is counted."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com"},
        {"call_sid": LEG, "label": "customer"},
    ]
    before = _invalid_call_sids()
    answer = await scene.does(start_command(call_sid=leg))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]
    assert 1 == _invalid_call_sids() - before


@pytest.mark.parametrize("leg", HOSTILE)
async def test_what_twilio_answers_is_checked_too(scene: Scene, leg: str) -> None:
    """A participant with an invalid call SID is ignored and counted."""
    before = _invalid_call_sids()
    scene.twilio.conferences[TASK] = [
        {"call_sid": leg, "label": "customer"},
        {"call_sid": WORKER, "label": "ann@example.com"},
    ]
    answer = await scene.does(start_command(call_sid=None, expires_at=machine_clock() + 200))

    assert "expired" == answer.outcome
    assert [] == scene.twilio.asked("start")
    assert 1 <= _invalid_call_sids() - before


def _invalid_call_sids() -> float:
    return INVALID_SIDS.labels("call")._value.get()
