"""Which shards are this process's: those of the leases that Kafka's consumer group gave it, one for
each partition of the checkpoint topic. Kafka keeps the lease table; no second coordination service.

A lease is only good manners. That no event is written twice is the fencing's work (`writer`).
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
SESSION_TIMEOUT_MS = 6_000  # the least that brokers allow, unless they are told otherwise
HEARTBEAT_MS = 500
REBALANCE_MS = 3_000
"""So long does a rebalance wait for members that do not come back to it: they may be dead, too, and
the shards of the first one must not wait until that is certain."""


def group_of(kinesis_stream: str, name: str) -> str:
    """The consumer group, before the prefix, of the bridges of a stream under a checkpoint name."""
    return f"{GROUP}-{kinesis_stream}" + ("" if name == LIVE else f"-{name}")


class Leases(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The leases that this process has."""

    def __init__(
        self, settings: Settings, kinesis_stream: str, name: str, on_change: Callable[[], None]
    ) -> None:
        """`name`: the checkpoint name. Each has a group of its own for each stream; `on_change` is
        called whenever `owned` has changed."""
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
        """Whether the place's lease is this process's."""
        return place.lease(BRIDGE_CHECKPOINTS.partitions) in self.owned

    async def start(self) -> None:
        """Joins the group."""
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()

    async def stop(self) -> None:
        """Stops; a static member keeps its leases until its session times out."""
        await self._consumer.stop()

    async def run(self) -> None:
        """Raises what the group raises (another process of the same FLEXCAPTURE_INSTANCE, no
        authorization, ...); runs until cancelled. The records themselves are not wanted."""
        while True:
            await self._consumer.getmany(timeout_ms=1_000)
            await asyncio.sleep(0)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        """A rebalance begins. Shards are read on meanwhile: most of them stay where they are, and
        who takes one over fences us."""
        self.settled.clear()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """The rebalance has ended."""
        self._consumer.pause(*assigned)
        self.owned = frozenset(partition.partition for partition in assigned)
        self.settled.set()
        log.info("leases", partitions=sorted(self.owned))
        self._on_change()
