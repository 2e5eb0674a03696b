"""Which shards are this process's: those whose checkpoints lie on partitions that Kafka's consumer
group gave it. Kafka keeps the lease table; no second coordination service.

A lease is only good manners. That no event is written twice is the fencing's work (`writer`).
"""

import asyncio
from collections.abc import Callable, Collection

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from pipeline.bridge.place import LIVE
from pipeline.kafka import consumer
from pipeline.settings import Settings
from schemas.topics import BRIDGE_CHECKPOINTS

log = structlog.get_logger(__name__)

GROUP = "bridge"
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_MS = 1_000


class Leases(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The partitions of the checkpoint topic that this process owns."""

    def __init__(self, settings: Settings, name: str, on_change: Callable[[], None]) -> None:
        """`name`: the checkpoint name, each has a group of its own; `on_change` is called whenever
        `owned` has changed."""
        self.owned: frozenset[int] = frozenset()
        self.settled = asyncio.Event()
        """Not set before the first assignment, nor during a rebalance."""
        self._topic = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._on_change = on_change
        self._consumer: AIOKafkaConsumer = consumer(
            settings,
            group_id=settings.prefixed(GROUP if name == LIVE else f"{GROUP}-{name}"),
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )

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
