"""What a run stands on: a broker, an emulated Kinesis, the simulated Twilio, and a process of each
role, all with the run's time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from infra.local.kafka import LocalKafka, running
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import tied
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.settings import Settings
from schemas.topics import ALL
from simulator.console import Console
from simulator.demo import DemoList, Simulation
from simulator.faults import Stumbling
from simulator.kinesis import KinesisSink
from simulator.player import Player
from simulator.twilio_rest import TwilioRest
from tests.integration.single_roles import Roles, roles
from tests.kafka_topics import with_original_timestamps
from tests.system.chaos_recover.log_time import LogTime
from tests.system.chaos_recover.options import Options

ROLES = (
    "bridge", "tracker", "resolver", "stream-manager", "twilio-adapter", "gateway", "recorder",
    "consolidator", "console", "retriever", "reconciler",
)  # fmt: skip
KINESIS_STREAM, TOKEN = "flex-events", "t" * 40
KAFKA_S, READY_S, LOOK_S = 180.0, 600.0, 0.5
FAILING = 0.05
"""The share of Twilio's requests that fail."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RecoverStage:
    """All that is there. `time`: the run's clock."""

    time: LogTime
    started: Roles
    simulation: Simulation
    rest: TwilioRest
    console: Console
    player: Player
    say: Say

    def kill(self, role: str) -> None:
        """SIGKILL the process of a role."""
        process = self.started.processes.pop(f"{role}-0")
        process.kill()
        process.wait()
        self.say(f"killed {role}")

    def restart(self, role: str) -> None:
        """Start a role again, at the addresses that it had."""
        name = f"{role}-0"
        self.started._start(name, self.started.listens[name])

    async def keep_running(self) -> None:
        """Start roles again that end by themselves, as `up` does: a busy machine may keep one from
        Kafka for so long that it loses its partitions. Never returns."""
        while True:
            for name, status in self.started.ended().items():
                self.say(f"{name} ended by itself, status {status}")
                self.restart(name.removesuffix("-0"))
            await asyncio.sleep(LOOK_S)

    async def healthy(self) -> None:
        """Return once every process is."""
        async with asyncio.timeout(READY_S):
            while True:
                looks = [asyncio.to_thread(self.started.health, n) for n in self.started.processes]
                if {200} == {status for status, _ in await asyncio.gather(*looks)}:
                    return
                await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def staged(
    options: Options, directory: Path, time: LogTime, say: Say
) -> AsyncIterator[RecoverStage]:
    """Everything started and ready; ended with the block."""
    simulation = Simulation.fresh(options.seed)
    world, credentials = simulation.world, simulation.credentials
    ports = chosen(["kafka", "controller", "kinesis", "gateway"], {}, [])
    local = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
    failing = Stumbling(FAILING, Random(options.seed))
    with running(local, directory / "kafka.log"):
        await _made_topics(local.bootstrap_servers)
        async with (
            _kinesis(ports["kinesis"]) as kinesis,
            TwilioRest(world, credentials, failing) as rest,
        ):
            settings = _settings(simulation, rest, directory, f"127.0.0.1:{ports['gateway']}")
            with roles(directory, local.bootstrap_servers, **settings) as started:
                started.environment_of = _environment_of(kinesis)
                started.start(dict.fromkeys(ROLES, 1))
                console = Console(f"http://{started.listens['console-0']}", TOKEN)
                sink = KinesisSink(kinesis.endpoint, kinesis.region, KINESIS_STREAM)
                async with console, sink:
                    player = Player(world, sink, console, lambda _: None)
                    stage = RecoverStage(time, started, simulation, rest, console, player, say)
                    async with kept_running(stage):
                        yield stage


@asynccontextmanager
async def kept_running(stage: RecoverStage) -> AsyncIterator[None]:
    """Every role is healthy when the block begins, and is started again if it ends."""
    keeping = asyncio.create_task(stage.keep_running())
    try:
        await stage.healthy()
        stage.say("every role is up")
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def _made_topics(servers: str) -> None:
    # The brokers' clock is the machine's: records keep the times of the processes.
    settings = Settings(kafka_bootstrap_servers=servers)
    await wait_for_kafka(settings, KAFKA_S)
    await ensure_topics(settings, [with_original_timestamps(topic) for topic in ALL])


@asynccontextmanager
async def _kinesis(port: int) -> AsyncIterator[LocalKinesis]:
    kinesis = LocalKinesis(port, "us-east-1", KINESIS_STREAM)
    command = (sys.executable, "-m", "tests.system.chaos_recover.emulated_kinesis", str(port))
    process = await asyncio.create_subprocess_exec(*tied(command))
    try:
        await asyncio.wait_for(kinesis.make_stream(), 60)
        yield kinesis
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _settings(
    simulation: Simulation, rest: TwilioRest, directory: Path, gateway: str
) -> dict[str, str]:
    return {
        "KINESIS_STREAM": KINESIS_STREAM,
        "TWILIO_API_URL": rest.url,
        "TWILIO_ACCOUNT_SID": simulation.credentials.account_sid,
        "TWILIO_AUTH_TOKEN": simulation.credentials.auth_token,
        "MONITORED_AGENTS": str(DemoList(directory / "agents.txt").path),
        "GATEWAY_LISTEN": gateway,
        "GATEWAY_PUBLIC_URL": f"ws://{gateway}/media",
        "GATEWAY_DRAIN_SECONDS": "1",
        "RECOVERY": "partial",
        "RECOVERY_DELAY_SECONDS": "2",
        "RECOVERY_GIVE_UP_SECONDS": "600",
    }


def _environment_of(kinesis: LocalKinesis) -> Callable[[str], Mapping[str, str]]:
    """Return a function for a role's own variables: the run's time, and the Kinesis to read."""
    shared = {name: os.environ[name] for name in ("CLOCK_SHIFT_FILE", "PYTHONPATH")}

    def own(role: str) -> Mapping[str, str]:
        return shared | (kinesis.environment() if role == "bridge" else {})

    return own
