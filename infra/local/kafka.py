"""A real Apache Kafka on this machine: a KRaft broker, alone or in a cluster, run from its jars.

For `flexcapture up`, the demo and the tests. Its directory contains all its data; a broker that was
killed can be started again on it. `infra.local.kafka_cluster` combines several brokers.
"""

import asyncio
import fcntl
import logging
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError

from infra.local.jars import java, kafka_jars
from infra.local.kafka_storage import copy_storage, new_storage_id
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.kafka import MAX_REQUEST_BYTES, ensure_topics, wait_for_kafka
from pipeline.runtime.settings import Settings, load
from schemas.topics import POLICY

_LOGGING = Path(__file__).with_name("log4j2.yaml")
_FORMAT_SECONDS = 60
_ARCHIVE_SECONDS = 60.0

_BROKER: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Topics are created as schemas/topics.py defines them, never by a mistyped name.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MAX_REQUEST_BYTES + 1024 * 1024),
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # A killed process is detected soon, and its transaction does not delay readers for long.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A killed broker can join again only after its old session has expired.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Index files are allocated at their greatest size. If the kernel reads far ahead, the first
    # access to each reads (or clears) all of it. This size is enough for 89 MB of a partition.
    "log.index.size.max.bytes": str(256 * 1024),
    # Small, because the broker shares the machine with everything else.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}

_REPLICATION_FACTORS = (
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)
_MIN_ISRS = (
    "min.insync.replicas",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.min.isr",
)
MOST_REPLICAS = 3

_JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    # Only the quick compiler: a start takes half the processor time, and the code is fast enough
    # for one machine.
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """A broker on 127.0.0.1: `port` for clients, `controller_port` for the controllers.

    In a cluster, `number` counts from 0, `controller_ports` are those of all brokers in the order
    of their numbers, and `cluster_id` is the same for all. With three brokers or more, topics get
    three replicas, and a write is acknowledged once two have it.
    """

    directory: Path
    port: int
    controller_port: int
    number: int = 0
    controller_ports: tuple[int, ...] = ()
    cluster_id: str | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def replicas(self) -> int:
        """The replication factor of topics that do not specify one."""
        return min(MOST_REPLICAS, max(1, len(self.controller_ports)))

    def prepare(self) -> list[str]:
        """Prepare the broker's directory; return the command that runs the broker until SIGTERM.

        Blocks: for Maven if the jars are missing, for some seconds if they are new, for a second if
        the directory is new. Raise `MissingTool`, or `RuntimeError` if the storage cannot be
        formatted. Run the command tied (`infra.supervisor.processes`), and wait for it with
        `pipeline.runtime.kafka.wait_for_kafka`.
        """
        archive = class_archive()
        return self._command([f"-XX:SharedArchiveFile={archive}"] if archive else [])

    def _command(self, options: list[str]) -> list[str]:
        classpath = f"{kafka_jars()}/*"
        scratch = self.directory / "tmp"  # for native libraries; a killed JVM leaves them behind
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        run = [java(), f"-Djava.io.tmpdir={scratch}", f"-Dlog4j2.configurationFile={_LOGGING}"]
        data = self.directory / "data"
        if not data.exists():
            self._format(
                [*run, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *options, "-cp", classpath]
            )
        properties = self._write_properties("server.properties", data)
        return [*run, *_JVM, *options, "-cp", classpath, "kafka.Kafka", str(properties)]

    def _format(self, java_command: list[str]) -> None:
        # Written by rename: a directory with the final name is complete, even if the process is
        # killed.
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        cluster_id = self.cluster_id or new_storage_id()
        if options := self._format_options():
            self._run_storage_tool(java_command, fresh, cluster_id, options)
        else:
            copy_storage(_storage_template(java_command), fresh, self.number + 1, cluster_id)
        fresh.rename(self.directory / "data")

    def _run_storage_tool(
        self, java_command: list[str], data: Path, cluster_id: str, options: list[str]
    ) -> None:
        properties = self._write_properties("format.properties", data)
        done = subprocess.run(  # noqa: S603
            [
                *java_command, "kafka.tools.StorageTool", "format",
                "--cluster-id", cluster_id, "--config", str(properties), *options,
            ],
            capture_output=True, text=True, check=False, timeout=_FORMAT_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")

    def _format_options(self) -> list[str]:
        """Return additional options of `StorageTool format`."""
        return []

    def _write_properties(self, name: str, data: Path) -> Path:
        path = self.directory / name
        values = {**_BROKER, **self._replication(), **self._own_properties(data)}
        path.write_text("".join(f"{k}={java_property(v)}\n" for k, v in values.items()))
        return path

    def _own_properties(self, data: Path) -> dict[str, str]:
        ports = self.controller_ports or (self.controller_port,)
        controller = f"127.0.0.1:{self.controller_port}"
        return {
            "node.id": str(self.number + 1),
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": ",".join(
                f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports, 1)
            ),
            "log.dirs": str(data),
        }

    def _replication(self) -> dict[str, str]:
        min_isr = "2" if self.replicas >= MOST_REPLICAS else "1"
        return {
            **dict.fromkeys(_REPLICATION_FACTORS, str(self.replicas)),
            **dict.fromkeys(_MIN_ISRS, min_isr),
        }


