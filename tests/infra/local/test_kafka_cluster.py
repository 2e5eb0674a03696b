"""A local cluster of brokers: its size, ports and properties. A real one is in test_brokers.py."""

from pathlib import Path

import pytest

from infra.local.kafka_cluster import broker_count, local_cluster, port_names
from pipeline.runtime.settings import SettingsError


def ports(count: int) -> dict[str, int]:
    """Return a port for each name, from 1000 on."""
    return {name: 1000 + number for number, name in enumerate(port_names(count))}


def test_a_directory_has_one_broker_unless_more_are_asked_for(tmp_path: Path) -> None:
    """The usual `up` is as small as it can be."""
    assert broker_count(tmp_path) == 1
    assert broker_count(tmp_path, 3) == 3


def test_a_cluster_keeps_its_size_and_id(tmp_path: Path) -> None:
    """A second start without the option continues with the brokers in the directory."""
    first = local_cluster(tmp_path, ports(3), 3)
    assert broker_count(tmp_path) == broker_count(tmp_path, 3) == 3
    again = local_cluster(tmp_path, ports(3), 3)
    assert {broker.cluster_id for broker in (*first.brokers, *again.brokers)} == {
        first.brokers[0].cluster_id
    }


@pytest.mark.parametrize(("kept", "asked"), [(3, 1), (3, 5), (1, 3)])
def test_another_size_is_refused(tmp_path: Path, kept: int, asked: int) -> None:
    """The error names the size that the directory has."""
    if kept == 1:
        (tmp_path / "kafka" / "data").mkdir(parents=True)
    else:
        local_cluster(tmp_path, ports(kept), kept)
    with pytest.raises(SettingsError, match=f"--brokers {asked}: .* a Kafka cluster of {kept}"):
        broker_count(tmp_path, asked)


def test_a_size_out_of_range_is_refused(tmp_path: Path) -> None:
    """No number of brokers below one, and none that this machine could not carry."""
    for asked in (0, -1, 10):
        with pytest.raises(SettingsError, match="must be 1 to 9"):
            broker_count(tmp_path, asked)


def test_one_broker_keeps_its_directory(tmp_path: Path) -> None:
    """A directory of an earlier version can still be used."""
    [broker] = local_cluster(tmp_path, ports(1), 1).brokers
    assert broker.directory == tmp_path / "kafka"
    assert not (tmp_path / "kafka-cluster.json").exists()


@pytest.mark.parametrize(
    ("count", "replicas", "min_isr"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)]
)
def test_replication_follows_the_size(
    tmp_path: Path, count: int, replicas: int, min_isr: int
) -> None:
    """From three brokers on, a record that is acknowledged is on two of them."""
    for broker in local_cluster(tmp_path, ports(count), count).brokers:
        broker.directory.mkdir(parents=True)
        path = broker._write_properties("server.properties", tmp_path / "data")
        properties = dict(line.split("=", 1) for line in path.read_text().splitlines())
        assert properties["default.replication.factor"] == str(replicas)
        assert properties["transaction.state.log.replication.factor"] == str(replicas)
        assert properties["min.insync.replicas"] == str(min_isr)
        assert properties["transaction.state.log.min.isr"] == str(min_isr)
        assert properties["node.id"] == str(broker.number + 1)
        voters = properties["controller.quorum.voters"].split(",")
        assert len(voters) == count
        assert f"{broker.number + 1}@127.0.0.1:{broker.controller_port}" in voters
