"""A process that ends with its parent. With real processes: test_processes.py."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from infra.supervisor import die_with_parent
from infra.supervisor.die_with_parent import main, tie


class Ended(Exception):
    """The process ended at once, with this status."""


class Kernel:
    """Notes the calls. `result`: of prctl."""

    def __init__(self, patch: pytest.MonkeyPatch, *, parent: int = 7, result: int = 0) -> None:
        self.calls: list[Any] = []
        self._result = result
        patch.setattr(
            die_with_parent.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(prctl=self._p)
        )
        patch.setattr(die_with_parent.ctypes, "get_errno", lambda: 22)
        patch.setattr(os, "getppid", lambda: parent)
        patch.setattr(os, "_exit", self._exit)
        patch.setattr(os, "execvp", lambda *a: self.calls.append(a))

    def _p(self, *arguments: Any) -> int:
        self.calls.append(arguments)
        return self._result

    def _exit(self, status: int) -> None:
        raise Ended(status)


def test_the_kernel_is_asked_before_the_parent_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that dies between the two is noticed by the check: no signal would come."""
    kernel = Kernel(monkeypatch, parent=1)
    with pytest.raises(Ended, match="1"):
        tie(7)
    assert [(1, signal.SIGKILL, 0, 0, 0)] == kernel.calls


def test_a_command_takes_the_place_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """After it is tied, with all its arguments."""
    kernel = Kernel(monkeypatch)
    main(["7", "node", "main.js", "7"])
    assert ("node", ["node", "main.js", "7"]) == kernel.calls[1]


def test_a_kernel_that_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does not run: nothing would end it."""
    kernel = Kernel(monkeypatch, result=-1)
    with pytest.raises(OSError, match="PDEATHSIG"):
        main(["7", "node"])
    assert 1 == len(kernel.calls)


def test_other_systems_only_check_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no such request."""
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(die_with_parent.sys, "platform", "darwin")
    tie(7)
    assert [] == kernel.calls
    with pytest.raises(Ended):
        tie(8)
