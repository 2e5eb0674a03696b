"""How much processor time each test takes, with all processes below its worker.

`FLEXCAPTURE_TEST_PROCESSOR_TIME=FILE make test` appends a line of JSON for each test: `test`,
`wall_s`, `cpu_s` of all processes, and `java_s` of those that are Java and still run.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "FLEXCAPTURE_TEST_PROCESSOR_TIME"
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _UTIME, _JAVA = 1, 11, "java"
"""Fields of /proc/PID/stat after the name, which is in parentheses (proc(5))."""


class ProcessorTime:
    """A plugin of pytest that writes the times of each test to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Run a test with its fixtures, and write a line."""
        began, before = time.monotonic(), used(os.getpid())
        result = yield
        after = used(os.getpid())
        line: dict[str, Any] = {
            "test": item.nodeid,
            "wall_s": round(time.monotonic() - began, 3),
            "cpu_s": round(after[0] - before[0], 3),
            "java_s": round(after[1] - before[1], 3),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return result


def used(root: int) -> tuple[float, float]:
    """Return the seconds of processor time of a process and all below it, those included that have
    ended and were waited for, and the part of the running ones that are Java."""
    processes = _processes()
    found = {root}
    while more := {pid for pid, (parent, *_) in processes.items() if parent in found} - found:
        found |= more
    known = [processes[pid] for pid in found if pid in processes]
    java = sum(own for _, name, own, _ in known if name == _JAVA)
    return sum(own + ended for _, _, own, ended in known), java


def _processes() -> dict[int, tuple[int, str, float, float]]:
    """Return the parent, the name, the time, and that of ended children, of each process."""
    found = {}
    for directory in _PROC.iterdir():
        if not directory.name.isdigit():
            continue
        try:
            name, _, rest = (directory / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        own, ended = (
            sum(int(value) for value in fields[begin : begin + 2]) / _TICKS
            for begin in (_UTIME, _UTIME + 2)
        )
        found[int(directory.name)] = (int(fields[_PARENT]), name, own, ended)
    return found
