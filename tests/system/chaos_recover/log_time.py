"""The time of the run: that of the machine, shifted into the past, and set forward now and then.

All processes of the run take it from one file (`shifted/sitecustomize.py`). So an hour passes in a
moment, while calls last as long as they last.
"""

import mmap
import os
from collections.abc import Mapping
from pathlib import Path

SHIFTED = Path(__file__).parent / "shifted"
VARIABLE = "CLOCK_SHIFT_FILE"
BEGINNING_MS = -8 * 60 * 60 * 1000
"""Kafka refuses records from more than an hour ahead of its own clock, which is the machine's."""


class LogTime:
    """The file, and the steps of the clock. `steps`: how far it was set forward so far (ms)."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 8)
        self.steps: list[int] = []

    def forward(self, minutes: float) -> None:
        """Set the clock of all processes forward."""
        step = round(minutes * 60_000)
        shift = int.from_bytes(self._shared[:8], "little", signed=True) + step
        if shift > 0:
            raise ValueError("the run would be ahead of the machine's clock")
        self._shared[:8] = shift.to_bytes(8, "little", signed=True)
        self.steps.append(step)

    @property
    def minutes(self) -> float:
        """How many minutes were skipped so far."""
        return sum(self.steps) / 60_000


def environment(file: Path) -> Mapping[str, str]:
    """Return the variables with which a process has the run's time. The file is made if it is
    missing."""
    if not file.exists():
        file.write_bytes(BEGINNING_MS.to_bytes(8, "little", signed=True))
    path = os.pathsep.join(filter(None, (str(SHIFTED), os.environ.get("PYTHONPATH"))))
    return {VARIABLE: str(file), "PYTHONPATH": path}


def is_shifted() -> bool:
    """Return whether this process has the run's time."""
    return VARIABLE in os.environ
