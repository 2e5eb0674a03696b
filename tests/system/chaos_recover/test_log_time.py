"""The clock of all processes is set forward together."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.chaos_recover.log_time import BEGINNING_MS, LogTime, environment

ASK = "import time, sys; sys.stdin.read(1); print(time.time_ns() // 1_000_000, round(time.time()))"


def test_a_process_follows_while_it_runs(tmp_path: Path) -> None:
    """It began in the past; half an hour later by the file, it is half an hour later there."""
    own = environment(tmp_path / "clock")
    process = subprocess.Popen(
        [sys.executable, "-c", ASK],
        env=dict(own),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    log_time = LogTime(tmp_path / "clock")
    log_time.forward(30)
    expected = time.time() * 1000 + BEGINNING_MS + 30 * 60_000
    output, _ = process.communicate("x")
    milliseconds, seconds = map(int, output.split())
    assert expected - 1 <= milliseconds <= expected + 60_000
    assert abs(milliseconds / 1000 - seconds) <= 1
    assert 30 == log_time.minutes


def test_it_cannot_be_ahead_of_the_machine(tmp_path: Path) -> None:
    """Kafka would refuse the records."""
    environment(tmp_path / "clock")
    with pytest.raises(ValueError, match="ahead"):
        LogTime(tmp_path / "clock").forward(8 * 60 + 1)
