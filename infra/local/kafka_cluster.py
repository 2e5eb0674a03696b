"""The local brokers of a state directory: one, or a cluster of several.

Broker 0 has its data in `DIR/kafka`, broker N in `DIR/kafka-N`. `DIR/kafka-cluster.json` describes
a cluster of more than one broker, because its size and id are fixed when it is formatted.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.kafka import LocalKafka, running
from infra.local.kafka_storage import new_storage_id
from infra.state_dir import write_private
from pipeline.runtime.settings import SettingsError

MOST_BROKERS = 9
_DESCRIPTION = "kafka-cluster.json"


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """The brokers of a directory, in the order of their numbers."""

    brokers: tuple[LocalKafka, ...]

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers, separated by commas."""
        return bootstrap_servers([broker.port for broker in self.brokers])

    def prepare(self) -> list[list[str]]:
        """Format new brokers; return the command of each broker. Block, and raise what
        `LocalKafka.prepare` raises."""
        return [broker.prepare() for broker in self.brokers]


def bootstrap_servers(ports: list[int]) -> str:
    """Return the addresses of local brokers on these ports, separated by commas."""
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def broker_names(count: int) -> list[str]:
    """Return the names of the brokers' client ports, in the order of their numbers. The name of a
    controller port has the suffix `-controller`."""
    return ["kafka", *(f"kafka-{number}" for number in range(1, count))]


def port_names(count: int) -> list[str]:
    """Return the names of all ports of `count` brokers."""
    return [name + kind for name in broker_names(count) for kind in ("", "-controller")]


def broker_count(directory: Path, asked: int | None = None) -> int:
    """Return the number of brokers that the directory has, or will have: `asked`, or one. Raise
    `SettingsError` if it has another number than `asked`: a cluster cannot grow or shrink here."""
    if asked is not None and not 1 <= asked <= MOST_BROKERS:
        raise SettingsError(f"--brokers {asked}: must be 1 to {MOST_BROKERS}")
    kept = _kept_count(directory)
    if kept is not None and asked not in (None, kept):
        raise SettingsError(
            f"--brokers {asked}: {directory} already holds a Kafka cluster of {kept}, and its size "
            f"is fixed; use --brokers {kept} or another --state-dir"
        )
    return kept or asked or 1


def local_cluster(directory: Path, ports: Mapping[str, int], count: int) -> LocalCluster:
    """Return the directory's cluster of `count` brokers with `ports` by name (`port_names`). Write
    the description of a new cluster."""
    if count == 1:
        only = LocalKafka(directory / "kafka", ports["kafka"], ports["kafka-controller"])
        return LocalCluster((only,))
    names = broker_names(count)
    cluster_id = _cluster_id(directory, count)
    controllers = tuple(ports[f"{name}-controller"] for name in names)
    brokers = (
        LocalKafka(directory / name, ports[name], controllers[n], n, controllers, cluster_id)
        for n, name in enumerate(names)
    )
    return LocalCluster(tuple(brokers))


@contextmanager
def running_cluster(cluster: LocalCluster, logs: Path) -> Iterator[LocalCluster]:
    """Run all brokers during the block, for tests and tools. Call it from the main thread.

    The brokers may not answer yet when the block begins. `logs`: an existing directory.
    """
    with ExitStack() as stack:
        for broker in cluster.brokers:
            stack.enter_context(running(broker, logs / f"kafka-{broker.number}.log"))
        yield cluster


def _kept_count(directory: Path) -> int | None:
    description = directory / _DESCRIPTION
    if description.exists():
        return int(json.loads(description.read_text())["brokers"])
    return 1 if (directory / "kafka" / "data").exists() else None


def _cluster_id(directory: Path, count: int) -> str:
    description = directory / _DESCRIPTION
    if not description.exists():
        directory.mkdir(parents=True, exist_ok=True)
        made = {"brokers": count, "id": new_storage_id()}
        write_private(description, json.dumps(made, indent=2) + "\n")
    return str(json.loads(description.read_text())["id"])
