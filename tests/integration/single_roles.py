"""Single roles as processes of their own, against any Kafka, and whether all partitions are served.

`python -m tests.integration.single_roles --brokers 3 --times 20` starts them at once on an empty
cluster, again and again.
"""

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol

from infra.local.kafka_cluster import local_cluster, port_names, running_cluster
from infra.ports import chosen
from infra.supervisor.processes import tied
from pipeline.runtime.kafka import consumer, end_offsets, wait_for_kafka
from pipeline.runtime.settings import Settings
from schemas.topics import (
    CALL_ALIASES,
    CALL_PARTITIONS,
    CALLS,
    CTI_EVENTS,
    CTI_RESOLVED,
    MEDIA,
    RECORDINGS,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    TICKS,
    changelog,
)

ROOT = Path(__file__).parents[2]
SIXTEEN = {
    "tracker": 3, "resolver": 2, "stream-manager": 2, "consolidator": 2, "recorder": 2,
    "twilio-adapter": 2, "gateway": 2, "console": 1,
}  # fmt: skip
SERVED = {
    "tracker": (CTI_EVENTS, CTI_RESOLVED, TICKS, changelog("tracker")),
    "resolver": (CTI_EVENTS, CALL_ALIASES, TICKS, changelog("resolver")),
    "stream-manager": (CALLS, STREAM_EVENTS, TICKS, changelog("stream-manager")),
    "consolidator": (CALLS, STREAM_EVENTS, RECORDINGS, TICKS, changelog("consolidator")),
    "recorder": (MEDIA,),
    "twilio-adapter": (STREAM_COMMANDS,),
}
"""What the members of each role's group must have among them."""


@dataclass
class Roles:
    """Processes of roles, each with an address for its health."""

    directory: Path
    servers: str
    prefix: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    environment_of: Callable[[str], Mapping[str, str]] = lambda _: {}
    """Variables of a role's own, by the name of the role."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    listens: dict[str, str] = field(default_factory=dict)
    """The settings for the addresses on which gateways and consoles listen."""

    def start(self, counts: Mapping[str, int]) -> None:
        """Start them all at once."""
        names = [f"{role}-{n}" for role, count in counts.items() for n in range(count)]
        ports = chosen([*names, *(f"{n}.own" for n in names)], {}, [])
        (self.directory / "monitored").write_text("*\n")
        self.listens |= {name: f"127.0.0.1:{ports[f'{name}.own']}" for name in names}
        for name in names:
            self.addresses[name] = f"127.0.0.1:{ports[name]}"
            self._start(name, self.listens[name])

    def _start(self, name: str, own: str) -> None:
        settings = {
            "INSTANCE": name,
            "HTTP_LISTEN": self.addresses[name],
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "TOPIC_PREFIX": self.prefix,
            "STATE_DIR": str(self.directory / name),
            "NO_ENV_FILE": "1",
            "MONITORED_AGENTS": str(self.directory / "monitored"),
            "DATABASE_URL": f"sqlite:///{self.directory / 'db'}",
            "RECORDINGS_URL": (self.directory / "recordings").as_uri(),
            "GATEWAY_LISTEN": own,
            "GATEWAY_PUBLIC_URL": f"ws://{own}/media",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "t" * 32,
            "TWILIO_API_URL": "http://127.0.0.1:9",
            "CONSOLE_LISTEN": own,
            "CONSOLE_TOKEN": "t" * 40,
            **self.more,
        }
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                tied([sys.executable, "-m", "cli.main", name.rpartition("-")[0]]),
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    **{f"FLEXCAPTURE_{key}": value for key, value in settings.items()},
                    **self.environment_of(name.rpartition("-")[0]),
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.directory / f"{name}.log"

    def health(self, name: str) -> tuple[int, str]:
        """The status and text of its /healthz; 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{self.addresses[name]}/healthz", timeout=5) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ended(self) -> dict[str, int]:
        """The processes that ended by themselves, with their status."""
        found = {name: process.poll() for name, process in self.processes.items()}
        return {name: status for name, status in found.items() if status is not None}

    def last_lines(self) -> str:
        """Return the end of the logs of the processes that ended by themselves."""
        logs = {name: self.log(name).read_text()[-6_000:] for name in self.ended()}
        return "\n".join(f"{name}:\n{text}" for name, text in logs.items())

    async def all_healthy(self, seconds: float) -> None:
        """Return once every health check is true. Raises `AssertionError` with those that are
        not, or if a process ended."""
        await self.until_health(200, seconds)

    async def until_health(self, status: int, seconds: float, text: str = "") -> None:
        """Return once every health check has that status, and `text` in its answer."""
        answers: dict[str, tuple[int, str]] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    assert {} == self.ended(), self.last_lines()
                    looks = [asyncio.to_thread(self.health, name) for name in self.processes]
                    answers = dict(zip(self.processes, await asyncio.gather(*looks), strict=True))
                    if all(a[0] == status and text in a[1] for a in answers.values()):
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            wrong = {n: a for n, a in answers.items() if a[0] != status or text not in a[1]}
            raise AssertionError(f"not {status} {text!r}: {wrong}") from None

    def terminate(self) -> dict[str, int]:
        """Stop all processes with SIGTERM; return their exit statuses."""
        for process in self.processes.values():
            process.terminate()
        return {name: process.wait(60) for name, process in self.processes.items()}


