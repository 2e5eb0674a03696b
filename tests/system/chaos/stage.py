"""What a chaos run stands on: the pipeline in a directory of its own, the simulated Twilio, and
brokers of its own if something is done to them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from simulator.console import Endpoints
from simulator.demo import DemoList, Simulation
from simulator.faults import Outages, Stumbling
from simulator.media import clock, send_media_stream
from simulator.pipeline_process import UP, PipelineProcess, environment
from simulator.twilio_rest import Sender, TwilioRest
from tests.system.chaos.brokers import Brokers
from tests.system.chaos.list_faults import DamagedList
from tests.system.chaos.options import Options

READY_S = 120.0

Say = Callable[[str], None]


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
    brokers: Brokers | None


@asynccontextmanager
async def staged(
    options: Options, directory: Path, say: Say, send: Sender = send_media_stream
) -> AsyncIterator[Stage]:
    """Everything started and ready; ended with the block. `send` runs the media streams."""
    logs = directory / "chaos-logs"
    logs.mkdir(parents=True, exist_ok=True)
    simulation = Simulation.fresh(options.seed)
    twilio = Outages(Stumbling(options.fail, Random(options.seed)), clock)
    brokers = Brokers(directory, logs, options.brokers) if options.has_brokers else None
    try:
        if brokers is not None:
            await brokers.start()
        world, credentials = simulation.world, simulation.credentials
        async with TwilioRest(world, credentials, twilio, send=send) as rest:
            monitored = DamagedList(directory / "monitored-agents.txt")
            settings = _settings(options, simulation, rest, monitored, brokers)
            state = directory / "state"
            with (logs / "up.log").open("w") as log:

                def write_line(line: str) -> None:
                    log.write(f"{clock()} {line}\n")
                    log.flush()

                command = (*UP, *(["--load-balancer"] if options.load_balancer else []))
                process = PipelineProcess(state, environment(settings), write_line, command)
                async with process as pipeline:
                    endpoints = await _ready(pipeline)
                    say("the pipeline is up")
                    yield Stage(
                        *(simulation, rest, twilio, monitored, pipeline, endpoints, state, brokers)
                    )
    finally:
        if brokers is not None:
            await brokers.kill_all()


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
    monitored: DemoList,
    brokers: Brokers | None,
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
    if brokers is not None:
        settings["KAFKA_BOOTSTRAP_SERVERS"] = brokers.servers
    return settings
