"""Tests of a mutated module run in a child process with limits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.structure import ROOT

PROFILE = "from hypothesis import settings\nsettings.register_profile('mutants')\n"
RUN = """
import sys
from pathlib import Path
from tools.mutants.running import Limits, tested
limits = Limits(int(sys.argv[1]), float(sys.argv[2]))
print(tested(["test_it.py"], Path("output.txt"), limits).value)
"""


def started(root: Path, test: str, processor: int, wall: int) -> "subprocess.Popen[str]":
    """Start a test of this body, with limits of processor time and wall time (s)."""
    (root / "conftest.py").write_text(PROFILE)
    (root / "test_it.py").write_text(f"import os, time\n\ndef test_it():\n    {test}\n")
    command = [sys.executable, "-c", RUN, str(processor), str(wall)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, text=True)


def outcome(root: Path, test: str, processor: int, wall: int) -> str:
    return started(root, test, processor, wall).communicate()[0].strip()


def test_an_endless_loop_fails_by_its_processor_time(tmp_path: Path) -> None:
    """Long before the wall limit."""
    assert "killed" == outcome(tmp_path, "while True: pass", processor=2, wall=3600)


def test_a_slow_test_passes_if_it_uses_little_processor_time(tmp_path: Path) -> None:
    """On a busy machine, a test takes longer than the processor time that it may use."""
    assert "survived" == outcome(tmp_path, "time.sleep(6)", processor=5, wall=3600)


def test_a_test_that_waits_for_ever_fails_by_the_wall_limit(tmp_path: Path) -> None:
    """It uses no processor time."""
    assert "killed" == outcome(tmp_path, "time.sleep(3600)", processor=3600, wall=1)


def test_an_interrupted_run_leaves_no_test_behind(tmp_path: Path) -> None:
    """Ctrl-C ends the run, and the tests of the mutation it is trying."""
    says_pid = "open('new', 'w').write(str(os.getpid())); os.rename('new', 'pid')"
    with started(tmp_path, f"{says_pid}; time.sleep(3600)", processor=3600, wall=3600) as run:
        while not (tmp_path / "pid").exists():
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
    assert not is_running(tmp_path / "pid")


def is_running(pid: Path) -> bool:
    return Path(f"/proc/{pid.read_text()}").exists()
