"""`flexcapture up`: its lifecycle, with stub roles beside a real broker and emulator."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STUB_UP = Path(__file__).parents[1] / "infra" / "stub_up.py"
ROOT = STUB_UP.parents[2]
SECONDS = 120


def environment(**settings: str) -> dict[str, str]:
    """The test's own environment, with settings."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


@contextmanager
def up(directory: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """`up` on the directory; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, str(STUB_UP), str(directory), *arguments],
        env=environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Return the output up to and including the line that contains `wanted`."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.rstrip())
        if wanted in line:
            return said
    raise AssertionError(f"ended without saying {wanted!r}:\n" + "\n".join(said))


def endpoints(directory: Path) -> dict[str, Any]:
    """endpoints.json as it is now."""
    return dict(json.loads((directory / "endpoints.json").read_text()))


def pids(told: dict[str, Any]) -> set[int]:
    """Every process that endpoints.json names."""
    return {process["pid"] for role in told["roles"].values() for process in role}


def gone(pid: int) -> bool:
    """Whether there is no such process, or only its zombie."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for a condition. The limit is far above the usual time."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def replaced(directory: Path, role: str, old: int) -> int:
    """The pid of the role's first process, once it is another than `old`."""
    found = old

    def other() -> bool:
        nonlocal found
        found = endpoints(directory)["roles"][role][0]["pid"]
        return found not in (old, None)

    eventually(other)
    return found


def test_a_whole_life(tmp_path: Path) -> None:
    """With its own broker and emulator: all processes start, killed ones restart, and a second `up`
    is refused. If `up` is killed, it leaves no process. The next one continues with the same ports
    and token, and stops within 20 s without leftovers. Other users of the machine cannot read
    anything, even if the directory was open to them."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o755)
    with up(directory) as first:
        until(first, "ready")
        told = endpoints(directory)
        assert 0o600 == (directory / "endpoints.json").stat().st_mode & 0o777
        assert first.pid == told["pid"]
        assert {"kafka", "kinesis", "tracker", "console"} <= set(told["roles"])
        assert [None] == [process["http"] for process in told["roles"]["kafka"]]
        _refused(directory, first.pid)
        for role in ("tracker", "kinesis", "kafka"):
            old = told["roles"][role][0]["pid"]
            os.kill(old, signal.SIGKILL)
            replaced(directory, role, old)
        eventually(lambda: ["flex-events"] == _kinesis_streams(told))
        assert [] == open_to_others(directory)
        children = pids(endpoints(directory)) - {None}
        first.kill()
        first.wait()
        eventually(lambda: all(gone(pid) for pid in children))
    with up(directory) as second:
        until(second, "ready")
        again = endpoints(directory)
        for name in ("kafka", "kinesis", "gateway", "console", "console_token", "schema_registry"):
            assert told[name] == again[name]
        with urllib.request.urlopen(f"{again['schema_registry']}/subjects") as answer:
            assert "calls-value" in json.load(answer)
        second.send_signal(signal.SIGTERM)
        assert 0 == second.wait(20)
        assert [] == [pid for pid in pids(again) if not gone(pid)]
        assert not (directory / "endpoints.json").exists()


def open_to_others(directory: Path) -> list[Path]:
    """Return what others may read or write. Kafka's temporary files come and go meanwhile."""
    found = []
    for path in (directory, *directory.rglob("*")):
        with suppress(FileNotFoundError):
            if path.stat().st_mode & 0o077:
                found.append(path)
    return found


def test_three_brokers(tmp_path: Path) -> None:
    """Topics have three replicas, of which two must have a record; any broker may die and comes
    back; the next `up` has the same cluster, and another size is refused."""
    directory = tmp_path / "state"
    with up(directory, STUB_UP_BROKERS="3") as first:
        until(first, "ready")
        started = endpoints(directory)
        assert len(started["roles"]["kafka"]) == len(started["kafka"].split(",")) == 3
        assert {(3, "2")} == asyncio.run(replication(started["kafka"]))
        old = started["roles"]["kafka"][0]["pid"]
        os.kill(old, signal.SIGKILL)
        replaced(directory, "kafka", old)
        first.send_signal(signal.SIGTERM)
        assert 0 == first.wait(20)
    with up(directory, STUB_UP_BROKERS="1") as other:
        said = until(other, "--brokers")
        assert 2 == other.wait(SECONDS)
    assert "cluster of 3" in said[-1]
    with up(directory) as second:
        until(second, "ready")
        assert started["kafka"] == endpoints(directory)["kafka"]


async def replication(servers: str) -> set[tuple[int, str]]:
    """Return the number of replicas and the min ISR of all topics of ours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        topics = [t for t in await admin.describe_topics() if not t["is_internal"]]
        resources = [ConfigResource(ConfigResourceType.TOPIC, t["topic"]) for t in topics]
        found = set()
        for response in await admin.describe_configs(resources):
            for *_, name, entries in response.resources:
                [topic] = [t for t in topics if t["topic"] == name]
                [min_isr] = [e[1] for e in entries if e[0] == "min.insync.replicas"]
                found |= {(len(p["replicas"]), min_isr) for p in topic["partitions"]}
        return found
    finally:
        await admin.close()


def _refused(directory: Path, holder: int) -> None:
    with up(directory) as other:
        said = until(other, "in use")
        assert 3 == other.wait(SECONDS)
    assert str(holder) in said[-1]
    assert (directory / "endpoints.json").exists()


def _kinesis_streams(told: dict[str, Any]) -> list[str]:
    request = urllib.request.Request(
        told["kinesis"],
        b"{}",
        {
            "X-Amz-Target": "Kinesis_20131202.ListStreams",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request"
            ", SignedHeaders=host, Signature=0",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return list(json.load(answer)["StreamNames"])
    except OSError:
        return []


def test_several_processes_and_an_outside_kafka(kafka: str, prefix: str, tmp_path: Path) -> None:
    """With Kafka and Kinesis outside nothing of the kind is started; the roles run as often as
    asked, gateways on one shared port, and learn the outside's addresses."""
    directory = tmp_path / "state"
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "FLEXCAPTURE_PROCESSES": "gateway=2,tracker=2",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    with up(directory, **outside) as process:
        until(process, "ready")
        told = endpoints(directory)
        assert (kafka, "http://127.0.0.1:9") == (told["kafka"], told["kinesis"])
        assert not {"kafka", "kinesis"} & set(told["roles"])
        assert [2, 2, 1] == [len(told["roles"][r]) for r in ("gateway", "tracker", "recorder")]
        seen = [_environment_of(gateway["http"]) for gateway in told["roles"]["gateway"]]
        assert ["gateway-0", "gateway-1"] == [e["FLEXCAPTURE_INSTANCE"] for e in seen]
        assert ["true", "true"] == [e["FLEXCAPTURE_GATEWAY_REUSE_PORT"] for e in seen]
        assert {told["gateway"]} == {e["FLEXCAPTURE_GATEWAY_PUBLIC_URL"] for e in seen}
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(SECONDS)
        assert [] == [pid for pid in pids(told) if not gone(pid)]


def test_what_keeps_failing_is_told(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A role that ends right after its start is started again until it stays; the end of its log
    is shown."""
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    with up(tmp_path / "state", "crash-2", **outside) as process:
        said = until(process, "ready")
        assert any("tracker-0 exited with status 3; restarting now" in line for line in said)
        assert any("cannot do it today" in line for line in said)


def _environment_of(address: str) -> dict[str, str]:
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
        return dict(json.load(answer))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLEXCAPTURE_GATEWAY_LISTEN", "nowhere"),
        ("FLEXCAPTURE_PROCESSES", "tracker=0"),
        ("FLEXCAPTURE_MONITORED_AGENTS", "/no/such/file"),
        ("FLEXCAPTURE_DATABASE_URL", "not a database"),
        ("FLEXCAPTURE_GATEWAY_PUBLIC_URL", "ws://example.com/media"),
    ],
)
def test_a_wrong_setting_is_refused(variable: str, value: str, tmp_path: Path) -> None:
    """A wrong value ends the program with status 2 before anything is started or written; it names
    the variable, in a line and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "up", "--state-dir", str(tmp_path / "state")],
        env=environment(**{variable: value, "FLEXCAPTURE_NO_ENV_FILE": "1"}),
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert (2, "") == (done.returncode, done.stdout)
    assert variable in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert not (tmp_path / "state").exists()
