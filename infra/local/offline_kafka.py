"""The brokers of a state directory while no `flexcapture up` runs on it, for commands that need
them."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.kafka_cluster import broker_count, local_cluster, port_names, running_cluster
from infra.ports import free_before, kept_ports
from infra.state_dir import StateDir, StateDirInUse
from pipeline.runtime.endpoints import settings_for
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings

_START_SECONDS = 90.0
_PORT_SECONDS = 10.0


@contextmanager
def reachable_kafka(settings: Settings, asked: Path | None, default: Path) -> Iterator[Settings]:
    """Yield the settings with which a command reaches Kafka during the block.

    A configured Kafka is used as it is. Otherwise the broker belongs to a state directory (`asked`,
    or the default). If `flexcapture up` runs on the directory, its broker is used. If not, the
    broker is started for the duration of the block, and no other `up` can start on the directory
    meanwhile.

    Call it from the main thread. Raise what `settings_for` raises, `RuntimeError` if a broker
    cannot be started, `TimeoutError` if it does not answer.
    """
    if settings.kafka_bootstrap_servers is not None:
        yield settings
        return
    directory = (asked or settings.state_dir or default).absolute()
    if not (directory / "kafka" / "data").exists():
        yield settings_for(settings, asked, default)
        return
    try:
        with StateDir(directory).held():
            yield from _started(settings, directory)
    except StateDirInUse:
        yield settings_for(settings, asked, default)


def _started(settings: Settings, directory: Path) -> Iterator[Settings]:
    print(f"starting Kafka in {directory} ...", file=sys.stderr, flush=True)
    count = broker_count(directory)
    names = port_names(count)
    ports = kept_ports(directory / "ports.json", names)
    free_before({name: ports[name] for name in names}, _PORT_SECONDS)
    cluster = local_cluster(directory, ports, count)
    own = {
        "kafka_bootstrap_servers": cluster.bootstrap_servers,
        "kafka_security_protocol": "PLAINTEXT",
    }
    here = settings.model_copy(update=own)
    with running_cluster(cluster, directory / "logs"):
        asyncio.run(wait_for_kafka(here, _START_SECONDS, count))
        yield here
