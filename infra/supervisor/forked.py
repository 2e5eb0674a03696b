"""Roles as processes that are forked from one that has imported everything, by the standard
library's fork server. What runs inside it is `infra.supervisor.fork_server`; docs/decisions/0014 tells why."""

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

_INSIDE = "infra.supervisor.fork_server"
_ATTEMPTS = 10
_REST_SECONDS = 0.02


class CannotFork(OSError):
    """The fork server does not work; why, it has said on the standard error."""


class Forked:
    """A process, with what is used of an `asyncio.subprocess.Process`."""

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
        """Its exit status once it has ended; the number of a signal, negative."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Asks it to end."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)


async def warm() -> None:
    """Returns once the fork server has imported everything. From the main thread, to whose life the
    server's is tied. Raises `CannotFork`."""
    process = _process("ready")
    forkserver.ensure_running()
    await asyncio.to_thread(_start, process)
    await Forked(process).wait()


def forked(role: str, name: str, environment: Mapping[str, str], log_file: Path) -> Forked:
    """Starts a role. Blocks for some milliseconds once the server is warm, and for seconds where it
    must be started anew, as it had died. Raises `CannotFork`."""
    process = _process("run", role, name, dict(environment), str(log_file))
    _start(process)
    return Forked(process)


def _process(function: str, *arguments: object) -> ForkServerProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload([_INSIDE, __name__])
    return context.Process(target=_call, args=(function, *arguments), daemon=True)


def _call(function: str, *arguments: object) -> None:
    # By its name: its import, which the server did, is not for whoever imports this module.
    getattr(import_module(_INSIDE), function)(*arguments)


def _start(process: ForkServerProcess) -> None:
    # A server that has just died answers nobody, and is replaced once the kernel says that it is
    # gone: a moment later.
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
