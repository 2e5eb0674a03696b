"""Commands against a double of Twilio, lanes, and commits."""

import asyncio
import time
from typing import Any

import pytest

from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import SettingsError, load
from pipeline.runtime.telemetry import Health
from pipeline.streams.names import stream_name
from pipeline.twilio.tickets import verified
from tests.agents.twilio_adapter.scene import (
    LEG,
    TASK,
    URL,
    WORKER,
    Scene,
    opened_scene,
    start_command,
    stop,
)
from tests.agents.twilio_double import ACCOUNT, TOKEN


async def test_a_start_asks_for_both_tracks_of_that_leg_and_names_the_call(scene: Scene) -> None:
    """The only request has the form of the contract, and the answer has Twilio's SID."""
    answer = await scene.does(start_command())

    name = stream_name(TASK, LEG, 1)
    expected = {
        "Track": "both_tracks",
        "Name": name,
        "Url": URL,
        "Parameter1.Name": "taskSid",
        "Parameter1.Value": TASK,
        "Parameter2.Name": "callSid",
        "Parameter2.Value": LEG,
        "Parameter3.Name": "generation",
        "Parameter3.Value": "1",
        "Parameter4.Name": "name",
        "Parameter4.Value": name,
    }
    [(kind, leg, form)] = scene.twilio.requests
    base, _, text = form["Url"].rpartition("/")
    assert ("start", LEG, expected) == (kind, leg, form | {"Url": base})
    ticket = verified([TOKEN], text)
    assert ticket is not None
    assert ticket.seconds_off(time.time()) == 0
    assert (ACCOUNT, LEG) == (ticket.account_sid, ticket.call_sid)
    assert (TASK, 1) == (ticket.task_sid, ticket.generation)
    assert ("done", LEG, name) == (answer.outcome, answer.call_sid, answer.name)
    assert answer.stream_sid in scene.twilio.streams


async def test_throttled_and_broken_requests_are_repeated(scene: Scene) -> None:
    """429 and 503 first: the third request starts the media stream, under the same name."""
    scene.twilio.failures.extend([(429, 20429), (503, None)])
    answer = await scene.does(start_command())

    assert ("done", 3) == (answer.outcome, answer.attempts)
    assert 1 == len({form["Name"] for _, form in scene.twilio.asked("start")})


async def test_a_ringing_leg_is_asked_again_until_it_is_connected(scene: Scene) -> None:
    """21220 while it rings; once it's answered, the media stream starts."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(start_command(direction="outbound")))
        await scene.twilio.until_asked("start", 2)
        scene.twilio.calls[LEG] = "in-progress"

    assert "done" == doing.result().outcome


async def test_a_command_of_no_task_is_not_carried_out(scene: Scene) -> None:
    """Its answer has the reason; no request is sent to Twilio."""
    answer = await scene.does(start_command(task_sid="../Messages"))

    assert ("failed", []) == (answer.outcome, scene.twilio.requests)


async def test_one_call_that_is_refused_does_not_make_the_adapter_unhealthy(scene: Scene) -> None:
    """401 for one call; the account's own question is answered: the next call starts at once."""
    scene.twilio.failures += [(401, 20003)]
    other = "CA" + "d" * 32
    scene.twilio.calls[other] = "in-progress"
    refused = await scene.does(start_command(expires_at=machine_clock() + 100))
    honest = await scene.does(
        start_command(command_id="2", task_sid="WT" + "d" * 32, call_sid=other)
    )

    assert ("expired", 20003) == (refused.outcome, refused.code)
    assert ("done", 1) == (honest.outcome, honest.attempts)
    assert [("", {"PageSize": "1"})] == scene.twilio.asked("conferences")
    assert {} == scene.health.reasons


