"""Kills processes of the pipeline, adds some, and keeps the record of which lived when."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from infra.supervisor.processes import tied
from simulator.media import clock
from tests.system.chaos.uptime import Life, Span

POLL_S = 0.05
SESSION_MS = 8_000
"""What a process that is gone for good leaves unserved: its session must run out first."""
EXTRA_S = (8.0, 20.0)

Say = Callable[[str], None]


class Processes:
    """The processes in endpoints.json over time. `lives`: by ROLE-N; `stopped`: the ids of those
    that were asked to end; `known`: set after the file was first read."""

    def __init__(self, directory: Path, say: Say) -> None:
        self._file = directory / "endpoints.json"
        self._say = say
        self.lives: dict[str, list[Life]] = {}
        self.unasked: list[str] = []
        self.stopped: set[int] = set()
        self.extra: list[Span] = []
        self.endpoints: dict[str, Any] = {}
        self.known = asyncio.Event()

    async def watch(self) -> None:
        """Follows the file. Never returns."""
        while True:
            with suppress(FileNotFoundError, ValueError):
                self.endpoints = json.loads(self._file.read_text())
                self._look(self.endpoints["roles"])
                self.known.set()
            await asyncio.sleep(POLL_S)

    def _look(self, roles: Mapping[str, list[dict[str, Any]]]) -> None:
        for role, processes in roles.items():
            for number, process in enumerate(processes):
                self._seen(f"{role}-{number}", process["pid"])

    def _seen(self, name: str, pid: int | None) -> None:
        lives = self.lives.setdefault(name, [])
        if lives and lives[-1].end is None and lives[-1].pid != pid:
            lives[-1] = replace(lives[-1], end=clock())
            if lives[-1].pid in self.stopped:
                self._say(f"{name} has ended")
            else:
                self.unasked.append(f"{name} ended by itself at {lives[-1].end}")
                self._say(self.unasked[-1])
        if pid is not None and (not lives or lives[-1].pid != pid):
            lives.append(Life(pid, min(started_at(pid) or clock(), clock())))

    def running(self, role: str) -> list[str]:
        """The processes of a role that live, as ROLE-N."""
        return [
            name
            for name, lives in self.lives.items()
            if name.rpartition("-")[0] == role and lives and lives[-1].end is None
        ]

    def kill(self, name: str) -> None:
        """SIGKILL."""
        life = self.lives[name][-1]
        with suppress(ProcessLookupError):
            os.kill(life.pid, signal.SIGKILL)
        self.lives[name][-1] = replace(life, end=clock(), killed=True)
        self._say(f"killed {name}")

    def drain(self, name: str) -> None:
        """SIGTERM: the process ends once its work is done."""
        life = self.lives[name][-1]
        os.kill(life.pid, signal.SIGTERM)
        self.stopped.add(life.pid)
        self._say(f"draining {name}")

    def reload(self, name: str) -> None:
        """SIGUSR2: HAProxy reads its configuration again."""
        os.kill(self.lives[name][-1].pid, signal.SIGUSR2)
        self._say(f"reloading {name}")


def started_at(pid: int) -> int | None:
    """Return when the process was started (ms); None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return None
    age_s = uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return clock() - round(age_s * 1000)


async def keep_killing(
    processes: Processes, roles: tuple[str, ...], every: float, random: Random
) -> None:
    """Kills one process of a role after the other, in rotation. Never returns."""
    if every <= 0 or not roles:
        await asyncio.Event().wait()
    for role in cycle(roles):
        await asyncio.sleep(every * random.uniform(0.5, 1.5))
        if names := processes.running(role):
            processes.kill(random.choice(names))


async def keep_adding(
    processes: Processes, roles: tuple[str, ...], every: float, random: Random, logs: Path
) -> None:
    """Starts one more process of a role beside the others, and kills it for good, role after role.
    Never returns."""
    if not roles:
        await asyncio.Event().wait()
    for number, role in enumerate(cycle(roles)):
        await asyncio.sleep(every)
        await _visit(processes, role, number, random, logs)


async def _visit(processes: Processes, role: str, number: int, random: Random, logs: Path) -> None:
    names = processes.running(role)
    if not names:
        return
    instance = f"{role}-extra-{number}"
    environment = _environment(processes.lives[names[0]][-1].pid)
    environment["FLEXCAPTURE_INSTANCE"] = instance
    environment.pop("FLEXCAPTURE_HTTP_LISTEN", None)
    command = tied([sys.executable, "-m", "cli.main", role])
    with (logs / f"{instance}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    began = clock()
    processes.extra.append(Span(began, began + UP_AND_SHARED_MS))
    try:
        await asyncio.sleep(random.uniform(*EXTRA_S))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        processes.extra.append(Span(clock(), clock() + SESSION_MS + UP_AND_SHARED_MS))


UP_AND_SHARED_MS = 5_000
"""A process that comes, and the others that share with it, work again after this."""


def _environment(pid: int) -> dict[str, str]:
    variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(one.split("=", 1) for one in variables if "=" in one)
