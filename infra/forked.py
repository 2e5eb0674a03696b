"""Run roles as processes that are forked from one that has imported everything, with the standard
library's fork server. `infra.fork_server` runs inside it; for the reasons see
docs/decisions/0014."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_INSIDE = "infra.fork_server"
_ATTEMPTS = 10
_REST_SECONDS = 0.02


class CannotFork(OSError):
    """The fork server does not work. It has printed the reason on the standard error."""


class Forked:
    """A process, with the part of `asyncio.subprocess.Process` that is used here."""

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
        """Wait for the end of the process; return its exit status, or the negative number of a
        signal."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)


async def warm() -> None:
    """Return once the fork server has imported everything. Call it from the main thread: the server
    ends with the thread that started it. Raises `CannotFork`."""
    process = _process("ready")
    forkserver.ensure_running()
    await asyncio.to_thread(_start, process)
    await Forked(process).wait()


def forked(role: str, name: str, environment: Mapping[str, str], log_file: Path) -> Forked:
    """Start a role. Blocks for some milliseconds if the server is warm, and for seconds if it had
    died and must be started again. Raises `CannotFork`."""
    process = _process("run", role, name, dict(environment), str(log_file))
    _start(process)
    return Forked(process)


def _process(function: str, *arguments: object) -> ForkServerProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload([_INSIDE, __name__])
    return context.Process(target=_call, args=(function, *arguments), daemon=True)


def _call(function: str, *arguments: object) -> None:
    # By name: the module must be imported only inside the fork server, which has done so.
    getattr(import_module(_INSIDE), function)(*arguments)


def _start(process: ForkServerProcess) -> None:
    # A server that has just died does not answer. It is replaced once the kernel reports its end, a
    # moment later.
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
