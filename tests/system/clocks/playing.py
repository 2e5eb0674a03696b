"""Plays calls through a whole pipeline in which the machines of some roles have wrong clocks."""

import json
import re
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console as Terminal

from simulator.cases import Case
from simulator.console import Endpoints
from simulator.demo import Demo, Simulation
from simulator.pipeline_process import PipelineProcess, environment
from simulator.result import RESULT_FILE
from simulator.twilio_rest import Faults, TwilioRest

COMMAND = (sys.executable, "-m", "tests.system.clocks.skewed_up")
SEED = 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of the calls. `health`: the answer of each role's health check at the end;
    `inums`: of all recordings; `began`, `ended`: Unix time by a correct clock."""

    calls: Sequence[Mapping[str, Any]]
    health: Mapping[str, tuple[int, str]]
    metrics: Mapping[str, str]
    inums: Sequence[str]
    began: float
    ended: float

    def skew_of(self, role: str) -> float:
        """Return what a role exports as the skew of its machine's clock, s."""
        found = re.search(
            r"^flexcapture_clock_skew_seconds (\S+)$", self.metrics[role], re.MULTILINE
        )
        assert found is not None, f"{role} exports no skew"
        return float(found[1])


async def play(
    directory: Path, cases: Sequence[Case], skews: Mapping[str, float], terminal: Terminal
) -> Outcome:
    """Play one call of each case, and return the results. `skews`: by how many seconds each role's
    clock is ahead (negative: behind)."""
    simulation = Simulation.fresh(SEED)
    demo = Demo(terminal, simulation, directory, cases, exit_after=True)
    began = time.time()
    async with TwilioRest(simulation.world, simulation.credentials, Faults()) as rest:
        settings = environment(demo.settings(rest.url)) | {"CLOCK_SKEWS": json.dumps(skews)}
        async with PipelineProcess(directory, settings, demo.show, COMMAND) as pipeline:
            endpoints = await pipeline.ready()
            await demo.run(pipeline)
            answers = await _answers(endpoints, directory)
    result = directory / RESULT_FILE
    calls = json.loads(result.read_text())["calls"] if result.exists() else []
    health = {role: found["/healthz"] for role, found in answers.items()}
    metrics = {role: found["/metrics"][1] for role, found in answers.items()}
    return Outcome(calls, health, metrics, _inums(directory), began, time.time())


async def _answers(endpoints: Endpoints, directory: Path) -> dict[str, dict[str, tuple[int, str]]]:
    listed = json.loads((directory / "endpoints.json").read_text())["roles"]
    found: dict[str, dict[str, tuple[int, str]]] = {}
    async with aiohttp.ClientSession() as session:
        for role, processes in listed.items():
            if processes[0]["http"] is None:
                continue
            found[role] = {}
            for path in ("/healthz", "/metrics"):
                async with session.get(f"http://{processes[0]['http']}{path}") as answer:
                    found[role][path] = answer.status, await answer.text()
    assert endpoints.pid
    return found


def _inums(directory: Path) -> list[str]:
    with sqlite3.connect(f"file:{directory / 'flexcapture.db'}?mode=ro", uri=True) as database:
        return [str(inum) for (inum,) in database.execute("SELECT inum FROM recordings")]
