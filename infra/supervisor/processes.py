"""Start and end processes that must not outlive their parent."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TIED = Path(__file__).with_name("die_with_parent.py")


def tied(command: Sequence[str]) -> list[str]:
    """Return the command, changed so that its process ends with this one.

    Start it from the main thread, because the kernel watches the thread that created the process.
    Start it with `start_new_session=True`: then Ctrl-C in a terminal reaches only the parent, and
    `signal_all` reaches everything that the command starts.
    """
    return [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *command]


def signal_all(pid: int, signum: signal.Signals) -> None:
    """Send a signal to a tied process and its children. Do nothing if they have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)
