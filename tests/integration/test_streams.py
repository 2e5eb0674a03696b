"""Stream manager, policy topic and Twilio adapter on a real Kafka, against a double of Twilio."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from agents import stream_manager
from agents.policy_publisher import PolicyPublisher
from agents.policy_topic import reading_policy
from agents.twilio_adapter import service
from cli.policy import accept
from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.streams.verification import FOREIGN_LEG
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CommandAnswered,
    GatewayAlive,
    GatewayStarted,
    Leg,
    MediaStreamChanged,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingDecided,
    Tick,
)
from schemas.topics import (
    ALL,
    CALL_ALIASES,
    CALLS,
    GATEWAYS_ALIVE,
    POLICY,
    STREAM_EVENTS,
    TICKS,
    Topic,
)
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double
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

GATEWAY = "wss://gateway.example.com/media"


def _now() -> int:
    return time.time_ns() // 1_000_000


class Bench:
    """The topics around the roles, and the double of Twilio."""

    def __init__(self, settings: Settings, twilio: TwilioDouble, sender: AIOKafkaProducer) -> None:
        self.settings = settings
        self.twilio = twilio
        self.sender = sender
        self.heard: list[Any] = []
        self.grown = asyncio.Condition()
        self.epoch = 1
        self.alive_topic: Topic | None = GATEWAYS_ALIVE

    async def tell(self, topic: Topic, record: Any, key: str = TASK) -> None:
        name = self.settings.prefixed(topic.name)
        await self.sender.send_and_wait(name, encode(record), key.encode())

    async def tick(self) -> None:
        """One tick on each partition, a second, for ever; and the gateway's word that it lives, if
        there is a topic for it."""
        while True:
            await self.broadcast(TICKS, Tick(_now()))
            alive = GatewayAlive("gateway-1", self.epoch, _now())
            if self.alive_topic is not None:
                await self.broadcast(self.alive_topic, alive)
            await asyncio.sleep(1)

    async def broadcast(self, topic: Topic, record: Any) -> None:
        """The record on every partition of the topic."""
        name = self.settings.prefixed(topic.name)
        for partition in range(topic.partitions):
            await self.sender.send(name, encode(record), partition=partition)

    async def listen(self, reader: AIOKafkaConsumer) -> None:
        async for record in reader:
            async with self.grown:
                self.heard.append(decode(record.value))
                self.grown.notify_all()

    async def until(self, kind: type, suits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first record of that kind on stream.events that suits."""
        async with self.grown:
            await self.grown.wait_for(lambda: any(self._suiting(kind, suits)))
        return next(iter(self._suiting(kind, suits)))

    def of(self, kind: type) -> list[Any]:
        """All records of that kind on stream.events so far."""
        return self._suiting(kind, lambda _: True)

    def _suiting(self, kind: type, suits: Callable[[Any], bool]) -> list[Any]:
        return [r for r in self.heard if isinstance(r, kind) and suits(r)]

    async def gateway_takes(self, answer: CommandAnswered) -> None:
        """A gateway reports the media stream of the answer."""
        event = MediaStreamOpened(
            answer.stream_sid or "", CUSTOMER_LEG, TASK, answer.name, answer.generation,
            "gateway-1", self.epoch, _now(),
        )  # fmt: skip
        await self.tell(STREAM_EVENTS, event)

    async def gateway_loses(self, answer: CommandAnswered, reason: str = "stop") -> None:
        """It reports the media stream's end: with "stop" once Twilio was asked for that."""
        if reason == "stop":
            await self.twilio.until_asked("stop")
        event = MediaStreamClosed(
            answer.stream_sid or "", CUSTOMER_LEG, TASK, answer.name, answer.generation,
            "gateway-1", self.epoch, _now(), reason, "", 1, 50, 0,
        )  # fmt: skip
        await self.tell(STREAM_EVENTS, event)

    async def gateway_comes_up_again(self) -> None:
        """A gateway announces its restart on every partition."""
        self.epoch += 1
        await self.broadcast(STREAM_EVENTS, GatewayStarted("gateway-1", self.epoch, _now()))


@pytest.fixture
async def bench(
    settings_for: Callable[..., Settings], prefix: str, tmp_path: Path
) -> AsyncIterator[Bench]:
    """Topics, Twilio and ticks; the list has ann."""
    (tmp_path / "agents.txt").write_text(f"{ANN}\n")
    async with contextlib.AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(twilio_double())
        twilio.calls[CUSTOMER_LEG] = "in-progress"
        settings = settings_for(
            prefix,
            instance="one",
            monitored_agents=tmp_path / "agents.txt",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_url=twilio.url,
            gateway_public_url=GATEWAY,
        )
        await ensure_topics(settings, ALL)
        sender = producer(settings)
        await sender.start()
        stack.push_async_callback(sender.stop)
        reader = consumer(settings, settings.prefixed(STREAM_EVENTS.name))
        await reader.start()
        stack.push_async_callback(reader.stop)
        made = Bench(settings, twilio, sender)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(made.tick()), tasks.create_task(made.listen(reader))]
            yield made
            for task in beside:
                task.cancel()


