"""Tracker, resolver, stream manager and Twilio adapter without Kafka: their cores, connected in
memory, and a double of Twilio. For tests in virtual time that need calls of several tasks."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from agents.faust_runner.core import Step
from agents.resolver import ResolverCore
from agents.stream_manager import StreamsCore
from agents.tracker import TrackerCore
from agents.twilio_adapter.client import TwilioError
from agents.twilio_adapter.commands import Api, Commands
from agents.twilio_adapter.lanes import CallLane, CommandItem, Lanes
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.telemetry import Health
from pipeline.streams.marks import FetchedCall, Participant
from schemas.records import (
    CommandAnswered,
    GatewayAlive,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingPolicy,
    StreamCommand,
)
from schemas.topics import (
    CALL_ALIASES,
    CALLS,
    CTI_EVENTS,
    CTI_RESOLVED,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    Topic,
)
from tests.pipeline.calls.histories import T0, Story, worker_attributes
from tests.virtual_time import virtual_ms

T = TypeVar("T")

STEP_MS = 100
SETTLED = 20
"""After so many turns of the event loop without a record, the commands under way wait for time."""
EVERYONE = PolicyHistory.of([RecordingPolicy(1, 0, 0, ("*",), True, True)])
AGENT_URI = str(worker_attributes("ann")["contact_uri"])


def task_sid(number: int) -> str:
    """Return a task SID."""
    return f"WT{number:032x}"


def own_leg(number: int) -> str:
    """Return the SID of the agent's own leg in that task."""
    return f"CA{0xA6E47000 + number:032x}"


def now_ms() -> int:
    """Return the log's time (ms)."""
    return T0 + virtual_ms() - 1_000_000


@dataclass
class TwilioInMemory:
    """Twilio's API as the adapter sees it: `commands.Api`.

    - `rooms`: the participants of each task's conference in progress;
    - `ends`: the ends of legs;
    - `streams`: leg and name of each media stream that runs, by SID;
    - `asked`: the task of each request for conferences.
    """

    rooms: dict[str, list[Participant]] = field(default_factory=dict)
    ends: dict[str, FetchedCall] = field(default_factory=dict)
    streams: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    made: int = 0

    async def conferences(self, friendly_name: str) -> list[str]:
        """Return the conference of a task."""
        self.asked.append(friendly_name)
        return ["CF" + friendly_name[2:]] if friendly_name in self.rooms else []

    async def participants(self, conference_sid: str) -> list[Participant]:
        """Return the present participants."""
        return list(self.rooms.get("WT" + conference_sid[2:], []))

    async def call(self, call_sid: str) -> FetchedCall:
        """Return the ends of a leg."""
        return self.ends.get(call_sid, FetchedCall())

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: dict[str, str]
    ) -> str:
        """Start a media stream."""
        assert (url, parameters["callSid"]) == ("wss://g.example/media", call_sid)
        self.made += 1
        stream_sid = f"MZ{self.made:032x}"
        self.streams[stream_sid] = call_sid, name
        return stream_sid

    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None:
        """Stop a media stream. Raise `TwilioError` if there is none."""
        for stream_sid, (leg, name) in self.streams.items():
            if leg == call_sid and sid_or_name in (stream_sid, name):
                del self.streams[stream_sid]
                return
        raise TwilioError(404, 20404, "not found")

    def join(self, task: str, call_sid: str, label: str = "") -> None:
        """A leg comes into the task's conference. It leaves any other one."""
        self.leave(call_sid)
        joined_at = now_ms() / 1_000
        participant = Participant(call_sid, label, "connected", joined_at=joined_at)
        self.rooms.setdefault(task, []).append(participant)

    def leave(self, call_sid: str) -> None:
        """A leg leaves its conference."""
        for task, present in self.rooms.items():
            self.rooms[task] = [p for p in present if p.call_sid != call_sid]

    def streamed(self, task: str) -> list[str]:
        """Return the legs that are streamed for the task."""
        return [leg for leg, name in self.streams.values() if task in name]


@dataclass(frozen=True)
class Published:
    """A record, and when it was published (ms)."""

    at: int
    topic: Topic
    key: str
    record: Any


