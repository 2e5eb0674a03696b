"""What a chaos run stands on: the pipeline in a directory of its own, the simulated Twilio, and
the broker where it is to be stopped."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from infra.kafka import LocalKafka
from infra.ports import chosen
from infra.processes import signal_all, tied
from pipeline.kafka import wait_for_kafka
from pipeline.settings import Settings
from simulator.console import Endpoints
from simulator.demo import MonitoredList, Simulation
from simulator.faults import Outages, Stumbling
from simulator.media import clock, send_media_stream
from simulator.pipeline_process import PipelineProcess, environment
from simulator.twilio_rest import Sender, TwilioRest
from tests.chaos.list_faults import DamagedList
from tests.chaos.options import Options
from tests.chaos.uptime import Span

READY_S = 120.0
KAFKA_S = 90.0
AFTER_OUTAGE_MS = 10_000
"""After a broker came back, everything works again within this."""

Say = Callable[[str], None]


class Broker:
    """A broker of the run's own, which can be stopped and started."""

    def __init__(self, directory: Path, logs: Path) -> None:
        ports = chosen(["kafka", "controller"], {}, [])
        self._kafka = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
        self._log = logs / "kafka.log"
        self.servers = self._kafka.bootstrap_servers
        self.outages: list[Span] = []
        self._process: Process | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        command = await asyncio.to_thread(self._kafka.prepare)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied(command), stdout=log, stderr=log, start_new_session=True
            )
        await wait_for_kafka(Settings(kafka_bootstrap_servers=self.servers), KAFKA_S)

    async def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """Returns once it is gone."""
        if self._process is not None:
            signal_all(self._process.pid, signum)
            await self._process.wait()

    async def away(self, seconds: float, say: Say) -> None:
        """Stopped for so long, and there again."""
        say("the broker is stopped")
        began = clock()
        # Killed: one that is shut down may leave a transaction hanging (docs/operations.md).
        await self.stop(signal.SIGKILL)
        await asyncio.sleep(seconds)
        await self.start()
        say("the broker answers again")
        self.outages.append(Span(began, clock() + AFTER_OUTAGE_MS))


@dataclass(frozen=True, slots=True)
class Stage:
    """All that is there while calls are played. `directory`: the pipeline's state; `twilio`: the
    outages of Twilio's API."""

    simulation: Simulation
    rest: TwilioRest
    twilio: Outages
    monitored: DamagedList
    pipeline: PipelineProcess
    endpoints: Endpoints
    directory: Path
    broker: Broker | None


@asynccontextmanager
async def staged(
    options: Options, directory: Path, say: Say, send: Sender = send_media_stream
) -> AsyncIterator[Stage]:
    """Everything started and ready; ended with the block. `send` runs the media streams."""
    logs = directory / "chaos-logs"
    logs.mkdir(parents=True, exist_ok=True)
    simulation = Simulation.fresh(options.seed)
    twilio = Outages(Stumbling(options.fail, Random(options.seed)), clock)
    broker = Broker(directory, logs) if options.broker_down else None
    try:
        if broker is not None:
            await broker.start()
        world, credentials = simulation.world, simulation.credentials
        async with TwilioRest(world, credentials, twilio, send=send) as rest:
            monitored = DamagedList(directory / "monitored-agents.txt")
            settings = _settings(options, simulation, rest, monitored, broker)
            state = directory / "state"
            with (logs / "up.log").open("w") as log:

                def tell(line: str) -> None:
                    log.write(f"{clock()} {line}\n")
                    log.flush()

                async with PipelineProcess(state, environment(settings), tell) as pipeline:
                    endpoints = await _ready(pipeline)
                    say("the pipeline is up")
                    yield Stage(
                        *(simulation, rest, twilio, monitored, pipeline, endpoints, state, broker)
                    )
    finally:
        if broker is not None:
            await broker.stop(signal.SIGKILL)


async def _ready(pipeline: PipelineProcess) -> Endpoints:
    died = asyncio.ensure_future(pipeline.died())
    ready = asyncio.ensure_future(pipeline.ready())
    try:
        async with asyncio.timeout(READY_S):
            await asyncio.wait({died, ready}, return_when=asyncio.FIRST_COMPLETED)
        if died.done():
            died.result()
        return ready.result()
    finally:
        died.cancel()
        ready.cancel()


def _settings(
    options: Options,
    simulation: Simulation,
    rest: TwilioRest,
    monitored: MonitoredList,
    broker: Broker | None,
) -> dict[str, str]:
    credentials = simulation.credentials
    settings = {
        "TWILIO_ACCOUNT_SID": credentials.account_sid,
        "TWILIO_AUTH_TOKEN": credentials.auth_token,
        "TWILIO_API_URL": rest.url,
        "MONITORED_AGENTS": str(monitored.path),
        "LOG_LEVEL": os.environ.get("FLEXCAPTURE_LOG_LEVEL", "INFO"),
    }
    if options.processes:
        settings["PROCESSES"] = ",".join(f"{r}={n}" for r, n in options.processes.items())
    if broker is not None:
        settings["KAFKA_BOOTSTRAP_SERVERS"] = broker.servers
    return settings