@contextlib.asynccontextmanager
async def _role(run: Any, settings: Settings) -> AsyncIterator[Health]:
    """The role, once it is healthy, until the block ends."""
    health, stop = Health(starting="not ready"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(settings, health, stop))
        async with asyncio.timeout(40):
            while health.reasons:  # noqa: ASYNC110 - Health has nothing to wait on
                await asyncio.sleep(0.05)
        try:
            yield health
        finally:
            stop.set()


def _active(*, direction: str = "inbound") -> Call:
    now = _now()
    return call(reservation(ANN, created=now - 2_000, accepted=now - 100), direction=direction)


def _left(version: Call) -> Call:
    first = version.reservations[0]
    gone = replace(first, milestones={**first.milestones, "wrapup": _now()})
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
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        await bench.tell(CALLS, later(_active(), legs=(named,)))
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
        reservation(ANN, created=_now() - 2_000, accepted=_now() - 100),
        direction="outbound",
        customer_call_sid=None,
    )
    async with (
        asyncio.timeout(90),
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        await bench.tell(CALLS, unnamed)
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
    callback = call(*_active().reservations, customer_call_sid=None)
    async with asyncio.timeout(180):
        for restart in range(3):
            async with (
                _role(stream_manager.run, bench.settings),
                _role(service.run, bench.settings),
            ):
                if restart == 0:
                    began = _now()
                    await bench.tell(CALLS, callback)
                    await bench.twilio.until_asked("conferences", 2)
                await asyncio.sleep(3)
        await asyncio.sleep(max(0, began + 20_000 - _now()) / 1000)
        asked, changed = list(bench.twilio.requests), bench.of(MediaStreamChanged)
        assert 2 <= len(asked) <= 8
        assert {"conferences"} == {kind for kind, _, _ in asked}
        assert not changed

        agent = {"call_sid": "CA" + "f" * 32, "label": ANN, "status": "connected"}
        customer = {"call_sid": CUSTOMER_LEG, "label": "customer", "status": "connected"}
        bench.twilio.conferences[TASK] = [agent, customer]
        joined = Leg(agent["call_sid"], facts(label=ANN), {"joined": _now()})
        async with (
            _role(stream_manager.run, bench.settings),
            _role(service.run, bench.settings),
        ):
            await bench.tell(CALLS, later(callback, legs=(joined,)))
            started = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
    assert (CUSTOMER_LEG, 1) == (started.call_sid, started.generation)


async def test_a_call_of_a_monitored_agent_is_streamed_until_he_leaves(bench: Bench) -> None:
    """The accepting version leads to a Start request, the leaving one to a Stop by SID; decision
    and states are on stream.events, with the policy's version."""
    async with (
        asyncio.timeout(90),
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        active = _active()
        await bench.tell(CALLS, active)
        answer = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
        decided = await bench.until(RecordingDecided)
        await bench.gateway_takes(answer)
        await bench.until(MediaStreamChanged, lambda r: r.state == "running")
        await bench.tell(CALLS, _left(active))
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
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        now = _now()
        await bench.tell(CALLS, call(reservation(BOB, created=now, accepted=now)))
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
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        await bench.tell(CALLS, _active())
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
    assert 1 == len([r for r in bench.heard if isinstance(r, RecordingDecided)])


async def test_a_gateway_is_alive_while_one_of_the_topics_says_so(bench: Bench) -> None:
    """Its signs of life on `gateways.alive`, or on `stream.events` from an earlier release, keep
    its media stream. Without any, it is given up after ten seconds, and the next one starts."""
    async with (
        asyncio.timeout(150),
        _role(stream_manager.run, bench.settings),
        _role(service.run, bench.settings),
    ):
        await bench.tell(CALLS, _active())
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
    async with asyncio.timeout(90), _role(stream_manager.run, bench.settings):
        with contextlib.suppress(asyncio.CancelledError):
            async with _role(service.run, bench.settings):
                await bench.tell(CALLS, _active())
                await bench.twilio.until_asked("start")
        bench.twilio.hanging.set()
        bench.twilio.streams.clear()
        async with _role(service.run, bench.settings):
            answer = await bench.until(CommandAnswered)

    assert "done" == answer.outcome


async def test_without_credentials_the_adapter_stays_up_and_says_why(bench: Bench) -> None:
    """No command is carried out, and /healthz names the missing credentials."""
    settings = bench.settings.model_copy(update={"twilio_auth_token": None})
    health, stop = Health(starting="not ready"), asyncio.Event()
    stop.set()
    await service.run(settings, health, stop)

    assert ["twilio"] == list(health.reasons)


async def test_publishers_agree_on_one_version(bench: Bench) -> None:
    """Two processes that see the same file publish it once; a wrong list is not taken."""
    path = bench.settings.monitored_agents
    assert path is not None
    async with asyncio.timeout(60), reading_policy(bench.settings) as reader:
        health = Health()
        publishers = [
            PolicyPublisher(bench.settings, reader, health, machine_clock) for _ in range(2)
        ]
        async with asyncio.TaskGroup() as tasks:
            for publisher in publishers:
                tasks.create_task(publisher.begin())
        await reader.catch_up()
        assert 1 == reader.history.latest.version
        path.write_text("what is this\n")
        for publisher in publishers:
            await publisher.begin()
        await reader.catch_up()
        assert ((ANN,), 1) == (reader.history.latest.entries, reader.history.latest.version)
        assert "line 1" in health.reasons["monitored-list"]
    assert 1 == POLICY.partitions


async def test_an_emptied_list_stops_nothing_until_it_is_accepted(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Health is bad and names the entries that would be lost, and the recording continues. After
    the command accepts the list, the recording stops, and nothing is left to accept."""
    path = bench.settings.monitored_agents
    assert path is not None
    async with (
        asyncio.timeout(120),
        _role(stream_manager.run, bench.settings) as health,
        _role(service.run, bench.settings),
    ):
        await bench.tell(CALLS, _active())
        answer = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
        await bench.gateway_takes(answer)
        assert 1 == await asyncio.to_thread(accept, bench.settings)
        path.write_text("")
        await _until(lambda: "monitored-list" in health.reasons)
        assert f"would lose 1 of 1 entries ({ANN})" in health.reasons["monitored-list"]
        await asyncio.sleep(5)
        assert not [r for r in bench.heard if getattr(r, "decision", "") == "stop"]

        assert 0 == await asyncio.to_thread(accept, bench.settings)
        stopped = await bench.until(RecordingDecided, lambda r: r.decision == "stop")
        await _until(lambda: not health.reasons)
        assert 1 == await asyncio.to_thread(accept, bench.settings)
    assert "stopped: no longer on the list" == stopped.reason
    assert f"- {ANN}" in capsys.readouterr().out


async def test_a_removed_setting_is_held_back_over_a_restart(bench: Bench) -> None:
    """The new process finds entries in force and no list of its own: they stay in force."""
    async with asyncio.timeout(60), _role(stream_manager.run, bench.settings):
        pass
    settings = bench.settings.model_copy(
        update={"monitored_agents": None, "list_shrink_seconds": 8.0}
    )
    stop, health = asyncio.Event(), Health()
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        tasks.create_task(stream_manager.run(settings, health, stop))
        await _until(lambda: "would lose 1 of 1" in health.reasons.get("monitored-list", ""))
        await bench.tell(CALLS, _active())
        await bench.until(RecordingDecided, lambda r: r.decision == "record")
        await bench.until(RecordingDecided, lambda r: r.decision == "stop")
        stop.set()


async def test_a_hundred_thousand_entries_are_published_and_read(bench: Bench) -> None:
    """In several records of one version, each well below what Kafka takes; read as one list."""
    path = bench.settings.monitored_agents
    assert path is not None
    entries = [f"agent{n:06d}@subsidiary.example.com" for n in range(100_000)]
    path.write_text("\n".join(entries))
    async with asyncio.timeout(120), reading_policy(bench.settings) as reader:
        health = Health()
        publisher = PolicyPublisher(bench.settings, reader, health, machine_clock)
        await publisher.begin(60)
        await reader.catch_up()
        assert tuple(entries) == reader.history.latest.entries
        await publisher.look()
        assert {} == health.reasons
    name = bench.settings.prefixed(POLICY.name)
    async with consumer(bench.settings, name) as source:
        first = await source.getone()
    assert decode(first.value).parts > 1
    assert len(first.value) < 1_000_000


async def test_a_lost_topic_is_noticed_and_the_list_published_again(bench: Bench) -> None:
    """Its number is above all that running processes know; none of them ignores it."""
    async with asyncio.timeout(120), reading_policy(bench.settings) as reader:
        health = Health()
        publisher = PolicyPublisher(bench.settings, reader, health, machine_clock)
        await publisher.begin()
        await reader.catch_up()
        admin = AIOKafkaAdminClient(**client_arguments(bench.settings))
        await admin.start()
        await admin.delete_topics([bench.settings.prefixed(POLICY.name)])
        await admin.close()
        await asyncio.sleep(2)
        await ensure_topics(bench.settings, [POLICY])
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(w) for w in (reader.follow(), publisher.watch())]
            await _until(lambda: reader.history.latest.version == 2, 60)
            for task in beside:
                task.cancel()
        async with reading_policy(bench.settings) as fresh:
            assert (2, (ANN,)) == (fresh.history.latest.version, fresh.history.latest.entries)


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - Health has nothing to wait on
            await asyncio.sleep(0.05)
