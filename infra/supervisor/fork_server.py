"""Roles as processes that are forked from one that has imported everything, by the standard
library's fork server. See docs/decisions/0014."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_ATTEMPTS = 10
_REST_SECONDS = 0.02


class CannotFork(OSError):
    """The fork server does not work; it has printed the reason on the standard error."""


class ForkedProcess:
    """A process, with the used part of the interface of `asyncio.subprocess.Process`."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.returncode: int | None = None
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self.returncode = self._process.exitcode
        self._process.close()
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end; return its exit status, or the negative number of a signal."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class ForkServer:
    """The fork server of this process. `preload` is the module that it imports before the first
    fork: its functions `ready()` and `run(role, name, environment, log_file)` are called in the
    forks."""

    preload: str

    async def warm(self) -> None:
        """Return once the fork server has imported everything. Call it from the main thread: the
        server ends with that thread. Raise `CannotFork`."""
        process = self._process("ready")
        forkserver.ensure_running()
        await asyncio.to_thread(_start, process)
        await ForkedProcess(process).wait()

    def fork(
        self, role: str, name: str, environment: Mapping[str, str], log_file: Path
    ) -> ForkedProcess:
        """Start a role. Block for some milliseconds once the server is warm, and for seconds if it
        died and must be started again. Raise `CannotFork`."""
        process = self._process("run", role, name, dict(environment), str(log_file))
        _start(process)
        return ForkedProcess(process)

    def _process(self, function: str, *arguments: object) -> ForkServerProcess:
        context = get_context("forkserver")
        context.set_forkserver_preload([self.preload, __name__])
        return context.Process(target=_call, args=(self.preload, function, *arguments), daemon=True)


def _call(module: str, function: str, *arguments: object) -> None:
    # By name, so that only the server imports the module: the import has side effects.
    getattr(import_module(module), function)(*arguments)


def _start(process: ForkServerProcess) -> None:
    # A server that has just died answers no request. It is replaced a moment later, once the
    # kernel has reported its end.
    for attempt in range(_ATTEMPTS):
        try:
            process.start()
        except (EOFError, ConnectionError) as error:
            failure: Exception = error
            time.sleep(_REST_SECONDS * (attempt + 1))
        except OSError as error:
            raise CannotFork(f"no process can be forked: {error}") from error
        else:
            return
    raise CannotFork(f"no process can be forked: {failure!r}") from failure
