"""The brokers of a chaos run, and their faults: they are killed, frozen, restarted one by one, and
most of them are down at once."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from random import Random

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.local.kafka_cluster import LocalCluster, local_cluster, port_names
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings
from simulator.media import clock
from tests.system.chaos.uptime import Span

KAFKA_S = 90.0
SESSION_MS = 3_000
"""`broker.session.timeout.ms` of the local brokers."""
FAILOVER_MS = SESSION_MS + 5_000
"""After a broker of several hung or died, everything works again within this."""
AFTER_OUTAGE_MS = 10_000
"""After the only broker, or most of them, came back, everything works again within this."""
FROZEN_S = 20.0
KILLED_S = 5.0
MOST_AWAY_S = 40.0
REPLICATED_S = 90.0

Say = Callable[[str], None]


class Brokers:
    """One broker, or a cluster. `outages`: when it may not have worked."""

    def __init__(self, directory: Path, logs: Path, count: int) -> None:
        ports = chosen(port_names(count), {}, [])
        self._cluster: LocalCluster = local_cluster(directory / "brokers", ports, count)
        self._logs = logs
        self._processes: dict[int, Process] = {}
        self._settings = Settings(kafka_bootstrap_servers=self._cluster.bootstrap_servers)
        self.servers = self._cluster.bootstrap_servers
        self.count = count
        self.outages: list[Span] = []

    async def start(self) -> None:
        """Return once all answer."""
        await asyncio.gather(*(self._start(number) for number in range(self.count)))
        await wait_for_kafka(self._settings, KAFKA_S, self.count)

    async def kill_all(self) -> None:
        """Return once all are gone."""
        for number in tuple(self._processes):
            await self._stop(number, signal.SIGKILL)

    async def away(self, seconds: float, say: Say) -> None:
        """Kill all for so long. A broker that is shut down may leave a transaction hanging
        (docs/operations.md)."""
        say("all brokers are killed")
        await self._away(range(self.count), seconds)
        say("all brokers answer again")

    async def kill(self, number: int, say: Say) -> None:
        """Kill one of several, and start it again a little later."""
        say(f"broker {number} is killed")
        self._failover()
        await self._stop(number, signal.SIGKILL)
        await asyncio.sleep(KILLED_S)
        await self._back([number])

    async def freeze(self, number: int, say: Say) -> None:
        """Let one hang: its connections stay, and nothing is answered."""
        say(f"broker {number} hangs for {FROZEN_S:g} s")
        self._failover()
        pid = self._processes[number].pid
        signal_all(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(FROZEN_S)
        finally:
            signal_all(pid, signal.SIGCONT)
        say(f"broker {number} runs again")
        await self._replicated()

    async def patch(self, say: Say) -> None:
        """Restart one after the other in order, as for a new version."""
        for number in range(self.count):
            say(f"broker {number} is restarted")
            self._failover()
            await self._stop(number, signal.SIGTERM)
            await self._back([number])

    async def lose_most(self, say: Say) -> None:
        """Kill all but one, so that too few are left to acknowledge anything."""
        say(f"all brokers but one are away for {MOST_AWAY_S:g} s")
        await self._away(range(1, self.count), MOST_AWAY_S)
        say("all brokers answer again")

    async def _away(self, numbers: Sequence[int], seconds: float) -> None:
        began = clock()
        for number in numbers:
            await self._stop(number, signal.SIGKILL)
        await asyncio.sleep(seconds)
        await asyncio.gather(*(self._start(number) for number in numbers))
        await wait_for_kafka(self._settings, KAFKA_S, self.count)
        self.outages.append(Span(began, clock() + AFTER_OUTAGE_MS))
        await self._replicated()

    def _failover(self) -> None:
        self.outages.append(Span(clock(), clock() + FAILOVER_MS))

    async def _start(self, number: int) -> None:
        command = await asyncio.to_thread(self._cluster.brokers[number].prepare)
        with (self._logs / f"kafka-{number}.log").open("ab") as log:
            self._processes[number] = await asyncio.create_subprocess_exec(
                *tied(command), stdout=log, stderr=log, start_new_session=True
            )

    async def _stop(self, number: int, signum: signal.Signals) -> None:
        process = self._processes.pop(number)
        signal_all(process.pid, signum)
        await process.wait()

    async def _back(self, numbers: Sequence[int]) -> None:
        await asyncio.gather(*(self._start(number) for number in numbers))
        await wait_for_kafka(self._settings, KAFKA_S, self.count)
        await self._replicated()

    async def _replicated(self) -> None:
        """Return once every replica is in sync: before that, one broker less may be too few."""
        async with asyncio.timeout(REPLICATED_S):
            while not await is_replicated(self._settings):  # noqa: ASYNC110 - Kafka has no event
                await asyncio.sleep(0.5)


async def is_replicated(settings: Settings) -> bool:
    """Return whether every replica of every topic is in sync."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=5_000
    )
    try:
        await admin.start()
        topics = await admin.describe_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    partitions = [partition for topic in topics for partition in topic["partitions"]]
    return all(len(p["isr"]) == len(p["replicas"]) for p in partitions)


async def _kill(brokers: Brokers, number: int, say: Say) -> None:
    await brokers.kill(number, say)


async def _freeze(brokers: Brokers, number: int, say: Say) -> None:
    await brokers.freeze(number, say)


async def _patch(brokers: Brokers, _number: int, say: Say) -> None:
    await brokers.patch(say)


async def _lose_most(brokers: Brokers, _number: int, say: Say) -> None:
    await brokers.lose_most(say)


FAULTS: Mapping[str, Callable[[Brokers, int, Say], Awaitable[None]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "patch": _patch,
    "lose-most": _lose_most,
}
"""The faults of a cluster, by the name of the option."""


async def break_in_turn(
    brokers: Brokers, faults: Sequence[str], every: float, random: Random, say: Say
) -> None:
    """Do each of `faults` once, in order, with about `every` seconds of rest before each. Cancelled
    during a fault, return only once its brokers are back."""
    for fault in faults:
        await asyncio.sleep(every * random.uniform(0.8, 1.2))
        number = random.randrange(brokers.count)
        breaking = asyncio.ensure_future(FAULTS[fault](brokers, number, say))
        try:
            await asyncio.shield(breaking)
        except asyncio.CancelledError:
            await breaking
            raise


async def keep_breaking(
    brokers: Brokers, faults: Sequence[str], every: float, random: Random, say: Say
) -> None:
    """Do it again and again. Never returns."""
    for fault in cycle(faults):
        await break_in_turn(brokers, [fault], every, random, say)
    await asyncio.Event().wait()
