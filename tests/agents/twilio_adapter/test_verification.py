"""Twilio's evidence about a leg: its task's conference lists it, another one does, or neither."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.telemetry import Health
from schemas.records import CommandAnswered, VerifyLeg
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double

TASK, OTHER_TASK = "WT" + "a" * 32, "WT" + "d" * 32
LEG, OTHER, WORKER = "CA" + "b" * 32, "CA" + "e" * 32, "CA" + "c" * 32


def verify(*others: str, **changes: Any) -> VerifyLeg:
    """The question about LEG."""
    now = machine_clock()
    known: dict[str, Any] = {
        "command_id": f"verify:{TASK}:{LEG}:1",
        "task_sid": TASK,
        "call_sid": LEG,
        "generation": 1,
        "issued_at": now,
        "expires_at": now + 4_000,
        "worker_marks": ("ann@example.com",),
        "customer_marks": ("customer",),
        "other_task_sids": others,
    }
    return VerifyLeg(**known | changes)


def leg(call_sid: str, label: str | None = None, **more: Any) -> dict[str, Any]:
    """A participant."""
    return {"call_sid": call_sid, "label": label, "status": "connected", **more}


@asynccontextmanager
async def commands() -> AsyncIterator[tuple[TwilioDouble, Commands]]:
    """The double of Twilio, and the part that carries out commands."""
    health = Health()
    async with (
        twilio_double() as twilio,
        TwilioApi(ACCOUNT, (ACCOUNT, TOKEN), TOKEN, twilio.url, clock=time.time) as api,
        asyncio.timeout(20),
    ):
        gate = RequestGate(8, health, api.check_account)
        yield twilio, Commands(api, gate, "wss://g.example/media", machine_clock)


async def asked(
    conferences: dict[str, list[dict[str, Any]]], question: VerifyLeg, **ends: tuple[str, str]
) -> tuple[CommandAnswered, list[str]]:
    """Return the answer if these conferences take place, and the kinds of requests that were
    needed."""
    async with commands() as (twilio, work):
        twilio.conferences = conferences
        twilio.ends = dict(ends)
        answer = await work.carry_out(question, CallLane())
        return answer, [kind for kind, _, _ in twilio.requests]


async def test_a_leg_in_the_tasks_conference_is_confirmed() -> None:
    """With two requests, regardless of other participants."""
    conference = [leg(WORKER, "ann@example.com"), leg(LEG), leg(OTHER)]
    answer, requests = await asked({TASK: conference}, verify(OTHER_TASK))

    assert ("verify", "confirmed", LEG) == (answer.command, answer.outcome, answer.call_sid)
    assert {"conferences", "participants"} == set(requests)


@pytest.mark.parametrize("label", ["customer", None])
async def test_another_customer_in_the_conference_contradicts(label: str | None) -> None:
    """Marked as the customer's, or the only leg beside a worker's."""
    conference = [leg(WORKER, "ann@example.com"), leg(OTHER, label)]
    answer, _ = await asked({TASK: conference}, verify())
    assert ("contradicted", True) == (answer.outcome, OTHER in answer.detail)


async def test_unmarked_legs_are_distinguished_by_their_ends() -> None:
    """An agent's leg leads to a Flex client."""
    ends = {WORKER: ("+15550199", "client:ann"), OTHER: ("+15550199", "+15550177")}
    conference = [leg(WORKER), leg(OTHER)]
    answer, _ = await asked({TASK: conference}, verify(), **ends)
    assert "contradicted" == answer.outcome


async def test_a_leg_in_another_tasks_conference_contradicts() -> None:
    """The task itself has no conference."""
    answer, _ = await asked({OTHER_TASK: [leg(LEG, "customer")]}, verify(OTHER_TASK))
    assert ("contradicted", True) == (answer.outcome, OTHER_TASK in answer.detail)


@pytest.mark.parametrize(
    "conference",
    [
        None,
        [leg(WORKER, "ann@example.com")],
        [leg(WORKER)],
        [leg(LEG, coaching=True)],
        [leg(WORKER), leg(OTHER)],
        [leg(WORKER, "ann@example.com"), leg(OTHER, "ann@example.com")],
        [leg(WORKER, "ann@example.com"), {"call_sid": OTHER, "label": None, "status": "ringing"}],
    ],
)
async def test_an_uncertain_result_is_unknown(conference: list[dict[str, Any]] | None) -> None:
    """The answer is unknown if there is no conference yet, if only agents are in it, or if nothing
    is known about the legs."""
    conferences = {} if conference is None else {TASK: conference}
    answer, _ = await asked(conferences, verify(OTHER_TASK))
    assert "unknown" == answer.outcome


async def test_if_twilio_fails_it_is_unknown() -> None:
    """At once: the stream manager asks again."""
    async with commands() as (twilio, work):
        twilio.failures.append((503, None))
        answer = await work.carry_out(verify(), CallLane())
        assert ("unknown", 503) == (answer.outcome, answer.code)


async def test_an_expired_question_asks_nothing() -> None:
    """Its answer would be of no use."""
    async with commands() as (twilio, work):
        answer = await work.carry_out(verify(expires_at=machine_clock() - 1), CallLane())
        assert ("unknown", []) == (answer.outcome, twilio.requests)


@pytest.mark.parametrize(
    "changes", [{"call_sid": "../Messages"}, {"task_sid": "x"}, {"other_task_sids": ("../x",)}]
)
async def test_a_question_with_a_wrong_sid_asks_nothing(changes: dict[str, Any]) -> None:
    """For any writer."""
    async with commands() as (twilio, work):
        answer = await work.carry_out(verify(**changes), CallLane())
        assert ("unknown", []) == (answer.outcome, twilio.requests)


async def test_a_confirmed_leg_in_another_conference_has_moved() -> None:
    """Regardless of other legs in the task's own conference; its recording so far belongs to the
    call."""
    conferences = {TASK: [leg(WORKER, "ann@example.com"), leg(OTHER)], OTHER_TASK: [leg(LEG)]}
    answer, _ = await asked(conferences, verify(OTHER_TASK, was_confirmed=True))
    assert answer.outcome == "moved"
    gone = await asked({TASK: conferences[TASK]}, verify(OTHER_TASK, was_confirmed=True))
    assert gone[0].outcome == "unknown"


async def test_an_answer_has_the_legs_of_the_tasks_own_conference() -> None:
    """Other tasks that name one can then be informed. Coaching participants are left out."""
    mine = [leg(WORKER, "ann@example.com"), leg("CA" + "f" * 32, coaching=True)]
    answer, _ = await asked({TASK: mine, OTHER_TASK: [leg(LEG)]}, verify(OTHER_TASK))
    assert (answer.outcome, answer.listed_call_sids) == ("contradicted", (WORKER,))
