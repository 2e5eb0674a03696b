"""A task that names the leg of another call: its media stream is stopped within 2 s of knowing."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.twilio_adapter.verification import MAX_OTHER_TASKS
from pipeline.calls.aliases import MAX_OTHERS
from pipeline.streams.verification import FOREIGN_LEG
from schemas.records import CallAliasState, CommandAnswered, StopDuplicateStream, VerifyLeg
from schemas.states import LegResult
from schemas.topics import CTI_EVENTS
from tests.agents.cores import (
    AGENT_URI,
    STEP_MS,
    Cores,
    now_ms,
    of_tasks,
    own_leg,
    running,
    taken,
    task_sid,
)
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER, Story, leg_sid
from tests.virtual_time import virtually

LEG = leg_sid("x")
STOPPED_MS = 2_000
HONEST = 99
NAMES_LEG = {"direction": "inbound", "from": CUSTOMER, "call_sid": LEG}
OUTBOUND = {"direction": "outbound", "outbound_to": CUSTOMER, "from": "+15559990000"}


def names_leg(cores: Cores, number: int) -> None:
    """An agent takes a task that names the leg, and waits for the customer."""
    cores.twilio.join(task_sid(number), own_leg(number), AGENT_URI)
    cores.events(taken(number, dict(NAMES_LEG), now_ms()))


def has_leg(cores: Cores, number: int) -> None:
    """The leg is in the conference of an outbound task that never named it."""
    cores.twilio.join(task_sid(number), own_leg(number), AGENT_URI)
    cores.twilio.join(task_sid(number), LEG, "customer")
    cores.events(taken(number, dict(OUTBOUND), now_ms()))


def contradicted(cores: Cores, task: str) -> int:
    """Return when the adapter's answer contradicted the task's leg (ms)."""
    answers = cores.of(CommandAnswered, task)
    [at] = [
        at for at, a in answers if a.command == "verify" and a.outcome == LegResult.CONTRADICTED
    ]
    return at


def assert_stopped(cores: Cores, tasks: list[str]) -> None:
    """Each task's media stream was stopped in time, and the call with the leg has its own."""
    assert [cores.twilio.streamed(task) for task in tasks] == [[]] * len(tasks)
    for task in tasks:
        [(at, stop)] = cores.of(StopDuplicateStream, task)
        assert stop.reason == FOREIGN_LEG.text
        assert at - contradicted(cores, task) <= STOPPED_MS
    assert cores.twilio.streamed(task_sid(HONEST)) == [LEG]
    state: Any = cores.states["resolver", LEG]
    assert isinstance(state, CallAliasState)
    assert len(state.other_task_sids) <= MAX_OTHERS


@pytest.mark.parametrize("hostile", [1, 2, 6, 9])
def test_all_tasks_that_name_the_leg_are_stopped(hostile: int) -> None:
    """For any number of tasks. The state of the leg does not grow with their number."""

    async def play() -> None:
        tasks = of_tasks(range(hostile))
        async with running() as cores:
            for number in range(hostile):
                names_leg(cores, number)
                await cores.advance(1_000)
            await cores.advance(5_000)
            assert [cores.twilio.streamed(task) for task in tasks] == [[LEG]] * hostile
            has_leg(cores, HONEST)
            await cores.advance(40_000)
            assert_stopped(cores, tasks)

    virtually(play())


@settings(max_examples=examples(10), deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_in_any_order_of_records_all_tasks_that_name_the_leg_are_stopped(
    chance: Random, after: int
) -> None:
    """Only the order within a key is certain. The leg comes into the conference after that many
    steps."""

    async def play() -> None:
        tasks = of_tasks(range(7))
        async with running(chance) as cores:
            for number in range(7):
                names_leg(cores, number)
            await cores.advance(after * STEP_MS)
            has_leg(cores, HONEST)
            await cores.advance(40_000)
            assert_stopped(cores, tasks)

    virtually(play())


def moves(cores: Cores, number: int, *, callbacks: bool) -> None:
    """The leg comes into the conference of the task, out of any other one. `callbacks`: an event
    shows it."""
    cores.twilio.join(task_sid(number), LEG, "customer")
    if callbacks:
        story = Story(task_sid=task_sid(number), t0=now_ms())
        cores.events(story.participant("join", 0, LEG, ParticipantLabel="customer"))


@pytest.mark.parametrize("callbacks", [True, False])
def test_a_leg_that_moves_to_and_fro_is_streamed_for_the_call_that_has_it(
    callbacks: bool,
) -> None:
    """For no other call, however often the leg moves."""

    async def play() -> None:
        async with running() as cores:
            has_leg(cores, 1)
            await cores.advance(5_000)
            assert cores.twilio.streamed(task_sid(1)) == [LEG]
            moves(cores, 2, callbacks=callbacks)
            names_leg(cores, 2)
            await cores.advance(5_000)
            for there, gone in ((2, 1), (1, 2), (2, 1), (1, 2)):
                moves(cores, there, callbacks=callbacks)
                await cores.advance(35_000)
                assert cores.twilio.streamed(task_sid(there)) == [LEG]
                assert cores.twilio.streamed(task_sid(gone)) == []

    virtually(play())


def test_the_latest_of_many_conferences_is_asked_first() -> None:
    """A task names the leg early, and its agent takes it only after the leg has been in the
    conferences of more calls than are asked about."""

    async def play() -> None:
        async with running() as cores:
            story = taken(0, dict(NAMES_LEG), now_ms())
            created, *later = story.events
            cores.publish(CTI_EVENTS, task_sid(0), created)
            for number in range(1, 2 + MAX_OTHER_TASKS):
                cores.twilio.join(task_sid(number), own_leg(number), AGENT_URI)
                cores.events(taken(number, dict(OUTBOUND), now_ms()))
                moves(cores, number, callbacks=True)
                await cores.advance(10_000)
            for event in later:
                cores.publish(CTI_EVENTS, task_sid(0), event)
            await cores.advance(3_000)

            [(_, stop)] = cores.of(StopDuplicateStream, task_sid(0))
            assert stop.reason == FOREIGN_LEG.text
            [(_, question)] = cores.of(VerifyLeg, task_sid(0))
            latest = of_tasks(range(1 + MAX_OTHER_TASKS, 1, -1))
            assert list(question.other_task_sids[:MAX_OTHER_TASKS]) == latest

    virtually(play())