@dataclass
class Cores:
    """All roles, one process each. `api`: takes the place of `twilio`; `chance`: chooses which of
    the waiting keys is handled next, so that only the order within a key is certain; None: all in
    order. `published`: all records."""

    tasks: asyncio.TaskGroup
    api: Api | None = None
    twilio: TwilioInMemory = field(default_factory=TwilioInMemory)
    chance: Random | None = None
    published: list[Published] = field(default_factory=list)
    states: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gate = RequestGate(8, Health(), self._check)
        self._adapter = Commands(self.api or self.twilio, gate, "wss://g.example/media", now_ms)
        self._tracker, self._resolver = TrackerCore(), ResolverCore()
        self._manager = StreamsCore(EVERYONE)
        self._waiting: dict[tuple[str, str], deque[Any]] = {}
        self.lanes = Lanes(self.tasks, self._carry_out, most=1_000)
        self._commands = 0

    async def _check(self) -> None:
        return

    def publish(self, topic: Topic, key: str, record: Any) -> None:
        """Append a record to a topic."""
        self.published.append(Published(now_ms(), topic, key, record))
        self._waiting.setdefault((topic.name, key), deque()).append(record)

    def events(self, story: Story) -> None:
        """Append the events of a call."""
        for event in story.events:
            self.publish(CTI_EVENTS, event.task_sid or event.call_sid or "", event)

    async def settle(self) -> None:
        """Handle all records that wait, and those that follow at once."""
        idle = 0
        while idle < SETTLED:  # commands are carried out in between
            idle = 0 if self._waiting else idle + 1
            while self._waiting:
                topic, key = self._next()
                record = self._waiting[topic, key].popleft()
                if not self._waiting[topic, key]:
                    del self._waiting[topic, key]
                self._handle(topic, key, record)
            await asyncio.sleep(0)

    async def advance(self, ms: int) -> None:
        """Let time pass, with a tick in each second."""
        for _ in range(ms // STEP_MS):
            await self.settle()
            await asyncio.sleep(STEP_MS / 1_000)
            if now_ms() % 1_000 < STEP_MS:
                self._tick()
        await self.settle()

    def of(self, kind: type[T], task: str = "") -> list[tuple[int, T]]:
        """Return the records of a kind, each with when it was published. `task`: only its own."""
        return [
            (each.at, each.record)
            for each in self.published
            if isinstance(each.record, kind) and task in ("", each.key)
        ]

    def _next(self) -> tuple[str, str]:
        if self.chance is None:
            return next(iter(self._waiting))
        return self.chance.choice(list(self._waiting))

    def _handle(self, topic: str, key: str, record: Any) -> None:
        if topic in (CTI_EVENTS.name, CTI_RESOLVED.name):
            self._step("tracker", self._tracker, key, record)
        if topic in (CTI_EVENTS.name, CALL_ALIASES.name):
            self._step("resolver", self._resolver, key, record)
        if topic in (CALLS.name, STREAM_EVENTS.name):
            self._step("manager", self._manager, key, record)
        if topic == STREAM_COMMANDS.name:
            self.lanes.put(CommandItem(record, 0, self._commands, now_ms()))
            self._commands += 1

    def _step(self, role: str, core: Any, key: str, record: Any) -> None:
        self._take(role, key, core.on_record(key, self.states.get((role, key)), record, now_ms()))

    def _take(self, role: str, key: str, step: Step[Any]) -> None:
        self.states[role, key] = step.state
        for output in step.outputs:
            self.publish(output.topic, output.key, output.record)

    def _tick(self) -> None:
        alive = GatewayAlive("g1", 1, now_ms())
        for role, key in [each for each, state in self.states.items() if state is not None]:
            if role == "manager":
                state = self.states[role, key]
                self._take(role, key, self._manager.on_broadcast(key, state, alive, now_ms()))
                state = self.states[role, key]
                self._take(role, key, self._manager.on_tick(key, state, now_ms()))

    async def _carry_out(self, command: StreamCommand, lane: CallLane) -> None:
        before = dict(self.twilio.streams)
        answer = await self._adapter.carry_out(command, lane)
        self.publish(STREAM_EVENTS, command.task_sid, answer)
        for gone in before.keys() - self.twilio.streams.keys():
            self._closed(gone, answer, before[gone][0])
        if answer.command == "start" and answer.stream_sid and answer.call_sid:
            opened = MediaStreamOpened(
                answer.stream_sid, answer.call_sid, answer.task_sid, answer.name,
                answer.generation, "g1", 1, now_ms(),
            )  # fmt: skip
            self.publish(STREAM_EVENTS, answer.task_sid, opened)

    def _closed(self, stream_sid: str, answer: CommandAnswered, call_sid: str) -> None:
        closed = MediaStreamClosed(
            stream_sid, call_sid, answer.task_sid, answer.name, answer.generation, "g1", 1,
            now_ms(), "stop", "", 1, 50, 0,
        )  # fmt: skip
        self.publish(STREAM_EVENTS, answer.task_sid, closed)


@asynccontextmanager
async def running(chance: Random | None = None, *, api: Api | None = None) -> AsyncIterator[Cores]:
    """Run all roles until the block ends. `chance`, `api`: see `Cores`."""
    async with asyncio.TaskGroup() as tasks:
        cores = Cores(tasks, api, chance=chance)
        yield cores
        await cores.lanes.end(0)


def taken(number: int, attributes: dict[str, Any], now: int) -> Story:
    """Return the events of a task with these attributes that ann takes at `now` (ms)."""
    story = Story(task_sid=task_sid(number), attributes=attributes, t0=now - 2_000)
    story.task("created", 0).reservation("created", 500, "ann", f"ann{number}")
    return story.reservation("accepted", 1_900, "ann", f"ann{number}")


def of_tasks(numbers: Iterable[int]) -> list[str]:
    """Return the SIDs of these tasks."""
    return [task_sid(number) for number in numbers]
