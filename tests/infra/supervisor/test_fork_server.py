"""Roles forked from the fork server: as good as new, and never left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.supervisor.fork_server import ForkServer

SECONDS = 60
ROLES = ForkServer("cli.role_server")


@pytest.fixture
def hanging() -> Iterator[dict[str, str]]:
    """The environment of a role that waits for its Kafka, which does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield {
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{silent.getsockname()[1]}",
            "FLEXCAPTURE_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        }


def proc_file(pid: int, name: str) -> str:
    """Return the kernel's information about a process."""
    return Path(f"/proc/{pid}/{name}").read_text()


async def until_it_runs(pid: int) -> None:
    """Until it has become the role: its name is set last but one."""
    async with asyncio.timeout(SECONDS):
        while proc_file(pid, "comm") != "tracker-7\n":  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def test_it_has_its_own_environment_log_and_exit_status(tmp_path, hanging, monkeypatch):
    """The child does not inherit the environment, and its output goes to its log."""
    for name, value in hanging.items():
        monkeypatch.setenv(name, value)
    await ROLES.warm()
    log = tmp_path / "log"
    async with asyncio.timeout(SECONDS):
        assert 2 == await ROLES.fork("tracker", "tracker-7", {}, log).wait()
    assert "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS" in log.read_text()


async def test_its_death_is_reported(tmp_path, hanging):
    """By which signal it ended; it leads a session of its own."""
    process = ROLES.fork("tracker", "tracker-7", hanging, tmp_path / "log")
    await until_it_runs(process.pid)
    assert process.pid == os.getsid(process.pid)
    assert os.getsid(0) != os.getsid(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        assert -signal.SIGKILL == await process.wait()


async def test_a_server_that_dies_takes_its_roles_along_and_is_replaced(tmp_path, hanging):
    """All forked processes end with the server, and the next start works."""
    process = ROLES.fork("tracker", "tracker-7", hanging, tmp_path / "log")
    await until_it_runs(process.pid)
    server = int(proc_file(process.pid, "stat").rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        assert 0 != await process.wait()
        assert 2 == await ROLES.fork("tracker", "tracker-7", {}, tmp_path / "log").wait()


def test_a_process_ends_with_the_one_that_started_it(tmp_path, hanging):
    """Killed by SIGKILL, it takes server and roles along: the last writer of their log is gone."""
    log = tmp_path / "log"
    os.mkfifo(log)
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from infra.supervisor.fork_server import ForkServer\n"
        "ROLES = ForkServer('cli.role_server')\n"
        "async def main():\n"
        "    await ROLES.warm()\n"
        f"    process = ROLES.fork('tracker', 'tracker-7', {hanging!r}, Path(sys.argv[1]))\n"
        "    print(process.pid, flush=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline())
        with log.open() as reader:
            parent.send_signal(signal.SIGKILL)
            reader.read()  # returns at the end of file: when the last writer is gone
