"""The code that runs inside the fork server. Only the fork server imports it, by name, and the
import runs it.

A role's imports take half a second of processor time, and seconds on busy processors: a large part
of the time for which a killed role is missing. So one process imports everything once, and roles
are forked from it (`infra.supervisor.fork_server`). It has one thread, opens no file and reads no
setting, so that a forked process is as good as a new one.
"""

import ctypes
import gc
import os
import signal
import sys
import warnings
from collections.abc import Mapping

from cli.main import main
from cli.roles import ROLES
from infra.supervisor.die_with_parent import tie

PID = os.getpid()

_PR_SET_NAME = 15
_NAME_BYTES = 15

os.setsid()  # signals to the process group of `up` must not reach it
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `up` ends it, as it ends the roles
tie(os.getppid())
# If `up` was run by `python -m`, multiprocessing imports that module again in each fork.
warnings.filterwarnings("ignore", "'cli.main' found in sys.modules", RuntimeWarning)
for _entry in ROLES.values():
    _entry.load()
gc.collect()
gc.freeze()


def run(role: str, name: str, environment: Mapping[str, str], log_file: str) -> None:
    """Become the role, in a process that was just forked, with its own environment and log. Raise
    `SystemExit` with the exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    tie(PID)
    _be_called(name)
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(main([role]))


def ready() -> None:
    """Do nothing. That it has run shows that the server has imported everything."""


def _be_called(name: str) -> None:
    """Set the name for `ps -o comm` and `top`: the command line is that of the fork server."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)
