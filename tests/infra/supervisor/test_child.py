"""When a dead process is started again, and that a tied one does not outlive its parent."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.supervisor.child import Child, Program, restart_after


@given(st.lists(st.floats(0, 60), min_size=1, max_size=20))
def test_restarts_are_prompt_and_bounded(lives: list[float]) -> None:
    """The first death, and one after a steady life, are followed at once; deaths in a row wait
    longer and longer, up to 3 s."""
    failures, last = 0, 0.0
    for life in lives:
        failures, delay = restart_after(failures, life)
        if life >= 5.0:
            assert (1, 0.0) == (failures, delay)
        else:
            assert last <= delay <= 3.0
        last = delay


_COUNTING = """
import signal, sys, time
def count(*_):
    print("signal", flush=True)
    count.times -= 1
    if not count.times:
        sys.exit(0)
count.times = int(sys.argv[1])
signal.signal(signal.SIGTERM, count)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("urge_seconds", "ends_at", "killed"), [(None, 1, False), (0.1, 2, False), (None, 2, True)]
)
async def test_a_process_that_takes_its_time_is_urged(
    tmp_path: Path, urge_seconds: float | None, ends_at: int, killed: bool
) -> None:
    """One that waits for its calls gets a second SIGTERM; without that it is killed in the end."""
    lines: list[str] = []
    command = (sys.executable, "-c", _COUNTING, str(ends_at))
    child = Child(
        Program("gateway", 0, command, dict(os.environ)),
        tmp_path,
        stop_seconds=2.0 if killed else 60.0,
        changed=lambda: None,
        say=lines.append,
        urge_seconds=urge_seconds,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(child.keep_running(stop))
    for _ in iter(lambda: "ready" in child.log_tail(), True):
        await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(50):
        await running
    assert killed == any("killed" in line for line in lines)
    assert (1 if killed else ends_at) == child.log_tail().count("signal")
