"""The leases that decide which shards this process copies. Kafka's consumer group assigns them.
There is one lease for each partition of the checkpoint topic. Kafka keeps the lease table, so that
no second coordination service is needed.

Leases only avoid double work. Fencing (`writer`) ensures that no event is written twice.
"""

import asyncio
from collections.abc import Callable, Collection

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from pipeline.kinesis.shard_ref import LIVE, Place
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.topics import BRIDGE_CHECKPOINTS

log = structlog.get_logger(__name__)

GROUP = "bridge"
SESSION_TIMEOUT_MS = 6_000  # the least that brokers allow with their default settings
HEARTBEAT_MS = 500
REBALANCE_MS = 3_000
"""How long a rebalance waits for members that do not join it again. They may be dead, too, and the
shards of the first dead member must not wait until that is certain."""


def group_of(kinesis_stream: str, name: str) -> str:
    """Return the consumer group (without prefix) of a stream's bridges under a checkpoint name."""
    return f"{GROUP}-{kinesis_stream}" + ("" if name == LIVE else f"-{name}")


class Leases(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The leases of this process."""

    def __init__(
        self, settings: Settings, kinesis_stream: str, name: str, on_change: Callable[[], None]
    ) -> None:
        """`name`: the checkpoint name. Each stream and name has its own group. `on_change` is
        called after every change of `owned`."""
        self.owned: frozenset[int] = frozenset()
        self.settled = asyncio.Event()
        """Not set before the first assignment, nor during a rebalance."""
        self._topic = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._on_change = on_change
        self._consumer: AIOKafkaConsumer = consumer(
            settings,
            group_id=settings.prefixed(group_of(kinesis_stream, name)),
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        )

    def has(self, place: Place) -> bool:
        """Return whether this process has the place's lease."""
        return place.lease(BRIDGE_CHECKPOINTS.partitions) in self.owned

    async def start(self) -> None:
        """Join the consumer group."""
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect. A static member keeps its leases until its session times out."""
        await self._consumer.stop()

    async def run(self) -> None:
        """Run until cancelled, and raise the group's errors (another process has the same
        FLEXCAPTURE_INSTANCE, no authorization, ...). The records themselves are not used."""
        while True:
            await self._consumer.getmany(timeout_ms=1_000)
            await asyncio.sleep(0)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        """Note that a rebalance begins. The shards are still read meanwhile: most of them keep
        their process, and a process that takes one over fences this one."""
        self.settled.clear()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Take the leases of the new assignment. The rebalance has ended."""
        self._consumer.pause(*assigned)
        self.owned = frozenset(partition.partition for partition in assigned)
        self.settled.set()
        log.info("leases", partitions=sorted(self.owned))
        self._on_change()
