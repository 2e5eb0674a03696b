"""One local Kafka for all processes of a test run: a broker for each would take a fifth of the
processor time of all tests."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen

_INPUT = "kafka"


class SharedKafka:
    """A plugin of the process that controls pytest-xdist's workers. It runs the broker, and gives
    its address to each worker."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._input = {"servers": "", "log": ""}

    def pytest_sessionstart(self) -> None:
        """Start the broker, without waiting until it answers. If that is not possible, each worker
        starts its own, and reports why it cannot."""
        directory = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="kafka-")))
        ports = chosen(["kafka", "controller"], {}, [])
        local = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
        log = directory / "kafka.log"
        try:
            self._ends.enter_context(running(local, log))
        except (OSError, RuntimeError):
            return
        self._input = {"servers": local.bootstrap_servers, "log": str(log)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the address."""
        node.workerinput[_INPUT] = self._input

    def pytest_unconfigure(self) -> None:
        """Stop the broker."""
        self._ends.close()


def given(config: pytest.Config) -> tuple[str, Path] | None:
    """Return the bootstrap servers and the log file of the broker that this worker was given."""
    found = getattr(config, "workerinput", {}).get(_INPUT)
    return (found["servers"], Path(found["log"])) if found and found["servers"] else None
