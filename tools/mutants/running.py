"""Run tests in a forked child of a process that has loaded pytest and the libraries already.

A new process for each mutation would spend most of its time on imports. The parent never imports
the product, so that a child always loads the mutated module.
"""

import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cosmic_ray.work_item import TestOutcome

_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "--timeout=120")
_LIBRARIES = ("aiokafka", "fastavro", "hypothesis", "msgspec", "orjson", "prometheus_client")
_LIBRARIES_OF_TESTS = ("pydantic_settings", "structlog", "testcontainers.kafka", "xdist")
_LOOK_SECONDS = 0.05
_PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def load_libraries() -> None:
    """Import what the tests need besides the product."""
    for name in (*_LIBRARIES, *_LIBRARIES_OF_TESTS):
        importlib.import_module(name)


def tested(tests: Sequence[str], output: Path, timeout: float | None) -> TestOutcome:
    """Run tests from the current directory and return whether one of them failed. Tests that take
    longer than `timeout` (s) have failed. `output` receives what pytest prints.

    Properties run last: most mutations are noticed by an example, in a fraction of the time.
    """
    for kind in ("not hypothesis", "hypothesis"):
        outcome = _tested([*tests, "-m", kind], output, timeout)
        if outcome != TestOutcome.SURVIVED:
            return outcome
    return TestOutcome.SURVIVED


def _tested(arguments: Sequence[str], output: Path, timeout: float | None) -> TestOutcome:
    child = os.fork()
    if child == 0:
        _run(arguments, output)
    deadline = time.monotonic() + timeout if timeout is not None else None
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            passed = os.waitstatus_to_exitcode(status) in _PASSED
            return TestOutcome.SURVIVED if passed else TestOutcome.KILLED
        if deadline is not None and time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return TestOutcome.KILLED
        time.sleep(_LOOK_SECONDS)


def _run(arguments: Sequence[str], output: Path) -> None:
    """Run pytest and end the process, whatever happens."""
    status = 1
    try:
        os.setpgid(0, 0)
        with output.open("w") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
        sys.path[:] = [str(Path.cwd()), *sys.path]
        status = int(pytest.main([*_OPTIONS, *arguments]))
        sys.stdout.flush()
    finally:
        os._exit(status)
