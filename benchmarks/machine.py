"""The CPU time that a process, and the whole machine, has used."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class MachineTime:
    """Seconds since the machine's start, added up over its cores. `stolen`: the hypervisor gave
    the core to another virtual machine."""

    busy: float
    idle: float
    stolen: float

    def since(self, earlier: "MachineTime") -> "MachineTime":
        """Return the seconds that passed after `earlier`."""
        return MachineTime(
            self.busy - earlier.busy, self.idle - earlier.idle, self.stolen - earlier.stolen
        )


def machine_time() -> MachineTime:
    """Return the machine's times until now."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0]
    user, nice, system, idle, waiting, irq, softirq, stolen = map(int, first.split()[1:9])
    busy = user + nice + system + irq + softirq
    return MachineTime(*(t / TICKS_A_SECOND for t in (busy, idle + waiting, stolen)))


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process (all its threads) has used, to 10 ms. Raise `OSError`
    if it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def only_child() -> int:
    """Return the process id of this process's only child."""
    [child] = (pid for pid, parent in _parents() if parent == os.getpid())
    return child


def _parents() -> Iterator[tuple[int, int]]:
    """Yield the id of each process, with that of its parent."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            yield int(process.name), int(fields[1])
