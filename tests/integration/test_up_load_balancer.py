"""`flexcapture up --load-balancer`: the life of HAProxy, with stub roles beside a real broker."""

import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from infra import up as up_module
from infra.local.downloads import MissingTool
from infra.up import check
from pipeline.runtime.settings import Settings, SettingsError
from tests.haproxy import with_haproxy
from tests.integration.running_up import (
    SECONDS,
    endpoints,
    eventually,
    gone,
    open_to_others,
    pids,
    replaced,
    until,
    up,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def _outside(kafka: str, prefix: str, gateways: int = 2) -> dict[str, str]:
    return {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FLEXCAPTURE_TOPIC_PREFIX": prefix,
        "FLEXCAPTURE_PROCESSES": f"gateway={gateways}",
        "FLEXCAPTURE_TWILIO_AUTH_TOKEN": "token",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:9",
        "STUB_UP_LOAD_BALANCER": "1",
    }


def _workers(master: int) -> set[int]:
    """Return the processes that HAProxy's master has started."""
    found = subprocess.run(
        ["pgrep", "-P", str(master)], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in found.stdout.split()}


def _load_balancer(directory: Path) -> dict[str, Any]:
    [found] = endpoints(directory)["roles"]["load-balancer"]
    return dict(found)


def _status(address: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@with_haproxy
def test_haproxy_lives_and_dies_with_up(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It is listed with its health and metrics; it is reloaded in place, and started again when it
    dies; its files are the owner's alone; it does not outlive `up`, killed or stopped."""
    directory = tmp_path / "state"
    with up(directory, **_outside(kafka, prefix)) as first:
        until(first, "ready")
        before = endpoints(directory)
        listed = _load_balancer(directory)
        assert 200 == _status(listed["http"], "/healthz")
        assert 200 == _status(listed["http"], "/metrics")
        assert 404 == _status(before["gateway"].removeprefix("ws://").partition("/")[0], "/")
        old_workers = _workers(listed["pid"])
        os.kill(listed["pid"], signal.SIGUSR2)
        eventually(lambda: bool(_workers(listed["pid"]) - old_workers))
        eventually(lambda: not old_workers & _workers(listed["pid"]))
        assert listed == _load_balancer(directory)
        os.kill(listed["pid"], signal.SIGKILL)
        master = replaced(directory, "load-balancer", listed["pid"])
        eventually(lambda: bool(_workers(master)))
        assert [] == open_to_others(directory)
        workers = _workers(master)
        first.kill()
        first.wait()
        eventually(lambda: all(gone(pid) for pid in (master, *workers)))
    with up(directory, **_outside(kafka, prefix)) as second:
        until(second, "ready")
        assert before["gateway"] == endpoints(directory)["gateway"]
        processes = pids(endpoints(directory)) | _workers(_load_balancer(directory)["pid"])
        second.send_signal(signal.SIGTERM)
        assert 0 == second.wait(20)
        assert [] == [pid for pid in processes if not gone(pid)]


@with_haproxy
def test_without_a_healthy_gateway_haproxy_is_not_healthy(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Its health is that of the gateways. `up` does not wait for it without an auth token, since no
    gateway is healthy then."""
    directory = tmp_path / "state"
    settings = _outside(kafka, prefix, gateways=1)
    with up(directory, **settings) as process:
        until(process, "ready")
        address = _load_balancer(directory)["http"]
        [gateway] = endpoints(directory)["roles"]["gateway"]
        os.kill(gateway["pid"], signal.SIGSTOP)
        eventually(lambda: _status(address, "/healthz") == 503)
        os.kill(gateway["pid"], signal.SIGCONT)
        eventually(lambda: _status(address, "/healthz") == 200)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(SECONDS)


def test_a_missing_haproxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started, as a wrong argument: exit status 2."""

    def missing() -> str:
        raise MissingTool("HAProxy is not installed: install the package haproxy")

    monkeypatch.setattr(up_module, "haproxy_binary", missing)
    settings = Settings(kinesis_stream="flex-events")
    check(settings)
    with pytest.raises(SettingsError, match=r"--load-balancer: .* package haproxy"):
        check(settings, load_balancer=True)
