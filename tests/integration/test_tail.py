"""`flexcapture tail` on the real Kafka."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from cli.main import main
from pipeline.runtime.kafka import ensure_topics, partition_of, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import CallAlias, GatewayStarted, RecordingDecided
from schemas.topics import CALL_ALIASES, CONTACTS, STREAM_EVENTS
from tests.conftest import SettingsFor
from tests.kafka_topics import with_original_timestamps

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NOON = 1_769_860_800_000
MINUTE = 60_000
TASK, OTHER = "WT" + "a" * 32, "WT" + "b" * 32


def decided(task_sid: str, at: int) -> RecordingDecided:
    """A decision."""
    return RecordingDecided(task_sid, at, "record", "started", 1)


@pytest.fixture
async def sender(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for topics that keep its timestamps; the commands find their Kafka."""
    settings = settings_for(prefix)
    topics = [STREAM_EVENTS, CALL_ALIASES, CONTACTS]
    await ensure_topics(settings, [with_original_timestamps(topic) for topic in topics])
    monkeypatch.setenv(
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", settings.kafka_bootstrap_servers or ""
    )
    monkeypatch.setenv("FLEXCAPTURE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.chdir(tmp_path)
    async with producer(settings) as made:
        yield made


async def put(sender: AIOKafkaProducer, topic: str, task_sid: str, at: int, value: Any) -> None:
    """Write a record with its log time."""
    data = value if isinstance(value, bytes | None) else encode(value)
    await sender.send(topic, data, task_sid.encode(), timestamp_ms=at)


@pytest.fixture
async def a_day(sender: AIOKafkaProducer, prefix: str) -> AIOKafkaProducer:
    """Two calls, a gateway's start, a record that is not ours, and a deleted contact."""
    events = f"{prefix}stream.events"
    for minute, task_sid in enumerate([TASK, OTHER, TASK, OTHER]):
        at = NOON + minute * MINUTE
        await put(sender, events, task_sid, at, decided(task_sid, at))
    number = partition_of(TASK.encode(), 24)
    started = encode(GatewayStarted("gateway-1", 1, NOON))
    await sender.send(events, started, partition=number, timestamp_ms=NOON + 4 * MINUTE)
    await put(sender, events, TASK, NOON + 5 * MINUTE, b"not ours")
    at = NOON + 90_000
    await put(sender, f"{prefix}call.aliases", "CA" + "1" * 32, at, CallAlias("CA1", TASK, at))
    await put(sender, f"{prefix}contacts", OTHER, NOON + 6 * MINUTE, None)
    await sender.flush()
    return sender


def tail(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    """The records that the command prints as JSON."""
    assert 0 == main(["tail", *arguments, "--json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def minutes(records: list[Any]) -> list[float]:
    """The minutes after noon at which records were written."""
    return [(record["timestamp"] - NOON) / MINUTE for record in records]


EVERY = ("stream.events", "call.aliases", "contacts")


@pytest.mark.usefixtures("a_day")
def test_all_is_printed_in_the_order_of_time(
    capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    """Of several topics and partitions; a record that cannot be decoded is in its place."""
    found = tail(capsys, *EVERY)
    assert [0, 1, 1.5, 2, 3, 4, 5, 6] == minutes(found)
    decisions = ["RecordingDecided"] * 2
    kinds = [*decisions, "CallAlias", *decisions, "GatewayStarted", None, None]
    assert kinds == [record["type"] for record in found]
    assert "error" in found[6]
    assert f"{prefix}stream.events" == found[0]["topic"]
    assert 0 == main(["tail", *EVERY])
    lines = capsys.readouterr().out.splitlines()
    assert 8 == len(lines)
    assert lines[0].startswith("2026-01-31T12:00:00.000Z  ")
    assert "undecodable" in lines[6]
    assert lines[7].endswith("deleted")


@pytest.mark.usefixtures("a_day")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--from", str(NOON + MINUTE), "--until", str(NOON + 3 * MINUTE)], [1, 1.5, 2]),
        (["--from", "beginning", "--until", "2026-01-31T12:01:00Z"], [0]),
        (["--from", str(NOON + 7 * MINUTE)], []),
        (["--until", str(NOON + 2 * MINUTE), "--follow", "--from", "beginning"], [0, 1, 1.5]),
        (["--task-sid", TASK], [0, 1.5, 2, 5]),
        (["--task-sid", OTHER, "--from", str(NOON + MINUTE)], [1, 3, 6]),
    ],
)
def test_a_part_is_printed(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: list[float]
) -> None:
    """Of a period, of a call, or both."""
    assert expected == minutes(tail(capsys, *EVERY, *arguments))


async def test_partitions_of_other_hours_are_merged(
    sender: AIOKafkaProducer, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A partition with only later records waits for a partition with only earlier ones."""
    assert partition_of(TASK.encode(), 24) != partition_of(OTHER.encode(), 24)
    topic, count = f"{prefix}stream.events", 6_000
    for n in range(count):
        await put(sender, topic, OTHER, NOON + count + n, decided(OTHER, n))
    await sender.flush()
    for n in range(count):
        await put(sender, topic, TASK, NOON + n, decided(TASK, n))
    await sender.flush()
    found = await asyncio.to_thread(_printed, "stream.events")
    assert [NOON + n for n in range(2 * count)] == [json.loads(line)["timestamp"] for line in found]
    capsys.readouterr()


def _printed(*arguments: str) -> list[bytes]:
    return subprocess.run(
        _command(*arguments), env=_environment(), check=True, capture_output=True
    ).stdout.splitlines()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "tail", *arguments, "--json"]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def following(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`tail --follow` in a process of its own."""
    process = subprocess.Popen(
        _command("--follow", *arguments),
        env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_seen(process: subprocess.Popen[bytes], write: Callable[[], None]) -> Any:
    """Write records until one is printed, and return it: the start of the process takes a while."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    while not (line := process.stdout.readline()):
        assert process.poll() is None
        write()
        time.sleep(0.2)
    return json.loads(line)


def _writer(settings: Settings, task_sid: str) -> Callable[[], None]:
    async def write() -> None:
        async with producer(settings) as sender:
            await put(
                sender, settings.prefixed("stream.events"), task_sid, NOON, decided(task_sid, 1)
            )

    return lambda: asyncio.run(write())


@pytest.mark.usefixtures("a_day")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_new_records_are_followed_until_a_signal(
    settings_for: SettingsFor, prefix: str, number: signal.Signals
) -> None:
    """Only new ones; each is printed at once, and a signal ends it cleanly."""
    write = _writer(settings_for(prefix), TASK)
    with following("stream.events") as process:
        assert NOON == _until_seen(process, write)["timestamp"]
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (0, b"") == (process.returncode, errors)


@pytest.mark.usefixtures("a_day")
def test_all_and_then_new_records(settings_for: SettingsFor, prefix: str) -> None:
    """With --from, the past comes first, then new records."""
    write = _writer(settings_for(prefix), OTHER)
    arguments = ("stream.events", "--from", "beginning", "--task-sid", OTHER)
    with following(*arguments) as process:
        assert process.stdout is not None
        past = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [1, 3] == minutes(past)
        assert OTHER == _until_seen(process, write)["key"]


@pytest.mark.usefixtures("a_day")
def test_a_pipe_that_is_closed_ends_it_quietly(settings_for: SettingsFor, prefix: str) -> None:
    """As in `tail ... | head -1`."""
    write = _writer(settings_for(prefix), TASK)
    with following("stream.events", "--from", "beginning") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        while process.poll() is None:
            write()
        assert process.stderr is not None
        assert (0, b"") == (process.returncode, process.stderr.read())
        process.stdout = None


def test_a_topic_that_is_not_there(
    settings_for: SettingsFor, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Status 1 and a line, at once."""
    found = settings_for(prefix).kafka_bootstrap_servers or ""
    (tmp_path / "endpoints.json").write_text(
        json.dumps({"kafka": found, "topic_prefix": prefix, "roles": {}})
    )
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    assert 1 == main(["tail", "calls", "--state-dir", str(tmp_path)])
    assert f"there is no topic {prefix}calls" in capsys.readouterr().err
