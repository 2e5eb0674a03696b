"""Runs `flexcapture up` as a process of its own, and stops it again."""

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
    f"FLEXCAPTURE_{name}" for name in ("PROCESSES", "CONSOLE_LISTEN", "CONSOLE_TOKEN", "LOG_LEVEL")
)
"""The settings that reach the demo's pipeline; all others might reach something real."""


class PipelineDied(RuntimeError):
    """`up` ended by itself. `status` is its exit status, the text what it said last."""

    def __init__(self, status: int, tail: str) -> None:
        super().__init__(tail)
        self.status = status


class PipelineProcess:
    """An async context manager: entering starts `up` (or another `command`), leaving stops it.
    `tell` gets each line that it prints."""

    def __init__(
        self,
        state_dir: Path,
        environment: Mapping[str, str],
        tell: Callable[[str], None],
        command: Sequence[str] = UP,
    ) -> None:
        self._command = (*command, "--state-dir", str(state_dir))
        self._state_dir = state_dir
        self._environment = environment
        self._tell = tell
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    async def __aenter__(self) -> Self:
        self._process: Process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops `up` in good order
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
        """Asks it to end, and ends it if it does not; returns its exit status."""
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
        """The endpoints of this very process, once everything is ready."""
        while True:
            endpoints = read_endpoints(self._state_dir / "endpoints.json")
            if endpoints is not None and endpoints.pid == self._process.pid:
                return endpoints
            await asyncio.sleep(POLL_S)

    async def died(self) -> None:
        """Waits until it ends by itself; raises `PipelineDied` then."""
        status = await self._process.wait()
        await self._reader
        raise PipelineDied(status, "\n".join(self._tail))

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            self._tell(text)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what could reach a real Kafka, Kinesis or Twilio, and with
    `settings` (names without FLEXCAPTURE_)."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(("FLEXCAPTURE_", "AWS_"))
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


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
