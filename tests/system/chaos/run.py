"""The run itself: calls are played while things break; then everything is compared."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from simulator.console import Console, ConsoleError
from simulator.disorder import Disorder, disordered
from simulator.faults import Outages
from simulator.kinesis import KinesisSink
from simulator.media import clock
from simulator.player import Player
from simulator.script import Json, Script, ScriptStep
from simulator.world import MediaStream
from tests.system.chaos.brokers import Brokers, keep_breaking
from tests.system.chaos.list_faults import keep_damaging
from tests.system.chaos.options import Options
from tests.system.chaos.plots import scripts
from tests.system.chaos.processes import Processes, keep_adding, keep_killing
from tests.system.chaos.stage import Stage

DISORDER = Disorder(late_share=0.15, repeated_share=0.15, latest_ms=4_000)
STRAGGLING = Disorder(late_share=0.5, repeated_share=0.3, latest_ms=30_000)
STRAGGLING_SHARE = 0.05
"""So many calls have events that come half a minute late: seldom in time for a media stream."""
BEGIN_MS = 2_000
SETTLE_S = 60.0
POLL_S = 0.5
AWAY_S = (5.0, 15.0)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Played:
    """The played calls and their results. `sent`: how often each event was put into Kinesis;
    `contacts`: by task SID; `refused`: tasks for which Twilio refused every start."""

    stage: Stage
    scripts: Sequence[Script]
    sent: dict[str, int]
    rubbish: frozenset[bytes]
    contacts: dict[str, Json]
    processes: Processes
    ended_at: int
    refused: frozenset[str]

    def ran(self, script: Script) -> list[MediaStream]:
        """Return the media streams of a call."""
        legs = self.stage.simulation.world.legs
        known = [legs[sid] for sid in script.legs if sid in legs]
        return [stream for leg in known for stream in leg.media_streams]


class Sink(KinesisSink):
    """A sink that counts its records. `sent`: how often each event; `rubbish`: the records that are
    no events."""

    def __init__(self, endpoint: str, region: str, name: str) -> None:
        super().__init__(endpoint, region, name)
        self.sent: dict[str, int] = {}
        self.rubbish: set[bytes] = set()

    async def put(self, event: Json) -> None:
        """Hands an event over for sending."""
        self.sent[event["id"]] = self.sent.get(event["id"], 0) + 1
        await super().put_bytes(json.dumps(event).encode())

    async def put_bytes(self, record: bytes) -> None:
        """Hands bytes over that are no event."""
        self.rubbish.add(record)
        await super().put_bytes(record)


@asynccontextmanager
async def directory_of(options: Options) -> Any:
    """Yield the directory of the run's files, and a function. A temporary directory is removed at
    the end if the function was called, which means that the run succeeded."""
    made = options.directory is None
    directory = Path(tempfile.mkdtemp(prefix="flexcapture-chaos-")) if made else options.directory
    assert directory is not None
    directory.mkdir(parents=True, exist_ok=True)
    well: list[bool] = []
    yield directory.absolute(), lambda: well.append(True)
    if made and well:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def play(options: Options, stage: Stage, say: Say) -> Played:
    """Plays all calls while things break, and waits until their contacts stand still."""
    endpoints, simulation = stage.endpoints, stage.simulation
    processes = Processes(stage.directory, say)
    console = Console(endpoints.console, endpoints.console_token)
    sink = Sink(endpoints.kinesis, endpoints.kinesis_region, endpoints.kinesis_stream)
    begins_at, within = clock() + BEGIN_MS, round(options.minutes * 60_000)
    calls = scripts(options.calls, begins_at, within, simulation.account, options.seed)
    refused = _refused(options, calls)
    legs = {leg for call in calls if call.task_sid in refused for leg in call.legs}
    simulation.world.refusing |= legs
    async with console, sink:
        player = Player(simulation.world, sink, console, stage.monitored.add)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(work) for work in _beside(options, stage, processes, say)]
            await player.rubbish(simulation.sids)
            sink.sent.clear()
            await _all_calls(player, calls, options.seed, say)
            for task in beside:
                task.cancel()
        contacts = await _settled(console, calls, say)
    rubbish = frozenset(sink.rubbish)
    return Played(stage, calls, sink.sent, rubbish, contacts, processes, clock(), refused)


def _refused(options: Options, calls: Sequence[Script]) -> frozenset[str]:
    """Draw the calls on which Twilio refuses every start."""
    random = Random(options.seed + 6)
    return frozenset(call.task_sid for call in calls if random.random() < options.refuse)


def _beside(
    options: Options, stage: Stage, processes: Processes, say: Say
) -> list[Coroutine[Any, Any, None]]:
    random = Random(options.seed + 1)
    logs = stage.directory / "logs"
    work: list[Coroutine[Any, Any, None]] = [
        stage.pipeline.died(),
        processes.watch(),
        keep_killing(processes, options.kill, options.every, random),
        keep_adding(processes, options.extra, 15.0, random, logs),
        keep_damaging(stage.monitored, options.list_every, Random(options.seed + 4), say),
        keep_away(stage.twilio, options.away_every, Random(options.seed + 5), say),
    ]
    if stage.brokers is not None:
        if options.broker_down:
            middle = options.minutes * 30
            work.append(_outage(stage.brokers, middle, options.broker_down, say))
        faults, every = options.broker_faults, options.broker_every
        breaking = keep_breaking(stage.brokers, faults, every, Random(options.seed + 7), say)
        work.append(breaking)
    return work


async def keep_away(twilio: Outages, every: float, random: Random, say: Say) -> None:
    """Let Twilio's API be away again and again, in turn silent and broken. Never returns."""
    if every <= 0:
        await asyncio.Event().wait()
    for answers in cycle((False, True)):
        await asyncio.sleep(every * random.uniform(0.5, 1.5))
        seconds = random.uniform(*AWAY_S)
        say(f"Twilio {'fails' if answers else 'does not answer'} for {seconds:.1f} s")
        twilio.begin(round(seconds * 1000), answers=answers)
        await asyncio.sleep(seconds)


