"""The Kafka of a command: a configured one, that of a running `up`, or one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.local import offline_kafka
from infra.local.kafka_cluster import LocalCluster
from infra.local.offline_kafka import reachable_kafka
from infra.state_dir import StateDir, StateDirInUse
from pipeline.runtime.endpoints import NotRunning
from pipeline.runtime.settings import Settings, SettingsError


class Machine:
    """Brokers that are started and stopped in memory. `running`: the addresses of those that run
    now."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.running: list[str] = []
        self.waited: list[str] = []
        self.answers = True
        patch.setattr(offline_kafka, "running_cluster", self._run)
        patch.setattr(offline_kafka, "wait_for_kafka", self._wait)

    @contextmanager
    def _run(self, cluster: LocalCluster, _: Path) -> Iterator[LocalCluster]:
        self.running.append(cluster.bootstrap_servers)
        try:
            yield cluster
        finally:
            self.running.remove(cluster.bootstrap_servers)

    async def _wait(self, settings: Settings, *_: Any) -> None:
        self.waited.append(str(settings.kafka_bootstrap_servers))
        if not self.answers:
            raise TimeoutError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which no broker runs."""
    return Machine(monkeypatch)


def used(directory: Path) -> Path:
    """Return a state directory with the data of a broker."""
    (directory / "kafka" / "data").mkdir(parents=True)
    return directory


def test_a_configured_kafka_is_used_as_it_is(machine: Machine, tmp_path: Path) -> None:
    """Although the state directory has a broker."""
    settings = Settings(kafka_bootstrap_servers="kafka.test:9092")
    with reachable_kafka(settings, used(tmp_path), tmp_path) as found:
        assert settings is found
    assert [] == machine.waited


def test_a_broker_is_started_for_the_command(machine: Machine, tmp_path: Path) -> None:
    """On its usual ports, and stopped after it. No `up` can start meanwhile."""
    with reachable_kafka(Settings(), used(tmp_path), tmp_path / "other") as found:
        assert [found.kafka_bootstrap_servers] == machine.running == machine.waited
        with pytest.raises(StateDirInUse), StateDir(tmp_path).held():
            pass
        first = found.kafka_bootstrap_servers
    assert [] == machine.running
    with reachable_kafka(Settings(state_dir=tmp_path), None, tmp_path / "other") as found:
        assert first == found.kafka_bootstrap_servers


def test_the_broker_of_a_running_up_is_used(machine: Machine, tmp_path: Path) -> None:
    """It holds the directory, and its endpoints have its address."""
    directory = StateDir(used(tmp_path))
    with directory.held():
        directory.write_endpoints({"kafka": "127.0.0.1:7777", "roles": {}})
        with reachable_kafka(Settings(), tmp_path, tmp_path) as found:
            assert "127.0.0.1:7777" == found.kafka_bootstrap_servers
    assert [] == machine.waited


def test_a_directory_without_a_broker_is_an_error(machine: Machine, tmp_path: Path) -> None:
    """None is created for a command. The error names the setting, or the directory."""
    with (
        pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP_SERVERS"),
        reachable_kafka(Settings(), None, tmp_path),
    ):
        pass
    with (
        pytest.raises(NotRunning, match=str(tmp_path)),
        reachable_kafka(Settings(), tmp_path, tmp_path),
    ):
        pass
    assert [] == list(tmp_path.iterdir())


def test_a_broker_that_does_not_answer_is_stopped(machine: Machine, tmp_path: Path) -> None:
    """The command does not run."""
    machine.answers = False
    with pytest.raises(TimeoutError), reachable_kafka(Settings(), used(tmp_path), tmp_path):
        pytest.fail("the command runs")
    assert [] == machine.running
