"""The run itself: calls with coded audio while things are killed; then all is fetched."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import repeat
from random import Random

from simulator.building import CallBuilder
from simulator.coded.pacing import Lateness, Pacer
from simulator.coded.sending import CodedMedia
from simulator.coded.sent import CodedStream
from simulator.console import Console, ConsoleError
from simulator.events import Account
from simulator.kinesis import KinesisSink
from simulator.media import clock
from simulator.openings import conversation_begins
from simulator.player import Player
from simulator.script import Json, Script
from simulator.world import WorldLeg
from tests.system.chaos.brokers import Brokers, break_in_turn
from tests.system.chaos.processes import Processes
from tests.system.chaos.stage import Say, Stage
from tests.system.chaos.uptime import Span
from tests.system.chaos_audio.console import while_recording
from tests.system.chaos_audio.lines import TURNS_IN_A_SECOND, lines
from tests.system.chaos_audio.options import AudioOptions
from tests.system.chaos_audio.usage import Usage

BEGIN_MS = 1_500
POLL_S = 0.5
SETTLED_S = 2.0
"""The last decision may come after the last recording."""
TELL_S = 10.0
ON_S = 20.0


@dataclass(frozen=True, slots=True)
class Played:
    """The played calls and their results. `contacts`: by task SID; `hung_up`: when each call ended
    (ms), by task SID; `console`: the console's violations of its contract; `outages`: of one of the
    run's own brokers."""

    scripts: Sequence[Script]
    streams: Sequence[CodedStream]
    contacts: dict[str, Json]
    hung_up: dict[str, int]
    processes: Processes
    lateness: Lateness
    console: list[str]
    usage: Usage
    outages: Sequence[Span] = ()

    @property
    def kills(self) -> Counter[str]:
        """How often a process of each role was killed."""
        lives = self.processes.lives.items()
        return Counter(
            name.rpartition("-")[0] for name, of_name in lives for one in of_name if one.killed
        )

    def of_call(self, script: Script) -> list[CodedStream]:
        """The media streams of a call on which anything was sent."""
        return [
            coded
            for coded in self.streams
            if coded.media_stream.call_sid == script.customer_call_sid and coded.turns
        ]


def scripts(options: AudioOptions, begins_at: int, account: Account) -> list[Script]:
    """The calls: a customer, a monitored agent, nothing else."""
    random = Random(options.seed)
    made = []
    for number, line in enumerate(lines(options)):
        at = begins_at + round(number * options.ramp * 1000 / options.calls)
        call = CallBuilder(at, account, random, number)
        call.line = line
        conversation_begins(call)
        call.wait(round(options.seconds * 1000))
        call.hang_up()
        made.append(call.script("coded", "Inbound, coded audio"))
    return made


async def play(
    options: AudioOptions, stage: Stage, media: CodedMedia, pacer: Pacer, say: Say
) -> Played:
    """Plays the calls while things are killed; returns once their recordings are complete, or
    patience ends."""
    endpoints, simulation = stage.endpoints, stage.simulation
    processes = Processes(stage.directory, say)
    console = Console(endpoints.console, endpoints.console_token)
    sink = KinesisSink(endpoints.kinesis, endpoints.kinesis_region, endpoints.kinesis_stream)
    calls = scripts(options, clock() + BEGIN_MS, simulation.account)
    violations: list[str] = []
    usage = Usage()
    going = _Going(options, stage, media, processes, usage, say)
    async with console, sink:
        player = Player(simulation.world, sink, console, stage.monitored.add)
        async with asyncio.TaskGroup() as group:
            pacing = group.create_task(pacer.run())
            work = [
                stage.pipeline.died(),
                processes.watch(),
                going.once_all_are_on(),
                _reporting(media, pacer, say),
                while_recording(endpoints, calls[0].task_sid, violations),
            ]
            beside = [group.create_task(one) for one in work]
            await asyncio.gather(*(_call(player, script, going.done) for script in calls))
            await _all_over(media)
            for task in (pacing, *beside[1:]):
                task.cancel()
            legs = simulation.world.legs
            ended = {script.task_sid: _hung_up(script, legs) for script in calls}
            late = pacer.lateness
            outages = stage.brokers.outages if stage.brokers else ()
            played = Played(
                calls, media.streams, {}, ended, processes, late, violations, usage, outages
            )
            await _settled(console, played, options.patience, say)
            beside[0].cancel()
    return played


async def _call(player: Player, script: Script, done: asyncio.Event) -> None:
    """Plays a call; it is hung up at its time, or once all that was to be killed was killed."""
    first = next(n for n, step in enumerate(script.steps) if step.at >= script.ends_at)
    await player.act(script, script.steps[:first])
    await done.wait()
    end = script.steps[first:]
    late = max(0, clock() + BEGIN_MS - end[0].at)
    await player.act(script, [replace(step, at=step.at + late) for step in end])


def _hung_up(script: Script, legs: Mapping[str, WorldLeg]) -> int:
    leg = legs[script.customer_call_sid or ""]
    return leg.ended_at or clock()


