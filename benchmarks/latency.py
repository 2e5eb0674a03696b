"""How long the complete pipeline takes: `flexcapture up`, the simulator's Twilio, short calls.

Two times: from an agent's acceptance in Kinesis to the Start Stream request, and from the hang-up
to a contact that is found and has audio that plays. The baseline is a lower limit for any pipeline:
how long the same event takes to a bare reader at Kinesis' five reads a second.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kinesis import BareReader, Putter, kinesis_of, last_event
from benchmarks.local import BenchmarkFailed, Local
from benchmarks.rows import Row, percentile
from simulator.building import CallBuilder
from simulator.cases import scripts
from simulator.console import Console, Endpoints
from simulator.demo import DemoList, Simulation
from simulator.media import clock
from simulator.openings import conversation_begins
from simulator.pipeline_process import PipelineDied, PipelineProcess, environment
from simulator.script import EventSent, LegChanged, Script
from simulator.twilio_rest import Faults, TwilioRest
from simulator.verify import settled
from simulator.world import ENDED

POLL_S = 0.1
POLL_SHARE = 0.2
"""The console is polled again after this share of the wait so far. Otherwise the polls themselves
would delay everything."""
SPACING_MS = 1_037
"""Not a multiple of the 200 ms between reads, so that calls fall into every phase of them. It
cannot be much less: playing the calls and Kinesis' emulator need as much CPU as the pipeline."""

BEGIN_MS = 3_000
WARM_UP = 4
"""Calls at the beginning that do not count: they set up connections."""

READY_S = 120.0
PATIENCE_S = 30.0
_ACCEPTED, _CONFERENCE = "reservation.accepted", "conference.updated"


@dataclass(slots=True)
class Waits:
    """Times in ms, one for each call."""

    start: list[float] = field(default_factory=list)
    start_floor: list[float] = field(default_factory=list)
    playable: list[float] = field(default_factory=list)
    playable_floor: list[float] = field(default_factory=list)


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the start and the end of calls through the whole pipeline."""
    state_dir = here.directory / "up"
    state_dir.mkdir()
    try:
        waits = asyncio.run(_measured(state_dir, 12 if quick else 120))
    except (PipelineDied, TimeoutError) as error:
        raise BenchmarkFailed(f"{type(error).__name__}: {error}") from error
    started, playable = "event in Kinesis -> Start Stream", "hang-up -> searchable and playable"
    return [
        _row(started, 50, waits.start, waits.start_floor, 150),
        _row(started, 99, waits.start, waits.start_floor, 350),
        _row(playable, 50, waits.playable, waits.playable_floor, 1_000),
        _row(playable, 99, waits.playable, waits.playable_floor, 3_000),
    ]


def short_call(call: CallBuilder) -> None:
    """Inbound, monitored agent, three seconds"""
    conversation_begins(call)
    call.wait(3_000)
    call.hang_up()


def _row(what: str, percent: int, waits: list[float], floor: list[float], most: float) -> Row:
    return Row(
        f"{what}, p{percent}",
        "ms",
        percentile(waits, percent),
        percentile(floor, percent),
        "bare Kinesis reader",
        most=most,
    )


async def _measured(state_dir: Path, calls: int) -> Waits:
    simulation = Simulation.fresh(1)
    credentials = simulation.credentials
    async with TwilioRest(simulation.world, credentials, Faults()) as rest:
        settings = {
            "TWILIO_ACCOUNT_SID": credentials.account_sid,
            "TWILIO_AUTH_TOKEN": credentials.auth_token,
            "TWILIO_API_URL": rest.url,
            "MONITORED_AGENTS": str(DemoList(state_dir / "agents.txt").path),
        }
        async with PipelineProcess(state_dir, environment(settings), lambda _: None) as pipeline:
            async with asyncio.timeout(READY_S):
                endpoints = await pipeline.ready()
            return await _played(simulation, endpoints, calls)


async def _played(simulation: Simulation, endpoints: Endpoints, calls: int) -> Waits:
    kinesis = kinesis_of(endpoints)
    putter, reader = Putter(kinesis), BareReader(kinesis)
    console = Console(endpoints.console, endpoints.console_token)
    begins_at = clock() + BEGIN_MS
    cases = [short_call] * (WARM_UP + calls)
    made = scripts(cases, begins_at, SPACING_MS, simulation.account, 7)
    counted, waits = made[WARM_UP:], Waits()
    async with console:
        reading = asyncio.create_task(reader.run())
        async with asyncio.TaskGroup() as group:
            for script in made:
                of = waits if script in counted else Waits()
                group.create_task(LatencyCaller(simulation, putter, console, of).call(script))
        reader.stop()
        await reading
    for script in counted:
        accepted, over = last_event(script, _ACCEPTED), last_event(script, _CONFERENCE)
        stream = simulation.world.legs[script.customer_call_sid or ""].media_streams[0]
        waits.start.append(stream.requested_at - reader.arrived[accepted])
        waits.start_floor.append(reader.seen[accepted] - reader.arrived[accepted])
        waits.playable_floor.append(reader.seen[over] - reader.arrived[over])
    return waits


class LatencyCaller:
    """Plays one call, and waits for its results."""

    def __init__(
        self, simulation: Simulation, putter: Putter, console: Console, waits: Waits
    ) -> None:
        self._world = simulation.world
        self._putter = putter
        self._console = console
        self._waits = waits

    async def call(self, script: Script) -> None:
        """Play the call from its first event until its recording is playable."""
        async with asyncio.TaskGroup() as group:
            watching = None
            for step in script.steps:
                await asyncio.sleep((step.at - clock()) / 1000)
                if isinstance(step.action, EventSent):
                    await self._putter.put(step.action.event)
                    continue
                self._world.apply(step.action, clock(), seed=script.task_sid, line=script.line)
                hung_up = isinstance(step.action, LegChanged) and step.action.status in ENDED
                if hung_up and watching is None:
                    watching = group.create_task(self._playable(script, clock()))

    async def _playable(self, script: Script, hung_up_at: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                contact = await self._console.contact(script.task_sid)
                if settled(script, contact):
                    assert contact is not None
                    await self._console.bytes(contact["recordings"][0]["audio_url"])
                    self._waits.playable.append(clock() - hung_up_at)
                    return
                waited_s = (clock() - hung_up_at) / 1000
                await asyncio.sleep(max(POLL_S, waited_s * POLL_SHARE))
