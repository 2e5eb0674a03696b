"""The bridge processes of a run: started, killed, frozen, added."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from infra.supervisor.processes import signal_all, tied
from tests.system.chaos_bridge.options import Options

FROZEN_S = (2.0, 12.0)
GONE_S = (0.0, 3.0)
_STOP_S = 30.0

Say = Callable[[str], None]


@dataclass
class Fleet:
    """Bridges, each with a name of its own (FLEXCAPTURE_INSTANCE), `flexcapture bridge` all."""

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
            name = f"bridge-{self._named}"
            self._named += 1
        command = tied([sys.executable, "-m", "cli.main", "bridge"])
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


async def keep_changing(fleet: Fleet, options: Options, random: Random) -> None:
    """Kills, freezes and adds bridges, again and again. Never returns."""
    if options.every <= 0:
        await asyncio.Event().wait()
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(options.every * random.uniform(0.5, 1.5))
            awake = sorted(fleet.running.keys() - fleet.asleep)
            if len(fleet.running) <= options.processes and random.random() < 0.25:
                fleet.say(f"added {fleet.add()}")
            elif awake:
                group.create_task(_disturb(fleet, random.choice(awake), options, random))


async def _disturb(fleet: Fleet, name: str, options: Options, random: Random) -> None:
    if random.random() < options.freeze:
        seconds = random.uniform(*FROZEN_S)
        fleet.say(f"froze {name} for {seconds:.1f} s")
        fleet.freeze(name)
        await asyncio.sleep(seconds)
        fleet.wake(name)
        return
    fleet.kill(name)
    # Some come back under their name, as under a supervisor, others are replaced or gone for good.
    comes_back = random.random() < 0.5
    if comes_back or len(fleet.running) < options.processes:
        fleet.say(f"killed {name}, {'which comes back' if comes_back else 'replaced'}")
        await asyncio.sleep(random.uniform(*GONE_S))
        fleet.add(name if comes_back else None)
    else:
        fleet.say(f"killed {name} for good")
