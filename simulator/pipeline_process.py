"""Run `flexcapture up` as a separate process, and stop it."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.console import Endpoints, read_endpoints

STOP_S = 25.0
POLL_S = 0.2
TAIL_LINES = 15
UP = (sys.executable, "-m", "cli.main", "up")
PR_SET_PDEATHSIG = 1
KEPT = frozenset(
    f"FLEXCAPTURE_{name}"
    for name in (
        "PROCESSES", "CONSOLE_LISTEN", "CONSOLE_TOKEN", "LOG_LEVEL", "FILE_MODE",
        "LAKE_FILE_SECONDS", "LAKE_FILE_BYTES",
    )
)  # fmt: skip
"""The settings that the demo's pipeline inherits. Others might refer to real systems."""
LAKE_URL = "FLEXCAPTURE_LAKE_URL"
"""Inherited if it is a directory of this machine."""


class PipelineDied(RuntimeError):
    """`up` ended by itself. `status`: its exit status; the text: the last lines of its output."""

    def __init__(self, status: int, tail: str) -> None:
        super().__init__(tail)
        self.status = status


class PipelineProcess:
    """An async context manager: entering starts `up` (or another `command`), leaving stops it.
    `show` is called with each line that it prints."""

    def __init__(
        self,
        state_dir: Path,
        environment: Mapping[str, str],
        show: Callable[[str], None],
        command: Sequence[str] = UP,
    ) -> None:
        self._command = (*command, "--state-dir", str(state_dir))
        self._state_dir = state_dir
        self._environment = environment
        self._show = show
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    async def __aenter__(self) -> Self:
        self._process: Process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C reaches the demo only, which then stops `up` cleanly
            preexec_fn=_end_with_parent,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> int:
        """Stop the process, with SIGKILL if it does not end in time. Return its exit status."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        status = await self._process.wait()
        await self._reader
        return status

    async def ready(self) -> Endpoints:
        """Wait until everything is ready, and return the endpoints of this process."""
        while True:
            endpoints = read_endpoints(self._state_dir / "endpoints.json")
            if endpoints is not None and endpoints.pid == self._process.pid:
                return endpoints
            await asyncio.sleep(POLL_S)

    async def died(self) -> None:
        """Wait until the process ends by itself, then raise `PipelineDied`."""
        status = await self._process.wait()
        await self._reader
        raise PipelineDied(status, "\n".join(self._tail))

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            self._show(text)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with `settings` (names without FLEXCAPTURE_), and without
    variables that could refer to a real Kafka, Kinesis or Twilio."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if _is_inherited(name, value) or not name.startswith(("FLEXCAPTURE_", "AWS_"))
    }
    own = {f"FLEXCAPTURE_{name}": value for name, value in settings.items()}
    loopback = ",".join(filter(None, (kept.get("NO_PROXY"), "127.0.0.1", "localhost")))
    return (
        kept
        | own
        | {
            "FLEXCAPTURE_NO_ENV_FILE": "1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": loopback,
            "PYTHONUNBUFFERED": "1",
        }
    )


def ignored() -> list[str]:
    """Return the settings of this process's environment that the demo ignores."""
    return sorted(
        name
        for name, value in os.environ.items()
        if name.startswith("FLEXCAPTURE_") and not _is_inherited(name, value)
    )


def _is_inherited(name: str, value: str) -> bool:
    return name in KEPT or (name == LAKE_URL and value.startswith("file://"))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
