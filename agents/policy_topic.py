"""Read the topics `policy` and `workers`: the versions of the monitored list, and the workers'
names. Every process that decides reads them.

A version takes effect `EFFECTIVE_AFTER_MS` after it was published, so that every process has read
it by then.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.metrics import EMAILS_SHARED, POLICY_VERSION, REUSED_POLICY_VERSIONS, WORKERS_RENAMED
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.kafka import consumer
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import Undecodable, decode
from schemas.records import PolicyAccepted, PolicyHeldBack, RecordingPolicy, Worker
from schemas.topics import POLICY, WORKERS

log = structlog.get_logger(__name__)

EFFECTIVE_AFTER_MS = 1_500
HELD_BACK_KEY = "held-back:"
"""Prefix of a `PolicyHeldBack`'s key; the stream manager's instance follows."""
ACCEPTED_KEY = "accepted:"
"""Prefix of a `PolicyAccepted`'s key; the content hash follows."""
CATCH_UP_S = 30.0
"""Limit of one attempt (s) to read the topic to its end. The next attempt continues there."""


class PolicyReader:
    """Reads the topic `policy`, and `workers` if `with_workers`. `history` grows as records arrive.

    With a `health`, the reader is a role's: it waits while Kafka does not answer. Without, it is a
    command's: it raises."""

    def __init__(
        self, settings: Settings, health: Health | None = None, *, with_workers: bool = False
    ) -> None:
        self.history = PolicyHistory()
        self._waits = health is not None
        self._health = health or Health()
        self._consumer: AIOKafkaConsumer = consumer(settings, fetch_max_wait_ms=200)
        self._partition = TopicPartition(settings.prefixed(POLICY.name), 0)
        workers = TopicPartition(settings.prefixed(WORKERS.name), 0)
        self._partitions = [self._partition, *([workers] if with_workers else [])]
        self._held_back: dict[str, PolicyHeldBack] = {}
        self._accepted: dict[tuple[str, int], int] = {}
        self._acceptances = 0
        self._next_offset = 0

    async def start(self) -> None:
        """Return once every version that is now on the topic is in `history`."""
        if self._waits:
            await until_answered(self._consumer.start, "reading the policy", self._health)
        else:
            await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        await self.catch_up()

    async def stop(self) -> None:
        """Stop the consumer."""
        await self._consumer.stop()

    async def catch_up(self) -> None:
        """Read to the topic's current end. Must not be called while `follow` runs."""
        if not self._waits:
            await self._catch_up()
            return
        what = f"the end of {', '.join(tp.topic for tp in self._partitions)}"
        await until_answered(self._catch_up, what, self._health, attempt_s=CATCH_UP_S)

    async def _catch_up(self) -> None:
        for partition, end in (await self._consumer.end_offsets(self._partitions)).items():
            while await self._consumer.position(partition) < end:
                await self._read(timeout_ms=100)

    async def follow(self) -> None:
        """Read new records until cancelled. Raise if Kafka can no longer be read."""
        while True:
            await self._read(timeout_ms=1_000)

    @property
    def held_back(self) -> Mapping[str, PolicyHeldBack]:
        """The lists that stream managers hold back, by instance."""
        return dict(self._held_back)

    @property
    def acceptances(self) -> int:
        """The number of acceptances read so far."""
        return self._acceptances

    def is_accepted(self, content_hash: str, base: int, since: int) -> bool:
        """Return whether a list with that content hash, held back against version `base`, was
        accepted after the first `since` acceptances."""
        return self._accepted.get((content_hash, base), 0) > since

    async def is_topic_lost(self) -> bool:
        """Return whether the topic ends before the offset read last, that is, was created again.
        Return False if Kafka does not answer."""
        try:
            ends = await self._consumer.end_offsets([self._partition])
        except KafkaError:
            return False
        return bool(ends[self._partition] < self._next_offset)

    async def _read(self, timeout_ms: int) -> None:
        batches = await self._consumer.getmany(*self._partitions, timeout_ms=timeout_ms)
        for partition, records in batches.items():
            for record in records:
                if partition == self._partition:
                    self._next_offset = record.offset + 1
                self._take((record.key or b"").decode(errors="replace"), record.value)
        if batches:
            POLICY_VERSION.set(self.history.latest.version)
            WORKERS_RENAMED.set(self.history.workers.renamed)
            EMAILS_SHARED.set(self.history.workers.shared_emails)
            self._report()

    def _take(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._held_back.pop(key.removeprefix(HELD_BACK_KEY), None)
            return
        try:
            record = decode(value)
        except Undecodable:
            log.exception("a record of the topic policy cannot be decoded")
            return
        match record:
            case RecordingPolicy():
                self.history.add(record)
            case Worker():
                self.history.workers.put(record)
            case PolicyHeldBack():
                self._held_back[record.instance] = record
            case PolicyAccepted():
                self._acceptances += 1
                self._accepted[record.hash, record.base] = self._acceptances

    def _report(self) -> None:
        history = self.history
        REUSED_POLICY_VERSIONS.set(len(history.reused) + len(history.damaged))
        problem = ""
        if history.damaged and history.damaged[-1] > history.last_number:
            problem = f"version {history.damaged[-1]} is damaged and was left out: change the list"
        elif history.reused:
            problem = (
                f"version {history.reused[-1]} was published again with other content: the topic "
                "`policy` was lost, or is another cluster's. The newest content is in force; "
                "restart this process to read the topic again"
            )
        if not problem:
            self._health.good("policy")
        elif problem != self._health.reasons.get("policy"):
            log.error("the topic policy contradicts itself", why=problem)
            self._health.bad("policy", problem)


@contextlib.asynccontextmanager
async def reading_policy(
    settings: Settings, health: Health | None = None, *, with_workers: bool = False
) -> AsyncIterator[PolicyReader]:
    """Yield a reader with a history that is complete as of now. The caller must run `follow`. With
    `health`, wait while Kafka does not answer; without, raise `KafkaError`.

    `health` turns bad (`policy`) if versions contradict each other. `with_workers`: also read the
    workers' names; the topic must exist.
    """
    reader = PolicyReader(settings, health, with_workers=with_workers)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()
