"""Refused credentials, and calls that are refused alone."""

import asyncio
from dataclasses import replace

import pytest

from pipeline.runtime.twilio_http import TwilioError
from tests.agents.twilio_adapter.bad_minutes import (
    Scene,
    run,
    sid,
    start,
)
from tests.virtual_time import virtual_ms


def test_refused_credentials_are_probed_and_nothing_is_failed() -> None:
    """One refusal, then one question about the account after 5, 10, 20 s; commands wait meanwhile,
    /healthz says what to do; once the credentials are good, all running calls are started at that
    probe."""
    reasons: list[dict[str, str]] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "refuses"
        tasks.create_task(scene.does(start(0)))
        await asyncio.sleep(1)
        for number in range(1, 50):
            tasks.create_task(scene.does(start(number)))
        await asyncio.sleep(19)
        reasons.append(scene.health.reasons)
        scene.twilio.ill = ""

    scene = run(play)
    began = scene.twilio.requests[0][0]

    assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in reasons[0]["twilio"]
    assert {} == scene.health.reasons
    assert [0, 5, 15, 35] == [(at - began) // 1_000 for at in scene.twilio.checked]
    seconds = [(at - began) // 1_000 for at, _, _ in scene.twilio.requests]
    assert [0] == seconds[:1]
    assert {35} == set(seconds[1:])
    assert ["done"] * 50 == scene.outcomes()


def test_a_command_that_expires_while_credentials_are_refused_says_why() -> None:
    """It was never sent to Twilio, yet its answer names Twilio's refusal."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "refuses"
        tasks.create_task(scene.does(start(0)))
        await asyncio.sleep(1)
        tasks.create_task(scene.does(start(1, lasts_ms=2_000)))

    scene = run(play)
    _, answer = scene.answers["start 1"]

    assert ("expired", 20003, 0) == (answer.outcome, answer.code, answer.attempts)


def test_one_call_that_is_refused_fails_alone() -> None:
    """403 for one call only: it is requested twice and answered `failed`; other calls are
    unaffected."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.wrong[sid("CA", 0)] = TwilioError(403, None, "Forbidden")
        tasks.create_task(scene.does(start(0)))
        for number in range(1, 5):
            await asyncio.sleep(0.2)
            began = virtual_ms()
            assert "done" == (await scene.does(start(number))).outcome
            assert 50 == virtual_ms() - began

    scene = run(play)

    assert "failed" == scene.answers["start 0"][1].outcome
    assert 403 == scene.answers["start 0"][1].code
    assert 2 == sum(call == sid("CA", 0) for _, _, call in scene.twilio.requests)
    assert {} == scene.health.reasons


@pytest.mark.parametrize("status", [401, 403])
def test_many_refused_calls_do_not_delay_honest_ones(status: int) -> None:
    """Tasks that name calls of others are refused again and again, 12 at once, with nothing honest
    between them: the account's own question is answered, so each honest start goes out at once."""

    async def hostile(scene: Scene, number: int) -> None:
        scene.twilio.wrong[sid("CA", number)] = TwilioError(status, 20003, "not yours")
        for again in range(20):
            command = replace(start(number), command_id=f"hostile {number} {again}")
            assert "failed" == (await scene.does(command)).outcome

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        for number in range(100, 112):
            tasks.create_task(hostile(scene, number))
        for number in range(6):
            await asyncio.sleep(0.7)
            began = virtual_ms()
            assert "done" == (await scene.does(start(number))).outcome
            assert virtual_ms() - began <= 300

    scene = run(play)
    gaps = [b - a for a, b in zip(scene.twilio.checked, scene.twilio.checked[1:], strict=False)]

    assert {} == scene.health.reasons
    assert min(gaps) >= 1_000


def test_refusals_of_several_calls_count_while_the_account_is_not_known() -> None:
    """The neutral request fails: two refused calls do not close the gate, a third one does, and one
    call alone never does."""
    reasons: list[dict[str, str]] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.check_fails = TwilioError(503, None, "Service Unavailable")
        for number in range(3):
            scene.twilio.wrong[sid("CA", number)] = TwilioError(401, 20003, "Authenticate")
        for number in (0, 0, 0, 1, 2):
            command = replace(start(number), command_id=f"start {len(reasons)}")
            tasks.create_task(scene.does(command))
            await asyncio.sleep(3)
            reasons.append(scene.health.reasons)
        scene.twilio.check_fails = None
        scene.twilio.wrong.clear()

    scene = run(play)

    assert [False, False, False, False, True] == ["twilio" in shown for shown in reasons]
    assert {} == scene.health.reasons
    assert ["failed"] * 4 + ["done"] == scene.outcomes()


def test_a_call_with_errors_of_its_own_delays_no_other() -> None:
    """404, 21220 and 500 for single calls, for a minute: all others start at once."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        errors = [(404, 20404), (400, 21220), (500, None), (503, None)]
        for number, (status, code) in enumerate(errors):
            scene.twilio.wrong[sid("CA", number)] = TwilioError(status, code, "as it is")
            tasks.create_task(scene.does(start(number, lasts_ms=60_000)))
        for number in range(10, 60):
            await asyncio.sleep(1)
            began = virtual_ms()
            assert "done" == (await scene.does(start(number))).outcome
            assert 50 == virtual_ms() - began

    scene = run(play)

    assert ["expired"] * 4 == [scene.answers[f"start {n}"][1].outcome for n in range(4)]
