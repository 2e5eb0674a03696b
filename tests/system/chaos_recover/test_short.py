"""The run in its short form: ten calls. `make chaos-recover` plays 500."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

COMMAND = (sys.executable, "-m", "tests.system.chaos_recover")
ARGUMENTS = "--calls 10 --at-once 10 --every 12 --gone 0.25 --seed 20 --patience 300"


def test_what_real_time_capture_misses_is_found_and_recovered(tmp_path: Path) -> None:
    """In a process of its own with a clock set forward: the bridge was down for an hour, the
    gateway for ten minutes, and some events never came."""
    ran = subprocess.run(
        [*COMMAND, *ARGUMENTS.split(), "--directory", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
        check=False,
    )
    assert 0 == ran.returncode, ran.stdout
    assert "all of it holds" in ran.stdout
    assert "late-events covered" in ran.stdout
