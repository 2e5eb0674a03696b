"""Keep a process running: start it, and restart it when it dies, until it must stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.port_holders import holder_of
from infra.ports import is_free
from infra.supervisor.fork_server import ForkServer
from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.setting_values import listen_address

_DELAYS = (0.0, 0.5, 1.0, 2.0, 3.0)
_STEADY_SECONDS = 5.0
_TAIL_LINES = 12
_FREE_POLL_S = 0.2
_FREE_SOON_S = 2.0
"""How long (s) a process that was just killed may still hold its port."""
_SAY_TAKEN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run: a command, or a role that a fork server starts. `http`: the address of its
    /healthz ("host:port"), or None.

    `listens`: the addresses ("host:port") on which it alone listens; `shared`: those that it shares
    with other processes.
    """

    role: str
    number: int
    start: tuple[str, ...] | ForkServer
    environment: Mapping[str, str]
    http: str | None = None
    listens: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The process's name: ROLE-N."""
        return f"{self.role}-{self.number}"

    def taken_ports(self) -> list[int]:
        """Return the ports of its addresses on which another process listens."""
        known = [*((address, False) for address in self.listens), *((a, True) for a in self.shared)]
        asked = [(listen_address(address), shared) for address, shared in known]
        return [port for (host, port), shared in asked if not is_free(port, host, shared=shared)]


@dataclass(frozen=True, slots=True)
class BackingCommands:
    """The commands of programs other than roles. `kafka`: one for each local broker, none if Kafka
    is external; `haproxy`: None without a load balancer."""

    kafka: Sequence[Sequence[str]]
    haproxy: Sequence[str] | None = None


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
    for people. `urge_seconds`: a process that takes longer than this to stop gets a second
    SIGTERM."""

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
        after `stop_seconds`. If cancelled, kill it at once. While another program holds one of its
        ports, do not start it, and report which program that is."""
        failures = 0
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            await self._until_ports_are_free(stop)
            if stop.is_set():
                return
            began = loop.time()
            status = await self._run_once(stop)
            if stop.is_set():
                return
            failures, delay = restart_after(failures, loop.time() - began)
            self._log_exit(status, failures, delay)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await stop.wait()

    async def _until_ports_are_free(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        say_at = loop.time() + _FREE_SOON_S
        said = False
        while not stop.is_set() and (taken := self.program.taken_ports()):
            if loop.time() >= say_at:
                say_at, said = loop.time() + _SAY_TAKEN_EVERY_S, True
                by = [f"port {port} is taken by {holder_of(port)}" for port in taken]
                self._say(
                    f"{self.program.name} cannot start: {', '.join(by)}. It starts once the port "
                    "is free. The ports of a state directory are fixed: to have others chosen, "
                    "stop `up` and delete ports.json in it"
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(_FREE_POLL_S):
                    await stop.wait()
        if said and not stop.is_set():
            self._say(f"{self.program.name}: its ports are free again")

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

    def _log_exit(self, status: int, failures: int, delay: float) -> None:
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
