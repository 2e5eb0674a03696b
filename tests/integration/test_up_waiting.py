"""What `flexcapture up` waits for: a port that another program took, and a Kafka of others."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from tests.integration.test_up import SECONDS, endpoints, replaced, until, up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_a_port_that_another_program_took_is_reported(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """If a role dies and another program takes its port, `up` names port and program, starts
    nothing in vain, and starts the role on the same port once that is free."""
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    directory = tmp_path / "state"
    with up(directory, **outside) as process:
        until(process, "ready")
        tracker = endpoints(directory)["roles"]["tracker"][0]
        port = int(tracker["http"].rpartition(":")[2])
        process.send_signal(signal.SIGSTOP)  # so that the port is taken first
        os.kill(tracker["pid"], signal.SIGKILL)
        with listening_soon(port):
            process.send_signal(signal.SIGCONT)
            lines = until(process, "tracker-0 cannot start")
            assert f"port {port} is taken by process {os.getpid()} (" in lines[-1]
            assert None is endpoints(directory)["roles"]["tracker"][0]["pid"]
        lines = until(process, "tracker-0: its ports are free again")
        assert not any("restarting" in line for line in lines)
        replaced(directory, "tracker", tracker["pid"])
        assert tracker["http"] == endpoints(directory)["roles"]["tracker"][0]["http"]


@contextmanager
def listening_soon(port: int) -> Iterator[None]:
    """Listen on a port once its process is gone."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            listener = socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            break
    with listener:
        yield


def test_up_waits_for_an_outside_kafka(tmp_path: Path) -> None:
    """It prints the reason for the wait, and starts everything once Kafka is up."""
    ports = chosen(["kafka", "controller"], {}, [])
    broker = LocalKafka(tmp_path / "kafka", ports["kafka"], ports["controller"])
    outside = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
    }
    with up(tmp_path / "state", **outside) as process:
        until(process, f"waiting for Kafka at {broker.bootstrap_servers}: Kafka does not answer")
        with running(broker, tmp_path / "kafka.log"):
            until(process, "ready")
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(SECONDS)
