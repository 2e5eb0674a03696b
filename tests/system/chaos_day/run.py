"""The day itself: its calls are fed to gateways, which are cut off, killed and started again, while
recorder and consolidator, as processes of their own, are killed in real time."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer

from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.kafka import ensure_topics, partition_of, producer
from pipeline.runtime.settings import Role, Settings
from schemas.codec import encode
from schemas.records import RecordingDecided, RecordingPolicy
from schemas.topics import ALL, CALL_PARTITIONS, CALLS, MEDIA, POLICY, STREAM_EVENTS, Topic
from tests.kafka_topics import with_original_timestamps
from tests.system.chaos_day.calls import DayCall
from tests.system.chaos_day.gateways import (
    BUFFER_BYTES,
    SMALL_BUFFER_BYTES,
    SPILL_BYTES,
    DayGateway,
    Line,
    LogClock,
)
from tests.system.chaos_day.plan import FULL, Event, Fault, Plan

Say = Callable[[str], None]

STEP_MS = 500
IDLE_STEP_MS = 5_000
TRAFFIC_MS = 30_000
"""The interval of records of other calls on each partition of `media`, which advance log time."""
ROLES = (Role.RECORDER, Role.CONSOLIDATOR)


@dataclass(slots=True)
class Day:
    """The run of a plan."""

    plan: Plan
    settings: Settings
    directory: Path
    say: Say
    random: Random
    kill_every_s: float
    began_at: int
    calls: list[DayCall] = field(init=False)
    kills: int = 0
    clock: LogClock = field(init=False)
    _sender: AIOKafkaProducer = field(init=False)
    _lines: dict[str, Line] = field(default_factory=dict)
    _gateways: dict[str, DayGateway] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _traffic_at: int = 0

    def __post_init__(self) -> None:
        self.clock = LogClock(self.began_at)
        self.calls = [
            DayCall.of(number, planned, self.began_at, self.random)
            for number, planned in enumerate(self.plan.calls, 1)
        ]

    async def play(self) -> None:
        """Play the day; return when gateways have nothing left to send."""
        # The day's log has its own time, which is in the records.
        topics = [with_original_timestamps(topic) for topic in ALL]
        await ensure_topics(self.settings, topics)
        self._sender = producer(self.settings)
        await self._sender.start()
        try:
            await self._publish_list()
            for role in ROLES:
                self.start_process(role)
            killing = asyncio.create_task(self._keep_killing())
            for gateway in {call.planned.gateway for call in self.calls}:
                self._begin(gateway)
            await self._minutes()
            await asyncio.gather(*(gateway.end() for gateway in self._gateways.values()))
            killing.cancel()
        finally:
            await self._sender.stop()

    def start_process(self, role: Role) -> None:
        """Start a process of the product; one that runs already is left alone."""
        log_path = self.directory / f"{role.value}.log"
        environment = self.environment() | {"FLEXCAPTURE_INSTANCE": f"{role.value}-0"}
        command = tied([sys.executable, "-m", "cli.main", role.value])
        with log_path.open("ab") as log:
            self._processes[role.value] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def environment(self) -> dict[str, str]:
        """Return what a process of the product needs to know."""
        own = {
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": str(self.settings.kafka_bootstrap_servers),
            "FLEXCAPTURE_TOPIC_PREFIX": self.settings.topic_prefix,
            "FLEXCAPTURE_DATABASE_URL": str(self.settings.database_url),
            "FLEXCAPTURE_RECORDINGS_URL": str(self.settings.recordings_url),
            "FLEXCAPTURE_NO_ENV_FILE": "1",
        }
        return {**os.environ, **own}

    def end_processes(self) -> None:
        """Kill the processes that still run."""
        for process in self._processes.values():
            signal_all(process.pid, signal.SIGKILL)
            process.wait()

    async def send(self, topic: Topic, key: str, record: Any, at: int | None = None) -> None:
        """Send a record of a call, at that log time or now."""
        name = self.settings.prefixed(topic.name)
        partition = partition_of(key.encode(), CALL_PARTITIONS)
        timestamp = self.clock.now if at is None else at
        await self._sender.send(
            name, encode(record), key=key.encode(), partition=partition, timestamp_ms=timestamp
        )

    async def nudge(self) -> None:
        """Advance log time by one tick on every partition, so that waits for log time end."""
        self.clock.now += 30_000
        self._traffic_at = 0
        sender = producer(self.settings)
        await sender.start()
        self._sender, before = sender, self._sender
        try:
            await self._other_calls()
            await sender.flush()
        finally:
            self._sender = before
            await sender.stop()

    async def _publish_list(self) -> None:
        at = self.began_at - 60_000
        policy = RecordingPolicy(1, at, at, ("*",), record_inbound=True, record_outbound=True)
        name = self.settings.prefixed(POLICY.name)
        await self._sender.send_and_wait(name, encode(policy), key=b"1", partition=0)

    async def _minutes(self) -> None:
        events = list(self.plan.events)
        waiting = sorted(self.calls, key=lambda call: call.begins)
        on: list[DayCall] = []
        end = self.began_at + round(self.plan.minutes * 60_000)
        while self.clock.now < end or on:
            while events and self._at(events[0]) <= self.clock.now:
                await self._happen(events.pop(0))
            while waiting and waiting[0].begins <= self.clock.now:
                call = waiting.pop(0)
                await self._begin_call(call)
                on.append(call)
            for call in tuple(on):
                await self._feed(call)
                if call.is_over:
                    on.remove(call)
            await self._other_calls()
            next_at = [call.begins for call in waiting[:1]] + [self._at(e) for e in events[:1]]
            step = STEP_MS if on else IDLE_STEP_MS
            self.clock.now = min([self.clock.now + step, *next_at])
            await self._let_gateways_work()

    def _at(self, event: Event) -> int:
        return self.began_at + round(event.at * 60_000)

    async def _happen(self, event: Event) -> None:
        self.say(f"{event.at / 60:5.2f} h: {event.gateway} {event.fault}")
        match event.fault:
            case Fault.CUT_OFF:
                self._lines[event.gateway].is_cut = True
            case Fault.BACK:
                self._lines[event.gateway].is_cut = False
                await self._catch_up(event.gateway)
            case Fault.KILLED:
                await self._gateways.pop(event.gateway).kill()
            case Fault.STARTED:
                self._lines[event.gateway].is_cut = False
                self._begin(event.gateway)
                await self._catch_up(event.gateway)

    def _begin(self, name: str) -> None:
        line = self._lines.setdefault(name, Line(self._sender, self.clock))
        epoch = self._epochs[name] = self._epochs.get(name, self.began_at) + 1
        gateway = DayGateway(
            *(name, epoch, self.clock, line, self.directory / "spills"),
            prefix=self.settings.topic_prefix,
            spill_bytes=self.plan.spill_bytes.get(name, SPILL_BYTES),
            buffer_bytes=SMALL_BUFFER_BYTES if name == FULL else BUFFER_BYTES,
        )
        gateway.begin()
        self._gateways[name] = gateway

    async def _catch_up(self, name: str) -> None:
        """Slow down the day's clock while a gateway sends the batches that it kept."""
        async with asyncio.timeout(120):
            while self._gateways[name].waits:
                self.clock.now += 20
                await asyncio.sleep(0.02)

    async def _begin_call(self, call: DayCall) -> None:
        await self.send(CALLS, call.task_sid, call.call(ended=False))
        await self._decide(call.decided("record", self.clock.now))
        gateway = self._gateways.get(call.planned.gateway)
        if gateway is not None:
            call.session = gateway.sessions.open(self.clock.now)
            gateway.sessions.receive(call.session, [call.start()], self.clock.now)

    async def _decide(self, decided: RecordingDecided) -> None:
        for topic in (STREAM_EVENTS, MEDIA):
            await self.send(topic, decided.task_sid, decided)

    async def _feed(self, call: DayCall) -> None:
        gateway = self._gateways.get(call.planned.gateway)
        if gateway is None:
            call.session = None  # its socket died with the gateway
        if gateway is not None and call.session is not None:
            texts = list(call.media(self.clock.now))
            gateway.sessions.receive(call.session, texts, self.clock.now)
        if self.clock.now >= call.ends:
            if gateway is not None and call.session is not None:
                gateway.sessions.receive(call.session, [call.stop()], self.clock.now)
                gateway.sessions.lost(call.session, self.clock.now, "dropped", "")
            await self._decide(call.decided("stop", self.clock.now))
            await self.send(CALLS, call.task_sid, call.call(ended=True))
            call.is_over = True

    async def _other_calls(self) -> None:
        """Write decisions on calls that are not recorded, as there are on every partition."""
        if self.clock.now < self._traffic_at + TRAFFIC_MS:
            return
        self._traffic_at = self.clock.now
        name = self.settings.prefixed(MEDIA.name)
        for partition in range(CALL_PARTITIONS):
            task_sid = f"WT{random.getrandbits(128):032x}"
            decided = RecordingDecided(task_sid, self.clock.now, "do-not-record", "other", 1)
            await self._sender.send(
                name,
                encode(decided),
                key=task_sid.encode(),
                partition=partition,
                timestamp_ms=self.clock.now,
            )

    async def _let_gateways_work(self) -> None:
        await asyncio.sleep(0)
        while any(gateway.is_behind for gateway in self._gateways.values()):
            # The spooler moves a small queue to disk only after it has been stalled for a second.
            self.clock.now += 5
            await asyncio.sleep(0.005)

    async def _keep_killing(self) -> None:
        while self.kill_every_s:
            for role in ROLES:
                await asyncio.sleep(self.kill_every_s * self.random.uniform(0.5, 1.5))
                process = self._processes[role.value]
                signal_all(process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, 10)
                self.kills += 1
                self.start_process(role)
