"""One local Kafka for all processes of a test run: a broker for each would take a fifth of the
processor time of all tests."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen

_INPUT = "kafka"

Broker = tuple[str, str]
"""Bootstrap servers and the path of the log file, as text: workers get it as simple values."""


@contextmanager
def local_kafka(directory: Path) -> Iterator[Broker]:
    """Run a broker during the block. It may not answer yet when the block begins."""
    ports = chosen(["kafka", "controller"], {}, [])
    local = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
    log = directory / "kafka.log"
    with running(local, log):
        yield local.bootstrap_servers, str(log)


class SharedKafka:
    """A plugin of the process that controls pytest-xdist's workers. It runs the broker, and gives
    its address to each worker."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._broker: Broker | None = None

    def pytest_sessionstart(self) -> None:
        """Start the broker, without waiting until it answers. If that is not possible, each worker
        starts its own, and reports why it cannot."""
        directory = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="kafka-")))
        with suppress(OSError, RuntimeError):
            self._broker = self._ends.enter_context(local_kafka(directory))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the address."""
        node.workerinput[_INPUT] = self._broker

    def pytest_unconfigure(self) -> None:
        """Stop the broker."""
        self._ends.close()


def given(config: pytest.Config) -> Broker | None:
    """Return the broker that this worker was given, if any."""
    broker: Broker | None = getattr(config, "workerinput", {}).get(_INPUT)
    return broker
