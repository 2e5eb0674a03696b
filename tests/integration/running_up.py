"""`flexcapture up` with stub roles as a process, and its traces: endpoints, processes, files."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STUB_UP = Path(__file__).parents[1] / "infra" / "stub_up.py"
ROOT = STUB_UP.parents[2]
SECONDS = 120


def environment(**settings: str) -> dict[str, str]:
    """The test's own environment, with settings."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


@contextmanager
def up(directory: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """`up` on the directory; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, str(STUB_UP), str(directory), *arguments],
        env=environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Return the output up to and including the line that contains `wanted`."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        if wanted in line:
            return lines
    raise AssertionError(f"ended without saying {wanted!r}:\n" + "\n".join(lines))


def endpoints(directory: Path) -> dict[str, Any]:
    """endpoints.json as it is now."""
    return dict(json.loads((directory / "endpoints.json").read_text()))


def pids(document: dict[str, Any]) -> set[int]:
    """Every process that endpoints.json names."""
    return {process["pid"] for role in document["roles"].values() for process in role}


def gone(pid: int) -> bool:
    """Return whether there is no such process, or only its zombie."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for a condition. The limit is far above the usual time."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def replaced(directory: Path, role: str, old: int) -> int:
    """The pid of the role's first process, once it is another than `old`."""
    found = old

    def other() -> bool:
        nonlocal found
        found = endpoints(directory)["roles"][role][0]["pid"]
        return found not in (old, None)

    eventually(other)
    return found


def open_to_others(directory: Path) -> list[Path]:
    """Return what others may read or write. Kafka's temporary files come and go meanwhile."""
    found = []
    for path in (directory, *directory.rglob("*")):
        with suppress(FileNotFoundError):
            if path.stat().st_mode & 0o077:
                found.append(path)
    return found