def java_property(value: str) -> str:
    """Return the value as it must be written in a Java properties file, which is Latin-1."""
    return "".join(
        c
        if " " <= c <= "~" and c != "\\"
        else "".join(
            f"\\u{unit:04x}" for (unit,) in struct.iter_unpack(">H", c.encode("utf-16-be"))
        )
        for c in value
    )


def class_archive() -> Path | None:
    """Return the JVM's archive of the broker's classes, which halves the processor time of a start;
    None if it could not be made. The first call makes it: it starts and stops a broker."""
    jars = kafka_jars()
    archive, tried = jars / "kafka.jsa", jars / "kafka.jsa.tried"
    with (jars / "kafka.jsa.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tried.exists():
            print("preparing Kafka for quick starts (once) ...", file=sys.stderr)
            _make_archive(jars / "kafka.jsa.partial", archive)
            tried.touch()
    return archive if archive.exists() else None


def _storage_template(java_command: list[str]) -> Path:
    """Return a formatted storage for `copy_storage`. The first call makes it."""
    jars = kafka_jars()
    template = jars / "formatted"
    with (jars / "formatted.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            fresh = jars / "formatted.new"
            shutil.rmtree(fresh, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="flexcapture-") as scratch:
                broker = LocalKafka(Path(scratch), 9092, 9093)
                broker._run_storage_tool(java_command, fresh, new_storage_id(), [])  # noqa: SLF001 - our own class
            fresh.rename(template)
    return template


def _make_archive(partial: Path, archive: Path) -> None:
    partial.unlink(missing_ok=True)
    ports = chosen(["kafka", "controller"], {}, [])
    with tempfile.TemporaryDirectory(prefix="flexcapture-") as scratch:
        broker = LocalKafka(Path(scratch), ports["kafka"], ports["controller"])
        command = broker._command([])  # noqa: SLF001 - our own class
        command[1:1] = [f"-XX:ArchiveClassesAtExit={partial}"]
        settings = load(
            None,
            kafka_bootstrap_servers=broker.bootstrap_servers,
            kafka_security_protocol="PLAINTEXT",
        )
        with (
            _started(command, Path(scratch) / "log") as process,
            suppress(TimeoutError, KafkaError, OSError, subprocess.TimeoutExpired),
        ):
            asyncio.run(_used(settings))
            process.terminate()
            process.wait(_ARCHIVE_SECONDS)
    if partial.exists():
        partial.rename(archive)


async def _used(settings: Settings) -> None:
    await wait_for_kafka(settings, _ARCHIVE_SECONDS)
    await ensure_topics(settings, [POLICY])


@contextmanager
def running(kafka: LocalKafka, log_file: Path) -> Iterator[LocalKafka]:
    """Run the broker during the block, for tests and tools. Call it from the main thread.

    The broker may not answer yet when the block begins.
    """
    with _started(kafka.prepare(), log_file):
        yield kafka


@contextmanager
def _started(command: list[str], log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_file.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603
            tied(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        signal_all(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # failed connections are expected here
    class_archive()