async def test_a_stop_that_comes_meanwhile_supersedes_a_waiting_start(scene: Scene) -> None:
    """The start of a leg that rings ends as soon as its stop is there; the stop asks nothing that
    could do harm."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(start_command()))
        await scene.twilio.until_asked("start")
        scene.put(stop())

    assert "superseded" == doing.result().outcome
    assert "done" == (await scene.does(stop())).outcome


async def test_a_newer_attempt_supersedes_a_waiting_start(scene: Scene) -> None:
    """Once the call SID is known, the start that searches for it gives way."""
    async with asyncio.TaskGroup() as tasks:
        scene.twilio.conferences[TASK] = []
        doing = tasks.create_task(scene.does(start_command(call_sid=None)))
        await scene.twilio.until_asked("conferences")
        scene.put(start_command(command_id=f"start:{TASK}:1:2"))

    assert "superseded" == doing.result().outcome


async def test_an_expired_start_asks_nothing(scene: Scene) -> None:
    """A command that is too old is answered `expired`, without a request to Twilio."""
    answer = await scene.does(start_command(expires_at=machine_clock() - 1))

    assert ("expired", []) == (answer.outcome, scene.twilio.requests)


async def test_a_conflicting_name_counts_as_started(scene: Scene) -> None:
    """The answer to the first request was lost: there is one of this name, its SID is unknown."""
    scene.twilio.streams["MZ1"] = {
        "name": stream_name(TASK, LEG, 1), "call": LEG, "status": "in-progress",
    }  # fmt: skip
    answer = await scene.does(start_command())

    assert ("done", None) == (answer.outcome, answer.stream_sid)


async def test_the_same_command_again_asks_nothing_again(scene: Scene) -> None:
    """A repeated record gets the same answer."""
    command = start_command()
    first = await scene.does(command)
    again = await scene.does(command)

    assert first == again
    assert 1 == len(scene.twilio.requests)


async def test_a_stop_by_a_fresh_process_finds_the_name(scene: Scene) -> None:
    """Without a known SID, name or leg, the stop is tried on each leg of the conference, by
    name."""
    await scene.does(start_command())
    scene.twilio.conferences[TASK] = [{"call_sid": WORKER}, {"call_sid": LEG}]
    async with TwilioApi(
        ACCOUNT, (ACCOUNT, TOKEN), TOKEN, scene.twilio.url, clock=time.time
    ) as api:
        fresh = Commands(api, RequestGate(8, Health(), api.check_account), URL, machine_clock)
        answer = await fresh.carry_out(stop(call_sid=None, name=None), CallLane())

    assert "done" == answer.outcome
    assert ["stopped"] == [s["status"] for s in scene.twilio.streams.values()]


async def test_a_stop_without_names_uses_what_the_start_learnt(scene: Scene) -> None:
    """The stop was sent before the start's answer was known; this process knows it."""
    started = await scene.does(start_command())
    await scene.does(stop(call_sid=None, name=None))

    assert [(started.stream_sid, {"Status": "stopped"})] == scene.twilio.asked("stop")


@pytest.mark.parametrize("failure", [(404, 20404), (400, 21220)])
async def test_a_stream_that_is_gone_counts_as_stopped(
    scene: Scene, failure: tuple[int, int]
) -> None:
    """A stop counts as successful if the media stream no longer exists."""
    scene.twilio.failures.append(failure)

    assert "done" == (await scene.does(stop())).outcome


async def test_wrong_credentials_are_an_alarm_and_no_hammering() -> None:
    """One request and the question about the account, /healthz says what to do, and the commands
    wait until they expire."""
    async with opened_scene(token="wrong") as scene:
        answer = await scene.does(start_command(expires_at=machine_clock() + 500))
        other = await scene.does(start_command(command_id="2", expires_at=machine_clock() + 500))

        assert ("expired", 20003, 1) == (answer.outcome, answer.code, answer.attempts)
        assert ("expired", 20003, 0) == (other.outcome, other.code, other.attempts)
        assert 2 == scene.twilio.refused
        assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in scene.health.reasons["twilio"]


async def test_after_a_ringing_legs_end_nothing_is_asked(scene: Scene) -> None:
    """Twilio answered that the leg is not in progress; its stop needs no request."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(start_command()))
        await scene.twilio.until_asked("start")
        scene.put(stop())
    assert "superseded" == doing.result().outcome
    asked = len(scene.twilio.requests)
    answer = await scene.does(stop())

    assert ("done", 0) == (answer.outcome, answer.attempts)
    assert asked == len(scene.twilio.requests)


async def test_a_fault_of_ours_ends_the_command_only() -> None:
    """An unexpected error is answered as a failure: the command would fail again after a
    restart."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError

    async def check() -> None:
        return

    commands = Commands(Broken(), RequestGate(8, Health(), check), URL, machine_clock)  # type: ignore[arg-type]

    assert "failed" == (await commands.carry_out(start_command(), CallLane())).outcome
    assert "failed" == (await commands.carry_out(stop(), CallLane())).outcome


@pytest.mark.parametrize("wrong", ["0", "-1", "1001", "many"])
def test_the_bound_on_requests_is_checked(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong number is refused at the start, by name."""
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_CONCURRENCY", wrong)
    with pytest.raises(SettingsError, match="FLEXCAPTURE_TWILIO_CONCURRENCY"):
        load(None)
