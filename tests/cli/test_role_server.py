"""The inside of the fork server. With processes: tests/infra/supervisor/test_fork_server.py."""

import ctypes
import gc
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import roles
from infra.supervisor import die_with_parent


class Process:
    """A process in which nothing happens. `steps`: the calls of the system, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.steps: list[Any] = []
        note = self.steps.append
        patch.setattr(os, "setsid", lambda: note("session"))
        patch.setattr(signal, "signal", lambda *a: note(a))
        patch.setattr(die_with_parent, "tie", lambda parent: note(("tie", parent)))
        patch.setattr(gc, "freeze", lambda: note("freeze"))
        patch.setattr(warnings, "filterwarnings", lambda *_: None)
        patch.setattr(roles, "ROLES", {"x": SimpleNamespace(load=lambda: note("load"))})
        libc = SimpleNamespace(prctl=lambda _, name, *__: note(name))
        patch.setattr(ctypes, "CDLL", lambda _: libc)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """The module is imported again in each test, and leaves no trace."""
    sys.modules.pop("cli.role_server", None)
    environment = dict(os.environ)
    yield Process(monkeypatch)
    os.environ.clear()
    os.environ.update(environment)
    sys.modules.pop("cli.role_server", None)


def test_the_server_imports_the_roles_once(process: Process) -> None:
    """In a session of its own, so that signals to `up` do not reach it; it ends with `up`. The
    garbage collector of a role leaves the loaded modules alone."""
    importlib.import_module("cli.role_server").ready()
    ignored = (signal.SIGTERM, signal.SIG_IGN)
    assert ["session", ignored, ("tie", os.getppid()), "load", "freeze"] == process.steps


def test_a_forked_process_becomes_the_role(
    process: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With its own environment and nothing else, its own log, and its name for `ps`. It ends with
    the server, and its exit status is the role's."""
    server = importlib.import_module("cli.role_server")
    process.steps.clear()
    seen: dict[str, Any] = {}

    def main(arguments: list[str]) -> int:
        seen.update(arguments=arguments, environment=dict(os.environ))
        return 3

    monkeypatch.setattr(server, "main", main)
    monkeypatch.setenv("FLEXCAPTURE_OF_UP", "x")
    log = tmp_path / "tracker.log"
    # Only here: pytest itself calls it between the phases of a test.
    with monkeypatch.context() as patch:
        patch.setattr(os, "dup2", lambda *a: process.steps.append(("dup2", a[1])))
        with pytest.raises(SystemExit) as ended:
            server.run("tracker", "a-name-of-more-than-15-bytes", {"A": "b"}, str(log))
    assert 3 == ended.value.code
    assert {"arguments": ["tracker"], "environment": {"A": "b"}} == seen
    restored = (signal.SIGTERM, signal.SIG_DFL)
    assert [restored, "session", ("tie", os.getpid()), b"a-name-of-more-"] == process.steps[:4]
    assert [("dup2", 1), ("dup2", 2)] == process.steps[4:]
    assert log.exists()
