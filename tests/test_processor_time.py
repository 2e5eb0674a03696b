"""The processor time of a test with all processes below it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.processor_time import VARIABLE, used

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_processes_that_have_ended_count() -> None:
    """Those of a process below this one too, once it was waited for."""
    before, _ = used(os.getpid())
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    subprocess.run([sys.executable, "-c", nested], check=True)
    after, java = used(os.getpid())
    assert after - before >= 0.25
    assert java >= 0


def test_each_test_has_a_line(tmp_path: Path) -> None:
    """With its time, and that of all processes."""
    times = tmp_path / "times"
    module = "tests/infra/local/test_kafka_storage.py"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, VARIABLE: str(times)},
        cwd=Path(__file__).parents[1],
    )
    lines = [json.loads(line) for line in times.read_text().splitlines()]
    assert len(lines) >= 3
    for line in lines:
        assert line["test"].startswith(module)
        assert {"test", "wall_s", "cpu_s", "java_s"} == line.keys()
        assert 0 <= line["java_s"] <= line["cpu_s"]
