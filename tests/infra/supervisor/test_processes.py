"""Processes that end with their parent."""

import os
import signal
import subprocess
import sys

from infra.supervisor.processes import tied


def test_a_tied_process_dies_with_its_parent() -> None:
    """Killed with SIGKILL, a parent takes its tied child along: the child's pipe closes."""
    script = (
        "import subprocess, sys\n"
        "from infra.supervisor.processes import tied\n"
        "child = subprocess.Popen(tied([sys.executable, '-c', "
        "'import time; print(1, flush=True); time.sleep(600)']), start_new_session=True)\n"
        "child.wait()\n"
    )
    read, write = os.pipe()
    with (
        subprocess.Popen([sys.executable, "-c", script], stdout=write) as parent,
        os.fdopen(read) as out,
    ):
        os.close(write)
        assert "1\n" == out.readline()
        parent.send_signal(signal.SIGKILL)
        assert "" == out.read()  # returns at the end of file: when the last writer is gone


def test_a_tied_process_of_another_parent_ends_at_once() -> None:
    """If the parent dies before the kernel is notified, the process ends without running the
    command."""
    command = tied(["echo", "ran"])
    parent = command.index(str(os.getpid()))
    command[parent] = "1" if os.getppid() != 1 else "2"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (1, "") == (done.returncode, done.stdout)
