"""Processes of one role: started, killed, frozen, added."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.settings import Role

_STOP_S = 30.0

Say = Callable[[str], None]


@dataclass
class Fleet:
    """Processes of a role, each with a name of its own (FLEXCAPTURE_INSTANCE)."""

    role: Role
    environment: Mapping[str, str]
    logs: Path
    say: Say
    killed: int = 0
    frozen: int = 0
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    asleep: set[str] = field(default_factory=set)
    _named: int = 0

    def add(self, name: str | None = None) -> str:
        """Starts one, a new one unless it is named. Call it from the main thread."""
        if name is None:
            name = f"{self.role}-{self._named}"
            self._named += 1
        command = tied([sys.executable, "-m", "cli.main", self.role.value])
        environment = {**os.environ, **self.environment, "FLEXCAPTURE_INSTANCE": name}
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        return name

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self.running.pop(name)
        signal_all(process.pid, signal.SIGKILL)
        process.wait()
        self.asleep.discard(name)
        self.killed += 1

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        signal_all(self.running[name].pid, signal.SIGSTOP)
        self.asleep.add(name)
        self.frozen += 1

    def wake(self, name: str) -> None:
        """Send SIGCONT, unless the process was killed meanwhile."""
        if name in self.running:
            signal_all(self.running[name].pid, signal.SIGCONT)
        self.asleep.discard(name)

    def ended(self) -> list[str]:
        """Those that ended by themselves, which none should, with their exit status."""
        return [
            f"{name} ended by itself: {status}"
            for name, process in self.running.items()
            if (status := process.poll()) is not None
        ]

    async def end(self) -> list[str]:
        """Asks all to end; those that do not end cleanly."""
        for name in list(self.asleep):
            self.wake(name)
        for process in self.running.values():
            process.terminate()
        found = []
        for name, process in self.running.items():
            try:
                status = await asyncio.to_thread(process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                found.append(f"{name} did not end within {_STOP_S:g} s of SIGTERM")
            else:
                found += [f"{name} ended with status {status}"] if status else []
        return found

    def clear(self) -> None:
        """None is left."""
        for name in list(self.running):
            self.kill(name)
