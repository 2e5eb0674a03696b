"""A role's process: SIGTERM at any moment ends it, and cleanly."""

import asyncio
import subprocess
import sys

import pytest

from pipeline.runtime.process import StopRequest, urgent_of

_ROLE = """
import asyncio, sys, threading, time
import cli.role_process
from cli.role_process import run_own
from cli.roles import RoleEntry
from pipeline.runtime import process
from pipeline.runtime.settings import Role, Settings

process.END_AFTER_S = 2.0

async def main(settings, health, stop):
    print("begun", flush=True)
    {body}

cli.role_process.ROLES = {{Role.TRACKER: RoleEntry("", lambda: main)}}
sys.exit(run_own(Role.TRACKER, Settings()))
"""

STARTING = {
    "waits": "await asyncio.Event().wait()",
    "heeds": "await stop.wait()",
    "hides": """
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
""",
    "blocks": "await asyncio.to_thread(time.sleep, 60)",
    "holds": "threading.Thread(target=time.sleep, args=(60,)).start(); await asyncio.sleep(60)",
    "raises": """
    try:
        await asyncio.sleep(60)
    finally:
        raise RuntimeError("cancelled in the middle")
""",
    "grouped": """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(60))
        await asyncio.sleep(60)
""",
}


def run(body: str, terminations: int = 1) -> tuple[int, str]:
    """Status and standard error of a role that gets SIGTERM once it has begun."""
    with subprocess.Popen(
        [sys.executable, "-c", _ROLE.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as role:
        assert role.stdout is not None
        assert "begun\n" == role.stdout.readline()
        for _ in range(terminations):
            role.terminate()
        _, errors = role.communicate(timeout=30)
        return role.returncode, errors


@pytest.mark.parametrize("body", STARTING.values(), ids=STARTING)
def test_sigterm_ends_a_role_that_starts(body: str) -> None:
    """Whatever it waits for, also in a thread, and however it handles a cancellation."""
    assert 0 == run(body)[0]


def test_a_role_that_is_ready_stops_by_itself() -> None:
    """The role is not cancelled: its shutdown is completed, however long it takes."""
    body = """
    health.good("starting")
    await stop.wait()
    await asyncio.sleep(3)
    sys.stderr.write("handed over")
"""
    status, errors = run(body, terminations=2)
    assert 0 == status
    assert "handed over" in errors


def test_a_role_that_fails_is_a_failure() -> None:
    """An error before SIGTERM gives status 1."""
    assert 1 == run("raise RuntimeError('x')", terminations=0)[0]


async def test_a_second_signal_is_urgent() -> None:
    """The first one only asks to stop. A role that is run without signals is never urged."""
    stop = StopRequest()
    stop.signalled()
    assert (True, False) == (stop.is_set(), urgent_of(stop).is_set())
    stop.signalled()
    assert urgent_of(stop).is_set()
    assert not urgent_of(asyncio.Event()).is_set()
