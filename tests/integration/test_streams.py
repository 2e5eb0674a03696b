"""Stream manager and Twilio adapter on a real Kafka, against a double of Twilio."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from agents import stream_manager
from agents.twilio_adapter import service
from pipeline.runtime.kafka import consumer
from pipeline.runtime.telemetry import Health
from pipeline.streams.verification import FOREIGN_LEG
from schemas.codec import decode
from schemas.records import Call, CommandAnswered, Leg, MediaStreamChanged, RecordingDecided
from schemas.topics import CALL_ALIASES, CALLS, GATEWAYS_ALIVE, STREAM_EVENTS
from tests.integration.stream_bench import Bench, active_call, now_ms, role
from tests.pipeline.streams.calls import (
    ANN,
    BOB,
    CUSTOMER_LEG,
    TASK,
    call,
    facts,
    later,
    reservation,
)

pytestmark = pytest.mark.integration


def left_call(version: Call) -> Call:
    first = version.reservations[0]
    gone = replace(first, milestones={**first.milestones, "wrapup": now_ms()})
    return later(version, reservations=(gone, *version.reservations[1:]))


async def test_the_leg_of_another_call_is_stopped_once_twilio_says_whose_it_is(
    bench: Bench,
) -> None:
    """It is streamed at once, and asked about right after; the other task's conference lists it."""
    other = "WT" + "e" * 32
    bench.twilio.conferences[other] = [
        {"call_sid": CUSTOMER_LEG, "label": "customer", "status": "connected"}
    ]
    named = Leg(CUSTOMER_LEG, facts(other_task=other), {})
    async with (
        asyncio.timeout(90),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        await bench.publish(CALLS, later(active_call(), legs=(named,)))
        started = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
        await bench.gateway_takes(started)
        verified = await bench.until(CommandAnswered, lambda r: r.command == "verify")
        stopping = await bench.until(MediaStreamChanged, lambda r: r.reason == FOREIGN_LEG.text)
        await bench.gateway_loses(started)
        looked_up = bench.twilio.asked("conferences")
    assert ("contradicted", CUSTOMER_LEG) == (verified.outcome, verified.call_sid)
    assert stopping.at - verified.at <= 2_000
    assert [started.stream_sid] == [sid for sid, _ in bench.twilio.asked("stop")]
    assert [CUSTOMER_LEG] == [leg for leg, _ in bench.twilio.asked("start")]
    assert {TASK, other} == {task for task, _ in looked_up}


async def test_the_legs_that_twilio_lists_are_written_for_other_tasks(bench: Bench) -> None:
    """The leg of a call that is known by its conference only."""
    bench.twilio.conferences[TASK] = [
        {"call_sid": CUSTOMER_LEG, "label": "customer", "status": "connected"}
    ]
    unnamed = call(
        reservation(ANN, created=now_ms() - 2_000, accepted=now_ms() - 100),
        direction="outbound",
        customer_call_sid=None,
    )
    async with (
        asyncio.timeout(90),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        await bench.publish(CALLS, unnamed)
        started = await bench.until(CommandAnswered, lambda r: r.command == "start")
        assert started.listed_call_sids == (CUSTOMER_LEG,)
        reader = consumer(bench.settings, bench.settings.prefixed(CALL_ALIASES.name))
        await reader.start()
        try:
            found = decode((await reader.getone()).value)
        finally:
            await reader.stop()
    assert (found.call_sid, found.task_sid, found.listed) == (CUSTOMER_LEG, TASK, True)


async def test_a_callback_is_looked_for_seldom_however_often_the_roles_restart(
    bench: Bench,
) -> None:
    """At most 8 requests in the first 20 s, and no media stream to show, while Twilio lists no
    conference; once an event shows a leg, the customer's is found there and streamed."""
    callback = call(*active_call().reservations, customer_call_sid=None)
    async with asyncio.timeout(180):
        for restart in range(3):
            async with (
                role(stream_manager.run, bench.settings),
                role(service.run, bench.settings),
            ):
                if restart == 0:
                    began = now_ms()
                    await bench.publish(CALLS, callback)
                    await bench.twilio.until_asked("conferences", 2)
                await asyncio.sleep(3)
        await asyncio.sleep(max(0, began + 20_000 - now_ms()) / 1000)
        asked, changed = list(bench.twilio.requests), bench.of(MediaStreamChanged)
        assert 2 <= len(asked) <= 8
        assert {"conferences"} == {kind for kind, _, _ in asked}
        assert not changed

        agent = {"call_sid": "CA" + "f" * 32, "label": ANN, "status": "connected"}
        customer = {"call_sid": CUSTOMER_LEG, "label": "customer", "status": "connected"}
        bench.twilio.conferences[TASK] = [agent, customer]
        joined = Leg(agent["call_sid"], facts(label=ANN), {"joined": now_ms()})
        async with (
            role(stream_manager.run, bench.settings),
            role(service.run, bench.settings),
        ):
            await bench.publish(CALLS, later(callback, legs=(joined,)))
            started = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
    assert (CUSTOMER_LEG, 1) == (started.call_sid, started.generation)


async def test_a_call_of_a_monitored_agent_is_streamed_until_the_agent_leaves(bench: Bench) -> None:
    """The accepting version leads to a Start request, the leaving one to a Stop by SID; decision
    and states are on stream.events, with the policy's version."""
    async with (
        asyncio.timeout(90),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        active = active_call()
        await bench.publish(CALLS, active)
        answer = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
        decided = await bench.until(RecordingDecided)
        await bench.gateway_takes(answer)
        await bench.until(MediaStreamChanged, lambda r: r.state == "running")
        await bench.publish(CALLS, left_call(active))
        await bench.gateway_loses(answer)
        await bench.until(MediaStreamChanged, lambda r: r.state == "stopped")

    assert "done" == answer.outcome
    assert ("record", 1) == (decided.decision, decided.policy_version)
    assert "started: monitored agent ann@example.com is active" == decided.reason
    assert [(answer.stream_sid, {"Status": "stopped"})] == bench.twilio.asked("stop")
    assert 1 == len(bench.twilio.asked("start"))
    stopped = await bench.until(RecordingDecided, lambda r: r.decision == "stop")
    assert "stopped: last monitored agent left" == stopped.reason


async def test_a_changed_list_takes_effect_on_running_calls(bench: Bench) -> None:
    """Bob's running call is recorded once Bob is on the list, and no longer once Bob is removed
    from it."""
    path = bench.settings.monitored_agents
    assert path is not None
    async with (
        asyncio.timeout(90),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        now = now_ms()
        await bench.publish(CALLS, call(reservation(BOB, created=now, accepted=now)))
        before = await bench.until(RecordingDecided)
        path.write_text(f"{ANN}\n{BOB.upper()}\n")
        on = await bench.until(RecordingDecided, lambda r: r.decision == "record")
        answer = await bench.until(CommandAnswered)
        await bench.gateway_takes(answer)
        path.write_text(f"{ANN}\n")
        off = await bench.until(RecordingDecided, lambda r: r.decision == "stop")
        await bench.gateway_loses(answer)
        await bench.until(MediaStreamChanged, lambda r: r.state == "stopped")

    assert ("do-not-record", "not recorded: no monitored agent") == (before.decision, before.reason)
    assert (2, 3) == (on.policy_version, off.policy_version)
    assert "stopped: no longer on the list" == off.reason


async def test_what_a_gateway_loses_is_started_again(bench: Bench) -> None:
    """A dropped socket, then the gateway's death: the next generation each time, in one recording
    decision."""
    async with (
        asyncio.timeout(90),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        await bench.publish(CALLS, active_call())
        first = await bench.until(CommandAnswered)
        await bench.gateway_takes(first)
        await bench.gateway_loses(first, "dropped")
        second = await bench.until(CommandAnswered, lambda r: r.generation == 2)
        await bench.gateway_takes(second)
        await bench.until(MediaStreamChanged, lambda r: (r.generation, r.state) == (2, "running"))
        await bench.gateway_comes_up_again()
        third = await bench.until(CommandAnswered, lambda r: r.generation == 3)
        ended = await bench.until(
            MediaStreamChanged, lambda r: (r.generation, r.state) == (2, "stopped")
        )

    assert ("done", "done") == (second.outcome, third.outcome)
    assert "ended: its gateway died and started again" == ended.reason
    assert 1 == len([r for r in bench.published if isinstance(r, RecordingDecided)])


async def test_a_gateway_is_alive_while_one_of_the_topics_says_so(bench: Bench) -> None:
    """Its signs of life on `gateways.alive`, or on `stream.events` from an earlier release, keep
    its media stream. Without any, it is given up after ten seconds, and the next one starts."""
    async with (
        asyncio.timeout(150),
        role(stream_manager.run, bench.settings),
        role(service.run, bench.settings),
    ):
        await bench.publish(CALLS, active_call())
        first = await bench.until(CommandAnswered, lambda r: r.command == "start")
        await bench.gateway_takes(first)
        await bench.until(MediaStreamChanged, lambda r: r.state == "running")
        for bench.alive_topic in (GATEWAYS_ALIVE, STREAM_EVENTS):
            await asyncio.sleep(15)
            assert {"starting", "running"} == {r.state for r in bench.of(MediaStreamChanged)}
        bench.alive_topic = None
        silent = await bench.until(MediaStreamChanged, lambda r: r.state == "stopping")
        second = await bench.until(
            CommandAnswered, lambda r: (r.command, r.generation) == ("start", 2)
        )
    assert ("gateway-silent", 1) == (silent.reason_code, silent.generation)
    assert "done" == second.outcome


async def test_an_adapter_that_dies_leaves_its_command_to_the_next(bench: Bench) -> None:
    """Twilio never answers the first process; the next one starts the media stream."""
    bench.twilio.hanging = asyncio.Event()
    async with asyncio.timeout(90), role(stream_manager.run, bench.settings):
        with contextlib.suppress(asyncio.CancelledError):
            async with role(service.run, bench.settings):
                await bench.publish(CALLS, active_call())
                await bench.twilio.until_asked("start")
        bench.twilio.hanging.set()
        bench.twilio.streams.clear()
        async with role(service.run, bench.settings):
            answer = await bench.until(CommandAnswered)

    assert "done" == answer.outcome


async def test_without_credentials_the_adapter_stays_up_and_says_why(bench: Bench) -> None:
    """No command is carried out, and /healthz names the missing credentials."""
    settings = bench.settings.model_copy(update={"twilio_auth_token": None})
    health, stop = Health(starting="not ready"), asyncio.Event()
    stop.set()
    await service.run(settings, health, stop)

    assert ["twilio"] == list(health.reasons)
