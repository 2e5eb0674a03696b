"""Share the permits among the processes of an installation, through a consumer group.

The topic `twilio.permits` has no records. Each of its partitions below the configured number is a
permit, and a process has the permits of the partitions that the group assigns to it. A process is
a member only while it has requests to send, so that idle processes hold no permits. A member that
has waited in vain leaves and joins again: its new member id may be assigned a permit.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from agents.faust_runner.adapter.fencing import Fenced, Lease, keep
from agents.twilio_history.permits import RequestPermits
from pipeline.runtime.kafka import IDLE_FETCH_MS, consumer
from pipeline.runtime.settings import Settings
from schemas.topics import TWILIO_PERMITS

log = structlog.get_logger(__name__)

GROUP = "twilio-history"
SESSION_S = 8.0
REBALANCE_S = 20.0
GRACE_S = 12.0
"""How long a rebalance waits for requests in flight; longer than a request takes."""
IDLE_S = 5.0
"""How long (s) a process without requests stays a member."""
IN_VAIN_S = 20.0
"""A member without a permit leaves after this time, and joins again."""
LOOK_S = 0.25
RETRY_S = 1.0
_FOREVER_MS = 2**31 - 1


@asynccontextmanager
async def shared_permits(settings: Settings) -> AsyncIterator[RequestPermits]:
    """Provide this process's part of the installation's permits while the block runs."""
    membership = Membership(settings)
    task = asyncio.create_task(membership.run(), name="twilio permits")
    try:
        yield membership.permits
    finally:
        while not task.done():  # aiokafka may swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=GRACE_S)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Keeps `permits` up to date."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lease: Lease | None = None
        self.permits = RequestPermits(self._holds)

    async def run(self) -> None:
        """Join and leave the group as requests come and end. Never return."""
        while True:
            await self.permits.wanted.wait()
            try:
                await self._be_member()
            except Fenced as error:
                log.info("lost the permits for requests to Twilio; joining again", why=str(error))
            except (KafkaError, OSError) as error:
                log.warning("no permits for requests to Twilio yet", error=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _be_member(self) -> None:
        member: AIOKafkaConsumer = consumer(
            self._settings,
            group_id=self._settings.prefixed(GROUP),
            # A static member would keep its permits for a session after it has left.
            group_instance_id=None,
            session_timeout_ms=round(SESSION_S * 1000),
            rebalance_timeout_ms=round(REBALANCE_S * 1000),
            request_timeout_ms=round(REBALANCE_S * 1000) + 5_000,
            max_poll_interval_ms=_FOREVER_MS,
            fetch_max_wait_ms=IDLE_FETCH_MS,
        )
        self._lease = Lease(SESSION_S)
        keep(self._lease, member)
        member.subscribe([self._settings.prefixed(TWILIO_PERMITS.name)], listener=self)
        try:
            await member.start()
            await self._stay(member)
        finally:
            await self.permits.withdraw(GRACE_S)
            with suppress(KafkaError, OSError):
                await member.stop()
            self._lease = None

    async def _stay(self, member: AIOKafkaConsumer) -> None:
        """Return once the membership is no longer needed. Raise `Fenced` if it was lost."""
        loop = asyncio.get_running_loop()
        useful_at, lucky_at = loop.time(), loop.time()
        assert self._lease is not None
        while loop.time() - useful_at < IDLE_S and loop.time() - lucky_at < IN_VAIN_S:
            await asyncio.sleep(LOOK_S)
            self._lease.holds()
            member.pause(*(member.assignment() - member.paused()))  # there is nothing to fetch
            if self.permits.wanted.is_set():
                useful_at = loop.time()
            if self.permits.granted:
                lucky_at = loop.time()
            self.permits.look_again()

    def _holds(self) -> bool:
        try:
            return self._lease is not None and self._lease.holds()
        except Fenced:
            return False

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take over the permits."""
        most = self._settings.twilio_history_concurrency
        self.permits.grant(sum(tp.partition < most for tp in assigned))

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # always all partitions
    ) -> None:
        """Give the permits back once the requests in flight have ended."""
        await self.permits.withdraw(GRACE_S)
