"""A process of a role that comes and goes, beside others of the role that stay."""

import asyncio
import itertools
import signal
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.local import BenchmarkFailed, Local, RunningPipeline, role
from pipeline.runtime.settings import Role

END_S = 15.0
LOOK_S = 0.1


class Members:
    """At most one process at a time. `settings`: those of the role, without its instance."""

    def __init__(self, here: Local, name: Role, settings: Mapping[str, str]) -> None:
        self._here, self._role, self._settings = here, name, settings
        self._numbers = itertools.count(100)
        self._instance = ""
        self._stack = ExitStack()
        self._process: RunningPipeline | None = None

    async def join(self) -> None:
        """Start a process that the group does not know. Return at once."""
        self._instance = f"{self._role}-{next(self._numbers)}"
        self._start()

    async def restart(self) -> None:
        """Kill the process, and start it again under its name. Return at once after."""
        await self.send(signal.SIGKILL)
        await self.end()
        self._start()

    async def send(self, signum: signal.Signals) -> None:
        """Send the process a signal."""
        self._running().send_signal(signum)

    async def hang(self, seconds: float) -> None:
        """Suspend the process, and let it continue after `seconds`."""
        await self.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        await self.send(signal.SIGCONT)

    def has_ended(self) -> bool:
        """Return whether there is no process."""
        return self._process is None or self._process.has_ended()

    async def end(self) -> None:
        """End the process, if there is one, and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        for _ in range(round(END_S / LOOK_S)):
            if self._process.has_ended():
                break
            await asyncio.sleep(LOOK_S)
        self._stack.close()  # kills it
        self._process = None

    def _start(self) -> None:
        own = {**self._settings, "INSTANCE": self._instance}
        self._process = self._stack.enter_context(role(self._here, self._role, own))

    def _running(self) -> RunningPipeline:
        if self._process is None or self._process.has_ended():
            raise BenchmarkFailed(f"{self._instance} ended before it was changed")
        return self._process
