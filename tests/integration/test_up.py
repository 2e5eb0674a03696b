"""`flexcapture up`: its lifecycle, with stub roles beside a real broker and emulator."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.integration.running_up import (
    SECONDS,
    endpoints,
    environment,
    eventually,
    gone,
    open_to_others,
    pids,
    replaced,
    until,
    up,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_a_whole_life(tmp_path: Path) -> None:
    """With its own broker and emulator: all processes start, killed ones restart, and a second `up`
    is refused. If `up` is killed, it leaves no process. The next one continues with the same ports
    and token, and stops within 20 s without leftovers. Other users of the machine cannot read
    anything, even if the directory was open to them."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o755)
    with up(directory) as first:
        until(first, "ready")
        before = endpoints(directory)
        assert 0o600 == (directory / "endpoints.json").stat().st_mode & 0o777
        assert first.pid == before["pid"]
        assert {"kafka", "kinesis", "tracker", "console"} <= set(before["roles"])
        assert [None] == [process["http"] for process in before["roles"]["kafka"]]
        _refused(directory, first.pid)
        for role in ("tracker", "kinesis", "kafka"):
            old = before["roles"][role][0]["pid"]
            os.kill(old, signal.SIGKILL)
            replaced(directory, role, old)
        eventually(lambda: ["flex-events"] == _kinesis_streams(before))
        assert [] == open_to_others(directory)
        children = pids(endpoints(directory)) - {None}
        first.kill()
        first.wait()
        eventually(lambda: all(gone(pid) for pid in children))
    with up(directory) as second:
        until(second, "ready")
        again = endpoints(directory)
        for name in ("kafka", "kinesis", "gateway", "console", "console_token", "schema_registry"):
            assert before[name] == again[name]
        with urllib.request.urlopen(f"{again['schema_registry']}/subjects") as answer:
            assert "calls-value" in json.load(answer)
        second.send_signal(signal.SIGTERM)
        assert 0 == second.wait(20)
        assert [] == [pid for pid in pids(again) if not gone(pid)]
        assert not (directory / "endpoints.json").exists()


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
        lines = until(other, "--brokers")
        assert 2 == other.wait(SECONDS)
    assert "cluster of 3" in lines[-1]
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
        lines = until(other, "in use")
        assert 3 == other.wait(SECONDS)
    assert str(holder) in lines[-1]
    assert (directory / "endpoints.json").exists()


def _kinesis_streams(document: dict[str, Any]) -> list[str]:
    request = urllib.request.Request(
        document["kinesis"],
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
    """With Kafka and Kinesis outside, neither is started; the requested number of processes runs,
    gateways on one shared port, and they get the outside addresses."""
    directory = tmp_path / "state"
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "FLEXCAPTURE_PROCESSES": "gateway=2,tracker=2",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    with up(directory, **outside) as process:
        until(process, "ready")
        document = endpoints(directory)
        assert (kafka, "http://127.0.0.1:9") == (document["kafka"], document["kinesis"])
        assert not {"kafka", "kinesis"} & set(document["roles"])
        assert [2, 2, 1] == [len(document["roles"][r]) for r in ("gateway", "tracker", "recorder")]
        seen = [_environment_of(gateway["http"]) for gateway in document["roles"]["gateway"]]
        assert ["gateway-0", "gateway-1"] == [e["FLEXCAPTURE_INSTANCE"] for e in seen]
        assert ["true", "true"] == [e["FLEXCAPTURE_GATEWAY_REUSE_PORT"] for e in seen]
        assert {document["gateway"]} == {e["FLEXCAPTURE_GATEWAY_PUBLIC_URL"] for e in seen}
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(SECONDS)
        assert [] == [pid for pid in pids(document) if not gone(pid)]


def test_a_role_that_keeps_failing_is_reported(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A role that ends right after its start is started again until it stays; the end of its log
    is shown."""
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    with up(tmp_path / "state", "crash-2", **outside) as process:
        lines = until(process, "ready")
        assert any("tracker-0 exited with status 3; restarting now" in line for line in lines)
        assert any("cannot do it today" in line for line in lines)


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
