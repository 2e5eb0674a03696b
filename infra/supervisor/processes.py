"""Starting and ending processes that must not outlive the one that started them."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TIED = Path(__file__).with_name("die_with_parent.py")


def tied(command: Sequence[str]) -> list[str]:
    """The command, so that it ends when this process does.

    Start it from the main thread (the kernel watches the thread that made the process) and with
    `start_new_session=True`: Ctrl-C in a terminal must reach the parent only, and `signal_all`
    whatever the command starts.
    """
    return [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *command]


def signal_all(pid: int, signum: signal.Signals) -> None:
    """Signals a tied process and whatever it started; nothing happens where they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)
