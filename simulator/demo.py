"""`flexcapture demo`: the whole pipeline, and a simulated contact center that plays calls through
it."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from rich.console import Console as Terminal

from simulator.admin_rest import AdminApis
from simulator.cases import CASES, Case, playable, scripts
from simulator.console import Console, Endpoints
from simulator.delivery import into_kinesis, workers_of_people
from simulator.events import Account
from simulator.kinesis import KinesisSink
from simulator.lock import InUse, held
from simulator.media import Credentials, clock
from simulator.people import MONITORED_LIST
from simulator.pipeline_process import UP, PipelineDied, PipelineProcess, environment, ignored
from simulator.player import Played, Player
from simulator.recorded import RecordedConferences
from simulator.result import ENV_FILE, RESULT_FILE, write_private, write_result
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.unlike import NONE, OTHERWISE, UnknownName, Unlike, parsed
from simulator.unstreamed import record_unstreamed_only, recovery_settings
from simulator.unusual_tasks import CONFIGURED_CHANNEL
from simulator.view import print_result
from simulator.watching import watch
from simulator.world import World

CALLS_BEGIN_MS = 1500
LONGEST_BEGINNING_MS = 14_000
SPACING_MS = (100, 600)
READY_S = 600.0
TABLE_WIDTH = 150
SIGNED_URL = "ws://127.0.0.1/media"
"""The URL of the demo's gateway without its port."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The contact center and the randomness of a run."""

    credentials: Credentials
    account: Account
    random: Random
    sids: Sids
    world: World

    @classmethod
    def fresh(cls, seed: int, unlike: frozenset[Unlike] = NONE) -> "Simulation":
        """Return a contact center without any calls yet. All its SIDs derive from `seed`."""
        random = Random(seed)  # noqa: S311
        sids = Sids(random)
        credentials = Credentials(sids.new("AC"), secrets.token_hex(16))
        account = Account(credentials.account_sid, sids.new("WS"))
        world = World(Sids(Random(seed + 1)), unlike)  # noqa: S311
        return cls(credentials, account, random, sids, world)


async def run_demo(
    calls: int = 0,
    *,
    exit_after: bool,
    state_dir: Path,
    cases: Sequence[Case] = CASES,
    unlike: str = "",
    up_arguments: Sequence[str] = (),
) -> int:
    """Play `calls` calls (0: one of each case) through a pipeline started in `state_dir`. Return
    the exit status. Stay up until SIGTERM or SIGINT unless `exit_after`. `unlike`: the assumptions
    about Twilio that do not hold, separated by commas; `up_arguments`: for `flexcapture up`."""
    terminal = _terminal()
    try:
        others = parsed(unlike) if unlike else NONE
    except UnknownName as error:
        print(f"flexcapture: --unlike: {error}", file=sys.stderr)
        return 2
    try:
        with _prepared(state_dir) as directory:
            cases = playable(cases, others)
            chosen = [cases[number % len(cases)] for number in range(calls or len(cases))]
            command = (*UP, *up_arguments)
            return await _run(terminal, directory, chosen, exit_after, others, command=command)
    except InUse as error:
        terminal.print(str(error), highlight=False)
        return 3


