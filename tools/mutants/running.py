"""Run tests in a forked child of a process that has loaded pytest and the libraries already.

A new process for each mutation would spend most of its time on imports. The parent never imports
the product, so that a child always loads the mutated module.
"""

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cosmic_ray.work_item import TestOutcome

_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "--timeout=0")
_LIBRARIES = ("aiokafka", "fastavro", "hypothesis", "msgspec", "orjson", "prometheus_client")
_LIBRARIES_OF_TESTS = ("pydantic_settings", "structlog", "testcontainers.kafka", "xdist")
_LOOK_SECONDS = 0.05
_PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process of tests may use. Only an endless loop should reach `processor_seconds`,
    however busy the machine is; `wall_seconds` ends tests that wait in vain."""

    processor_seconds: int
    wall_seconds: float


def load_libraries() -> None:
    """Import what the tests need besides the product."""
    for name in (*_LIBRARIES, *_LIBRARIES_OF_TESTS):
        importlib.import_module(name)


def tested(tests: Sequence[str], output: Path, limits: Limits | None) -> TestOutcome:
    """Run tests from the current directory and return whether one of them failed. Tests that
    exceed `limits` have failed. `output` receives what pytest prints.

    Properties run last: most mutations are noticed by an example, in a fraction of the time.
    """
    for kind in ("not hypothesis", "hypothesis"):
        outcome = _tested([*tests, "-m", kind], output, limits)
        if outcome != TestOutcome.SURVIVED:
            return outcome
    return TestOutcome.SURVIVED


def _tested(arguments: Sequence[str], output: Path, limits: Limits | None) -> TestOutcome:
    child = os.fork()
    if child == 0:
        _run(arguments, output, limits)
    deadline = time.monotonic() + limits.wall_seconds if limits is not None else None
    ended = False
    try:
        while deadline is None or time.monotonic() <= deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                ended = True
                passed = os.waitstatus_to_exitcode(status) in _PASSED
                return TestOutcome.SURVIVED if passed else TestOutcome.KILLED
            time.sleep(_LOOK_SECONDS)
        return TestOutcome.KILLED
    finally:
        if not ended:  # the wall limit, or this run was interrupted
            _kill(child)


def _kill(child: int) -> None:
    """Kill a child with all processes of its group."""
    with suppress(ProcessLookupError):  # it has not made its group yet
        os.killpg(child, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _run(arguments: Sequence[str], output: Path, limits: Limits | None) -> None:
    """Run pytest and end the process, whatever happens."""
    status = 1
    try:
        os.setpgid(0, 0)
        if limits is not None:
            seconds = limits.processor_seconds
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with output.open("w") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
        sys.path[:] = [str(Path.cwd()), *sys.path]
        status = int(pytest.main([*_OPTIONS, *arguments]))
        sys.stdout.flush()
    finally:
        os._exit(status)
