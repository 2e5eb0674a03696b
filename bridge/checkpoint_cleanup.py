"""Delete checkpoints of shards and streams that cannot come back, under every checkpoint name. The
live bridge does this. I/O."""

from collections.abc import Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError

from bridge.jobs import JobContext
from pipeline.kinesis import lineage
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Role
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

log = structlog.get_logger(__name__)


class Retirement:
    """Compare checkpoints with each listing, and delete those that were missing long enough."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._absent_since: Mapping[str, int] = {}
        self._others: frozenset[str] = frozenset()

    async def look(
        self, incarnation: Incarnation, listed: Sequence[lineage.Shard], now: int
    ) -> None:
        """Delete the checkpoints that are due. `listed`: all shards of the stream at `now` (ms).
        After a failed write, the next listing tries again."""
        self._log_other_streams(incarnation.kinesis_stream)
        known = self._known(incarnation.kinesis_stream)
        shards = {shard.shard_id for shard in listed} | {""}
        there = {
            place.key
            for place in known
            if place.incarnation == incarnation and place.shard_id in shards
        }
        due, self._absent_since = lineage.forgettable(
            {place.key: record.at for place, record in known.items()},
            there,
            self._absent_since,
            now,
        )
        try:
            await self._forget({place: r for place, r in known.items() if place.key in due})
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("checkpoints cannot be deleted now", error=repr(error))

    def _known(self, kinesis_stream: str) -> Mapping[Place, BridgeCheckpoint | BridgePeriod]:
        """Return the records under this process's leases, so that one process handles each."""
        checkpoints = self._context.checkpoints
        found: dict[Place, BridgeCheckpoint | BridgePeriod] = {}
        found.update(checkpoints.of_stream(kinesis_stream))
        found.update(checkpoints.periods_of(kinesis_stream))
        return {place: record for place, record in found.items() if self._context.leases.has(place)}

    async def _forget(self, due: Mapping[Place, BridgeCheckpoint | BridgePeriod]) -> None:
        if not due:
            return
        topic = self._context.settings.prefixed(BRIDGE_CHECKPOINTS.name)
        async with producer(self._context.settings, source=Role.BRIDGE) as sender:
            for place, record in due.items():
                unread = isinstance(record, BridgeCheckpoint) and not record.finished
                log.log(40 if unread else 20, "checkpoint deleted", key=place.key, unread=unread)
                await sender.send_and_wait(topic, None, place.key.encode())

    def _log_other_streams(self, kinesis_stream: str) -> None:
        others = self._context.checkpoints.streams() - {kinesis_stream}
        if others != self._others:
            self._others = others
            log.warning(
                "other Kinesis streams were bridged to these topics; their unread records need a "
                "bridge of their own",
                others=sorted(others), ours=kinesis_stream,
            )  # fmt: skip
