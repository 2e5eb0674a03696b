"""Runs a command that ends when its parent does, even where the parent is killed.

`python tied.py PARENT_PID COMMAND...` becomes the command: it asks the kernel for SIGKILL at its
parent's death, then executes the command in its own place. Run as a script, without our packages:
it must start quickly. Linux; elsewhere it only executes.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """Asks the kernel to kill this process when its parent, or the thread that started it, dies;
    where the process `parent` is gone already, ends at once. Raises `OSError`."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel knew: nobody will tell us again
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Becomes `arguments[1:]`, tied to the process `arguments[0]`; does not return."""
    parent, command = int(arguments[0]), arguments[1:]
    tie(parent)
    os.execvp(command[0], command)  # noqa: S606 - the command is our caller's own


if __name__ == "__main__":
    main(sys.argv[1:])
