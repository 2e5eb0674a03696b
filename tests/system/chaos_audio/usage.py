"""What the pipeline's processes take of the machine, by role, while calls are on."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tests.system.chaos.processes import Processes

EVERY_S = 5.0
SENDER = "sender"
"""This process: it doubles Twilio, and plays the calls."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """At `at` (s), the seconds of CPU that each role has used, and the bytes of memory it has."""

    at: float
    cpu: Mapping[str, float]
    memory: Mapping[str, int]


@dataclass(slots=True)
class Usage:
    """`samples`, the first before any call, then from when all of them are on."""

    samples: list[Sample] = field(default_factory=list)

    def cores(self) -> dict[str, float]:
        """How many cores each role kept busy while all calls were on."""
        if len(self.samples) < 3:
            return {}
        first, last = self.samples[1], self.samples[-1]
        spent = last.at - first.at
        return {r: (cpu - first.cpu.get(r, 0.0)) / spent for r, cpu in last.cpu.items()}

    def grown(self, role: str) -> int:
        """Bytes of memory that a role has more than before the calls."""
        return self.samples[-1].memory.get(role, 0) - self.samples[0].memory.get(role, 0)

    def note(self, processes: Processes) -> None:
        """One more sample."""
        pids = {SENDER: [os.getpid()]}
        for role, running in processes.endpoints.get("roles", {}).items():
            pids[role] = [process["pid"] for process in running if process["pid"]]
        cpu = {role: sum(map(_cpu, each)) for role, each in pids.items()}
        memory = {role: sum(map(_memory, each)) for role, each in pids.items()}
        self.samples.append(Sample(monotonic(), cpu, memory))

    async def keep_noting(self, processes: Processes) -> None:
        """Never returns."""
        while True:
            self.note(processes)
            await asyncio.sleep(EVERY_S)


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def _memory(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0