async def _run(
    terminal: Terminal,
    state_dir: Path,
    cases: Sequence[Case],
    exit_after: bool,
    unlike: frozenset[Unlike],
    *,
    command: Sequence[str],
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    simulation = Simulation.fresh(secrets.randbits(63), unlike)
    for name in sorted(unlike):
        terminal.print(f"Twilio {OTHERWISE[name]} ({name}).", markup=False, highlight=False)
    if names := ignored():
        terminal.print(f"Ignored by the demo: {', '.join(names)}.", markup=False, highlight=False)
    demo = Demo(terminal, simulation, state_dir, cases, exit_after)
    starts = Faults(too_many_requests=1, unavailable=1)
    world, credentials = simulation.world, simulation.credentials
    async with TwilioRest(world, credentials, Faults(), starts=starts) as rest:
        demo.administration = rest.administration
        demo.recorded = rest.recordings.recorded
        rest.administration.workers = workers_of_people()
        settings = demo.settings(rest.url)
        write_private(
            state_dir / ENV_FILE, {n: v for n, v in settings.items() if n.startswith("TWILIO_")}
        )
        process = PipelineProcess(state_dir, environment(settings), demo.show, command)
        async with process as pipeline:
            status = await _until_first(
                lambda: demo.run(pipeline), lambda: demo.stopped(stop), pipeline.died
            )
            terminal.print("Stopping.")
        return status


class Demo:
    """The demo, once `up` has been started."""

    def __init__(
        self,
        terminal: Terminal,
        simulation: Simulation,
        state_dir: Path,
        cases: Sequence[Case],
        exit_after: bool,
    ) -> None:
        self._terminal = terminal
        self._simulation = simulation
        self._monitored = DemoList(state_dir / "monitored-agents.txt")
        self._result = state_dir / RESULT_FILE
        self._cases = cases
        self._exit_after = exit_after
        self._starting = True
        self.administration: AdminApis | None = None
        """Of the simulated Twilio: its test events reach Kinesis once the pipeline is ready."""
        self.recorded: RecordedConferences | None = None
        """The recordings of the simulated Twilio."""

    def settings(self, rest_url: str) -> dict[str, str]:
        """Return the settings of the pipeline, without the prefix of their names."""
        credentials = self._simulation.credentials
        is_unusual = Unlike.SIGNATURE_URL in self._simulation.world.unlike
        signed = {"GATEWAY_SIGNED_URL": SIGNED_URL} if is_unusual else {}
        return {
            **signed,
            **recovery_settings(self._cases),
            "TWILIO_ACCOUNT_SID": credentials.account_sid,
            "TWILIO_AUTH_TOKEN": credentials.auth_token,
            "TWILIO_API_URL": rest_url,
            "MONITORED_AGENTS": str(self._monitored.path),
            "VOICE_CHANNELS": f"voice,{CONFIGURED_CHANNEL}",
        }

    def show(self, line: str) -> None:
        """Show a line that `up` prints while it starts. Later lines would disturb the live view."""
        if self._starting:
            self._terminal.print(line, style="dim", markup=False, highlight=False)

    async def run(self, pipeline: PipelineProcess) -> int:
        """Wait for the pipeline, play the calls, and print the result. Then stay up, unless
        `exit_after`. Return the exit status."""
        try:
            async with asyncio.timeout(READY_S):
                endpoints = await pipeline.ready()
        except TimeoutError:
            self._terminal.print(f"The pipeline was not ready within {READY_S:.0f} s.")
            return 1
        self._starting = False
        if self.administration is not None:
            deliver = into_kinesis(endpoints.kinesis, endpoints.kinesis_region)
            self.administration.deliver = deliver
        played = self._script()
        if self.recorded is not None:
            record_unstreamed_only(self.recorded, [one.script for one in played])
        await self._play(played, endpoints)
        print_result(self._terminal, played)
        write_result(self._result, played)
        right = not any(one.differences for one in played)
        if not self._exit_after:
            self._terminal.print(f"\nConsole: {endpoints.console}", highlight=False)
            self._terminal.print(f"Token:   {endpoints.console_token}", highlight=False)
            self._terminal.print("Stays up until Ctrl-C.")
            await asyncio.Event().wait()
        return 0 if right else 1

    async def stopped(self, stop: asyncio.Event) -> int:
        """Wait for the stop, and return the exit status: 1 if the demo was to exit by itself with a
        result, else 0."""
        await stop.wait()
        return 1 if self._exit_after else 0

    def _script(self) -> list[Played]:
        spacing = LONGEST_BEGINNING_MS // len(self._cases)
        spacing = min(max(spacing, SPACING_MS[0]), SPACING_MS[1])
        begins_at = clock() + CALLS_BEGIN_MS
        account, seed = self._simulation.account, self._simulation.random.getrandbits(63)
        unlike = self._simulation.world.unlike
        calls = scripts(self._cases, begins_at, spacing, account, seed, unlike=unlike)
        return [Played(script) for script in calls]

    async def _play(self, played: Sequence[Played], endpoints: Endpoints) -> None:
        simulation = self._simulation
        console = Console(endpoints.console, endpoints.console_token)
        sink = KinesisSink(
            endpoints.kinesis,
            endpoints.kinesis_region,
            endpoints.kinesis_stream,
            in_arrays=Unlike.EVENT_ARRAYS in simulation.world.unlike,
        )
        async with console, sink:
            player = Player(simulation.world, sink, console, self._monitored.add)
            await player.rubbish(simulation.sids)
            async with watch(self._terminal, played, simulation.world, console, endpoints):
                await player.play(played, simulation.random)


class DemoList:
    """The file of the monitored agents, rewritten for each run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write(MONITORED_LIST)

    def add(self, line: str) -> None:
        """Add a line."""
        self._write(self.path.read_text() + line + "\n")

    def _write(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)


async def _until_first(*courses: Callable[[], Awaitable[int | None]]) -> int:
    """Run all until one ends, cancel the others, and return the exit status of that one."""
    tasks = [asyncio.ensure_future(course()) for course in courses]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    try:
        return max(task.result() or 0 for task in done)
    except PipelineDied as died:
        print(f"The pipeline ended by itself, status {died.status}:\n{died}")
        return died.status if died.status in (2, 3) else 1


@contextmanager
def _prepared(state_dir: Path) -> Iterator[Path]:
    directory = state_dir.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with held(directory / "demo.lock"):
        (directory / RESULT_FILE).unlink(missing_ok=True)
        try:
            yield directory
        finally:
            (directory / ENV_FILE).unlink(missing_ok=True)


def _terminal() -> Terminal:
    terminal = Terminal()
    return terminal if terminal.is_terminal else Terminal(width=TABLE_WIDTH)
