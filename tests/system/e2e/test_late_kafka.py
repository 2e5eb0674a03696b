"""Kafka that comes up long after the roles: they wait, and then record, without a hand on them."""

import asyncio
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from infra.local.kafka import LocalKafka, running
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import tied
from simulator.building import CallBuilder
from simulator.console import Console, Endpoints
from simulator.demo import Demo, Simulation
from simulator.openings import conversation_begins
from simulator.result import RESULT_FILE
from simulator.script import Json
from simulator.twilio_rest import Faults, TwilioRest
from tests.integration.single_roles import Roles, roles

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ALL = dict.fromkeys(
    (
        "bridge", "tracker", "resolver", "stream-manager", "twilio-adapter", "gateway", "recorder",
        "consolidator", "console",
    ), 1,
)  # fmt: skip
LATE_S = float(os.environ.get("FLEXCAPTURE_TEST_LATE_S", "5"))
"""How long Kafka is away once every role waits for it. At length: 60 and more."""
SEED = 11


def long_call(call: CallBuilder) -> None:
    """Inbound, monitored agent, long enough for a busy machine"""
    conversation_begins(call)
    call.wait(20_000)
    call.hang_up()


class Ready:
    """A pipeline of single roles that is up: the demo asks it for its endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def ready(self) -> Endpoints:
        """At once."""
        return self._endpoints


def endpoints_of(started: Roles, kinesis: LocalKinesis) -> Endpoints:
    """What `up` writes into its endpoints.json."""
    return Endpoints(
        os.getpid(), kinesis.endpoint, kinesis.region, kinesis.kinesis_stream,
        f"http://{started.listens['console-0']}", "t" * 40, (started.addresses["gateway-0"],),
    )  # fmt: skip


@contextmanager
def emulated(kinesis: LocalKinesis) -> Iterator[None]:
    """Run the emulator. Call it from the main thread."""
    with subprocess.Popen(tied(kinesis.command()), start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


async def test_roles_that_waited_for_kafka_record_a_call(tmp_path: Path) -> None:
    """Every role says that it waits for Kafka. Once Kafka is up, all become healthy, and
    a call is recorded."""
    ports = chosen(["kafka", "controller", "kinesis", "gateway"], {}, [])
    gateway = f"127.0.0.1:{ports['gateway']}"
    kafka = LocalKafka(tmp_path / "kafka", ports["kafka"], ports["controller"])
    kinesis = LocalKinesis(ports["kinesis"], "us-east-1", "flex-events")
    simulation = Simulation.fresh(SEED)
    output = io.StringIO()
    demo = Demo(Terminal(file=output, width=150), simulation, tmp_path, (long_call,), True)
    await asyncio.to_thread(kafka.prepare)
    with emulated(kinesis), roles(tmp_path, kafka.bootstrap_servers) as started:
        await kinesis.make_stream()
        async with TwilioRest(simulation.world, simulation.credentials, Faults()) as rest:
            started.more = demo.settings(rest.url) | {
                "KINESIS_STREAM": kinesis.kinesis_stream,
                "GATEWAY_LISTEN": gateway,
                "GATEWAY_PUBLIC_URL": f"ws://{gateway}/media",
            }
            started.environment_of = lambda role: kinesis.environment() if role == "bridge" else {}
            started.start(ALL)
            await _until(started, {n: 200 if n == "console-0" else 503 for n in started.listens})
            await asyncio.sleep(LATE_S)
            assert {} == started.ended()
            with running(kafka, tmp_path / "kafka.log"):
                await started.all_healthy(240)
                endpoints = endpoints_of(started, kinesis)
                ready: Any = Ready(endpoints)
                await demo.run(ready)
                (call,) = json.loads((tmp_path / RESULT_FILE).read_text())["calls"]
                recordings = await _recordings(endpoints, call["task_sid"])
                assert ["complete"] == [each["state"] for each in recordings], output.getvalue()
                assert recordings[0]["frames"]["received"] > 0
                assert {} == started.ended()
                assert {*started.terminate().values()} == {0}


async def _recordings(endpoints: Endpoints, task_sid: str) -> list[Json]:
    async with Console(endpoints.console, endpoints.console_token) as console:
        contact = await console.contact(task_sid)
    assert contact is not None
    return list(contact["recordings"])


async def _until(started: Roles, statuses: dict[str, int]) -> None:
    """Return once each health check has its status; those of 503 name Kafka."""
    deadline = time.monotonic() + 240
    answers: dict[str, tuple[int, str]] = {}
    while time.monotonic() < deadline:
        answers = {name: await asyncio.to_thread(started.health, name) for name in statuses}
        if all(
            status == answers[name][0] and (status == 200 or "brokers: " in answers[name][1])
            for name, status in statuses.items()
        ):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(answers)
