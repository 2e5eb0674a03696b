"""Run a command that ends with its parent, even if the parent is killed.

`python tied.py PARENT_PID COMMAND...` asks the kernel for SIGKILL at its parent's death, then
executes the command in its own place. It is run as a script, without our packages, to start
quickly. On systems other than Linux it only executes the command.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """Ask the kernel to kill this process when its parent, or the thread that started it, dies. End
    at once if the process `parent` has already ended. Raise `OSError`."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before prctl: no signal will come
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Become the command `arguments[1:]`, tied to the process `arguments[0]`. Never return."""
    parent, command = int(arguments[0]), arguments[1:]
    tie(parent)
    os.execvp(command[0], command)  # noqa: S606 - the command is our caller's own


if __name__ == "__main__":
    main(sys.argv[1:])
