"""The fork server's own module: only the fork server imports it, and its import has effects.

The imports of a role take half a second of CPU, or seconds if the processors are busy: much of the
time in which a killed role is missing. So one process imports everything once, and roles are forked
from it (`infra.supervisor.fork_server`). It has one thread, opens no file and reads no setting, so
that a fork is as good as a new process.
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

os.setsid()  # what is sent to the group of `up` is for `up`
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as roles are, it is ended by `up`
tie(os.getppid())
# Where `up` was run by `python -m`, each fork imports that module again, as the library's way is.
warnings.filterwarnings("ignore", "'cli.main' found in sys.modules", RuntimeWarning)
for _load in ROLES.values():
    _load()
gc.collect()
gc.freeze()


def run(role: str, name: str, environment: Mapping[str, str], log_file: str) -> None:
    """In a process that has just been forked: becomes the role, in its own environment and with its
    own log. Raises `SystemExit` with the exit status."""
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
    """Nothing: who has run it knows that the server has imported everything."""


def _be_called(name: str) -> None:
    """For `ps -o comm` and `top`: the command line is the fork server's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)