async def _all_over(media: CodedMedia) -> None:
    await asyncio.gather(*(coded.over.wait() for coded in media.streams))


@dataclass(frozen=True, slots=True)
class _Going:
    """The tasks that run while calls are played. `done`: set once all planned kills have
    happened."""

    options: AudioOptions
    stage: Stage
    media: CodedMedia
    processes: Processes
    usage: Usage
    say: Say
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def once_all_are_on(self) -> None:
        """Kills. Never returns."""
        async with asyncio.timeout(ON_S):
            await self.processes.known.wait()
        self.usage.note(self.processes)
        on = asyncio.create_task(_all_on(self.media, self.options.calls))
        await asyncio.wait([on], timeout=self.options.ramp + ON_S)
        self.say("all calls are on" if on.done() else "not all calls are on")
        on.cancel()
        noting = asyncio.create_task(self.usage.keep_noting(self.processes))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kill_in_turn())
                if self.stage.brokers is not None:
                    await self._break(self.stage.brokers)
                if not self.options.times:
                    self.done.set()
            self.done.set()
            await noting
        finally:
            noting.cancel()

    async def _break(self, brokers: Brokers) -> None:
        options = self.options
        if options.broker_down:
            await brokers.away(options.broker_down, self.say)
        random = Random(options.seed + 7)
        faults, every = options.broker_faults, options.broker_every
        await break_in_turn(brokers, faults, every, random, self.say)

    async def _kill_in_turn(self) -> None:
        options = self.options
        random = Random(options.seed + 1)
        if not options.kill:
            return
        for _ in range(options.times) if options.times else repeat(None):
            for role in options.kill:
                await asyncio.sleep(options.every * random.uniform(0.8, 1.2))
                await self._kill(role, random)

    async def _kill(self, role: str, random: Random) -> None:
        brokers = self.stage.brokers
        if role == "kafka" and brokers is not None:
            await brokers.away(0, self.say)
        elif role == "drain":
            staying = self.processes.running("gateway")
            fresh = [n for n in staying if self.processes.lives[n][-1].pid not in
                     self.processes.stopped]  # fmt: skip
            if fresh[1:]:
                self.processes.drain(random.choice(fresh))
        elif role == "reload":
            self.processes.reload("load-balancer-0")
        elif names := self.processes.running(role):
            self.processes.kill(random.choice(names))
        else:
            self.say(f"no {role} is up: not killed")


async def _all_on(media: CodedMedia, calls: int) -> None:
    """Returns once so many media streams have sent for a second."""
    while True:
        if sum(coded.turns >= TURNS_IN_A_SECOND for coded in media.streams) >= calls:
            return
        await asyncio.sleep(0.1)


async def _reporting(media: CodedMedia, pacer: Pacer, say: Say) -> None:
    while True:
        await asyncio.sleep(TELL_S)
        on = sum(coded.media_stream.ended_at is None for coded in media.streams)
        frames = sum(coded.frames for coded in media.streams)
        away = sum(len(coded.thrown_away) for coded in media.streams)
        say(f"{on} media streams are on, {frames} frames sent, {2 * away} not taken in time; "
            f"the sender was at most {pacer.lateness.worst_ms:.0f} ms late")  # fmt: skip


async def _settled(console: Console, played: Played, patience: float, say: Say) -> None:
    """Fills `played.contacts`."""
    say("the calls are over; waiting for the recordings")
    deadline = asyncio.get_running_loop().time() + patience
    waiting = list(played.scripts)
    while waiting and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_S)
        for script in tuple(waiting):
            if await _looked_up(console, played, script):
                waiting.remove(script)
    await asyncio.sleep(SETTLED_S)
    for script in played.scripts:
        await _looked_up(console, played, script)
    say(f"{len(waiting)} contacts are not as they should be" if waiting else "all are complete")


async def _looked_up(console: Console, played: Played, script: Script) -> bool:
    """Fetch a call's contact; return whether it is complete."""
    with suppress(ConsoleError):
        contact = await console.contact(script.task_sid)
        if contact is not None:
            played.contacts[script.task_sid] = contact
            return _is_settled(contact, played.of_call(script))
    return False


def _is_settled(contact: Json, streams: Sequence[CodedStream]) -> bool:
    complete = {r["stream_sid"] for r in contact["recordings"] if r["state"] == "complete"}
    ran = {coded.media_stream.sid for coded in streams}
    return contact["state"] == "ended" and ran <= complete and _is_stopped(contact)


def _is_stopped(contact: Json) -> bool:
    return any(decision["decision"] != "record" for decision in contact["decisions"][-1:])


async def fetched(console: Console, recording: Json) -> tuple[bytes, Json]:
    """Audio and manifest of a complete recording. Raises `ConsoleError`, `ValueError`."""
    audio = await console.bytes(recording["audio_url"])
    manifest = await console.bytes(f"/api/recordings/{recording['inum']}/manifest")
    return audio, json.loads(manifest)
