"""Keep a process running: start it, and restart it when it dies, until it must stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.supervisor.fork_server import ForkServer
from infra.supervisor.processes import signal_all, tied

_DELAYS = (0.0, 0.5, 1.0, 2.0, 3.0)
_STEADY_SECONDS = 5.0
_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Program:
    """The program that a child runs: a command, or a role that a fork server starts. `http`: the
    address of its /healthz ("host:port"), or None."""

    role: str
    number: int
    start: tuple[str, ...] | ForkServer
    environment: Mapping[str, str]
    http: str | None = None

    @property
    def name(self) -> str:
        """The process's name: ROLE-N."""
        return f"{self.role}-{self.number}"


class Running(Protocol):
    """A started process, with the interface of asyncio's."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def terminate(self) -> None: ...


def restart_after(failures: int, ran_seconds: float) -> tuple[int, float]:
    """Return the number of deaths in a row, including this one, and the delay (s) before the
    restart. There is no delay after a first death, or after a death that follows a steady run."""
    failures = 1 if ran_seconds >= _STEADY_SECONDS else failures + 1
    return failures, _DELAYS[min(failures, len(_DELAYS)) - 1]


class Child:
    """Keeps a program running. `changed` is called after each start and death, `say` with messages
    for people. `urge_seconds`: after this a process that stops gets a second SIGTERM."""

    def __init__(
        self,
        program: Program,
        logs: Path,
        *,
        stop_seconds: float,
        changed: Callable[[], None],
        say: Callable[[str], None],
        urge_seconds: float | None = None,
    ) -> None:
        self.program = program
        self.log_file = logs / f"{program.name}.log"
        self.started = asyncio.Event()
        self._stop_seconds = stop_seconds
        self._urge_seconds = urge_seconds
        self._changed = changed
        self._say = say
        self._process: Running | None = None

    @property
    def pid(self) -> int | None:
        """The id of the running process; None while there is none."""
        return self._process.pid if self._process else None

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(f"    {line}" for line in text[-8_000:].splitlines()[-_TAIL_LINES:])

    async def keep_running(self, stop: asyncio.Event) -> None:
        """Run the program until `stop` is set and the process has ended, by SIGTERM, or by SIGKILL
        after `stop_seconds`. If cancelled, kill it at once."""
        failures = 0
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            status = await self._run_once(stop)
            if stop.is_set():
                return
            failures, delay = restart_after(failures, loop.time() - began)
            self._tell(status, failures, delay)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await stop.wait()

    async def _run_once(self, stop: asyncio.Event) -> int:
        process = await self._spawn()
        self._process = process
        try:
            self.started.set()
            self._changed()
            await _first(process.wait(), stop.wait())
            if process.returncode is None:
                await self._end(process)
        finally:
            signal_all(process.pid, signal.SIGKILL)  # and its own children
            self._process = None
            self._changed()
        return await process.wait()

    async def _spawn(self) -> Running:
        program = self.program
        if isinstance(program.start, ForkServer):
            return program.start.fork(
                program.role, program.name, program.environment, self.log_file
            )
        with self.log_file.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *tied(program.start),
                env=program.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _end(self, process: Running) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._stop_seconds):
                await self._urged(process)
                await process.wait()
        except TimeoutError:
            self._say(f"{self.program.name} did not stop in time: killed")
            signal_all(process.pid, signal.SIGKILL)
            await process.wait()

    async def _urged(self, process: Running) -> None:
        if self._urge_seconds is None:
            return
        try:
            async with asyncio.timeout(self._urge_seconds):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.terminate()

    def _tell(self, status: int, failures: int, delay: float) -> None:
        how = (
            f"was killed by {signal.Signals(-status).name}"
            if status < 0
            else f"exited with status {status}"
        )
        when = f"in {delay:g} s" if delay else "now"
        self._say(f"{self.program.name} {how}; restarting {when}")
        if failures == 2:
            self._say(f"  last lines of {self.log_file}:\n{self.log_tail()}")


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return once one of the coroutines has returned; cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
