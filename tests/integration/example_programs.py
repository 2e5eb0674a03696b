"""For tests of the examples and of foreign clients: their programs, topics to read, a registry."""

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from confluent_kafka import Consumer

from pipeline.runtime.settings import Settings
from schemas.records import Call, GatewayAlive, RecordingDecided
from schemas.registry.app import app
from schemas.topics import CALLS, STREAM_EVENTS
from tests.integration.faust_roles import publish
from tests.integration.test_tracker import expected, story, task
from tools.examples_environment import ROOT

EXAMPLES = ROOT / "examples"
NUMBERS = range(7)
_SECONDS = 90


def call_versions() -> list[Call]:
    """Return every version of some calls."""
    return [call for number in NUMBERS for call in expected(story(task(number)).events)]


def decisions() -> list[RecordingDecided]:
    """Return decisions on these calls: one call is started twice, and one decision comes twice."""
    first = [RecordingDecided(task(n), 1_000, "record", "started: x", 1) for n in NUMBERS]
    again = [
        RecordingDecided(task(0), 2_000, "stop", "stopped: x", 1),
        RecordingDecided(task(0), 3_000, "record", "started: x", 1),
    ]
    return [*first, first[1], *again]


def fill(settings: Settings) -> None:
    """Write the calls, then the decisions with other records among them, to their topics."""
    calls = [(each.task_sid, each) for each in call_versions()]
    events = [(each.task_sid, each) for each in decisions()]
    others = [("WT", GatewayAlive("g", 1, 1)), ("WT", b"not a record")]
    for topic, records in ((CALLS, calls), (STREAM_EVENTS, [*others, *events])):
        asyncio.run(publish(settings, topic, records))


@contextmanager
def registry(prefix: str) -> Iterator[str]:
    """Run the built-in registry during the block; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app(prefix), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def finished(
    command: Sequence[str], schemas: Path | None = None, seconds: float = _SECONDS
) -> bytes:
    """Run a program to its end; return its output. Its error output is in the failure."""
    done = subprocess.run(
        command, capture_output=True, timeout=seconds, check=False, env=_environment(schemas)
    )
    assert 0 == done.returncode, done.stderr.decode(errors="replace")
    return done.stdout


@contextmanager
def running(command: Sequence[str], log: Path, schemas: Path | None = None) -> Iterator[None]:
    """Run a program during the block; end it with SIGTERM."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=_environment(schemas))
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(timeout=_SECONDS)


def _environment(schemas: Path | None) -> dict[str, str]:
    """`schemas`: the directory in which flexcapture-schemas is installed. Nothing else of this
    checkout can be imported."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    return kept | ({} if schemas is None else {"PYTHONPATH": str(schemas)})


def values_on(
    servers: str, topic: str, enough: Callable[[list[tuple[bytes | None, bytes]]], bool], log: Path
) -> list[tuple[bytes | None, bytes]]:
    """Read keys and values of a topic, which may not exist yet, until there are enough."""
    settings = {
        "bootstrap.servers": servers,
        "group.id": f"test-{topic}",
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": "false",
        "topic.metadata.refresh.interval.ms": "500",
    }
    found: list[tuple[bytes | None, bytes]] = []
    deadline = time.monotonic() + _SECONDS
    reader = Consumer(settings)
    reader.subscribe([topic])
    while not enough(found):
        assert time.monotonic() < deadline, f"{found}\n{log.read_text()}"
        message = reader.poll(0.2)
        if message is not None and message.error() is None:
            found.append((message.key(), message.value() or b""))
    reader.close()
    return found