async def _outage(brokers: Brokers, after: float, seconds: float, say: Say) -> None:
    await asyncio.sleep(after)
    await brokers.away(seconds, say)


async def _all_calls(player: Player, calls: Sequence[Script], seed: int, say: Say) -> None:
    done = 0

    async def one(script: Script, steps: Sequence[ScriptStep]) -> None:
        nonlocal done
        await player.act(script, steps)
        done += 1
        if done % max(len(calls) // 20, 1) == 0:
            say(f"{done} of {len(calls)} calls are over")

    random = Random(seed + 2)
    async with asyncio.TaskGroup() as group:
        for script in calls:
            kind = STRAGGLING if random.random() < STRAGGLING_SHARE else DISORDER
            steps = disordered(script.steps, random, kind)
            group.create_task(one(script, steps))


async def _settled(console: Console, calls: Sequence[Script], say: Say) -> dict[str, Json]:
    """The contacts, once all have ended with complete recordings and nothing changes any more, or
    when patience ends."""
    say("waiting for the contacts")
    contacts: dict[str, Json] = {}
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    open_calls = list(calls)
    while open_calls and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_S)
        for script in tuple(open_calls):
            try:
                contact = await console.contact(script.task_sid)
            except ConsoleError:
                continue
            if contact is not None:
                contacts[script.task_sid] = contact
                if _stands_still(contact):
                    open_calls.remove(script)
    await asyncio.sleep(2.0)
    for script in calls:
        with suppress(ConsoleError):
            if (contact := await console.contact(script.task_sid)) is not None:
                contacts[script.task_sid] = contact
    say(f"{len(open_calls)} contacts do not stand still")
    return contacts


def _stands_still(contact: Json) -> bool:
    complete = all(r["state"] == "complete" for r in contact["recordings"])
    return contact["state"] == "ended" and contact["outcome"] is not None and complete