@contextmanager
def roles(directory: Path, servers: str, prefix: str = "", **more: str) -> Iterator[Roles]:
    """Roles to start; none is left at the end of the block."""
    made = Roles(directory, servers, prefix, more)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def unserved(settings: Settings, counts: Mapping[str, int]) -> list[str]:
    """The partitions that no member of its role's group has, as `group: topic-partition`."""
    async with _admin(settings) as admin:
        lacking = []
        for role in counts.keys() & SERVED.keys():
            [response] = await admin.describe_consumer_groups([settings.prefixed(role)])
            had = set(_assigned(response.groups[0][5]))
            lacking += [
                f"{role}: {topic.name}-{number}"
                for topic in SERVED[role]
                for number in range(CALL_PARTITIONS)
                if (settings.prefixed(topic.name), number) not in had
            ]
        return lacking


async def unread(settings: Settings, counts: Mapping[str, int]) -> list[str]:
    """The groups that have not committed all records of their topics, ticks aside, as `group:
    number of records`."""
    async with _admin(settings) as admin, consumer(settings) as reader:
        lacking = []
        for role in counts.keys() & SERVED.keys():
            topics = [t for t in SERVED[role] if t is not TICKS and t != changelog(role)]
            names = [settings.prefixed(topic.name) for topic in topics]
            partitions = [TopicPartition(n, p) for n in names for p in range(CALL_PARTITIONS)]
            ends = await end_offsets(reader, partitions)
            committed = await admin.list_consumer_group_offsets(settings.prefixed(role))
            done = {tp: max(0, each.offset) for tp, each in committed.items()}
            if records := sum(end - done.get(tp, 0) for tp, end in ends.items()):
                lacking.append(f"{role}: {records}")
        return lacking


def _assigned(members: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, int]]:
    for member in members:
        if member[4]:
            for topic, numbers in ConsumerProtocol.ASSIGNMENT.decode(member[4]).assignment:
                yield from ((topic, number) for number in numbers)


async def all_served(settings: Settings, counts: Mapping[str, int], seconds: float) -> None:
    """Return once every partition is served. Raises `AssertionError` with those that are not."""
    await _until_none(lambda: unserved(settings, counts), "partitions are not served", seconds)


async def all_read(settings: Settings, counts: Mapping[str, int], seconds: float) -> None:
    """Return once the roles have read all records. Raises `AssertionError` with the groups that
    have not."""
    await _until_none(lambda: unread(settings, counts), "groups have not read all", seconds)


async def _until_none(
    look: Callable[[], Awaitable[list[str]]], complaint: str, seconds: float
) -> None:
    lacking: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            while lacking := await look():  # noqa: ASYNC110 - asks Kafka
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"{len(lacking)} {complaint}: {lacking[:9]}") from None


async def _once(brokers: int, counts: Mapping[str, int], seconds: float) -> float:
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="flexcapture-") as scratch:
        directory = Path(scratch)
        ports = chosen(port_names(brokers), {}, [])
        cluster = local_cluster(directory / "kafka", ports, brokers)
        with running_cluster(cluster, directory):
            settings = Settings(kafka_bootstrap_servers=cluster.bootstrap_servers)
            await wait_for_kafka(settings, 60, brokers)
            with roles(directory, cluster.bootstrap_servers) as started:
                began = loop.time()
                started.start(counts)
                await started.all_healthy(seconds)
                took = loop.time() - began
                await all_served(settings, counts, 30)
                await started.all_healthy(10)
                assert set(started.terminate().values()) == {0}, started.ended()
                return took


def main() -> None:
    """The command."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    asked = parser.parse_args()
    for number in range(asked.times):
        took = asyncio.run(_once(asked.brokers, SIXTEEN, asked.seconds))
        print(f"{number + 1}: all healthy after {took:.1f} s, every partition served", flush=True)


if __name__ == "__main__":
    main()
