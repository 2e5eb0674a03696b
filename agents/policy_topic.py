"""The topic `policy`: the versions of who is recorded, read by every process that decides.

A version takes effect `EFFECTIVE_AFTER_MS` after it was published, so that by then every process
has read it.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from pipeline.calls.policy import PolicyHistory
from pipeline.kafka import consumer
from pipeline.settings import Settings
from pipeline.telemetry import Health
from schemas.codec import Undecodable, decode
from schemas.records import PolicyAccepted, PolicyHeldBack, RecordingPolicy
from schemas.topics import POLICY

log = structlog.get_logger(__name__)

EFFECTIVE_AFTER_MS = 1_500
HELD_BACK_KEY = "held-back:"
"""How the key of a `PolicyHeldBack` begins; the stream manager's instance follows."""
ACCEPTED_KEY = "accepted:"
"""How the key of a `PolicyAccepted` begins; the content hash follows."""

VERSION = Gauge("flexcapture_policy_version", "The latest version of who is recorded, known here")
REUSED = Gauge(
    "flexcapture_policy_reused_versions",
    "Version numbers of `policy` that came again with other content, or damaged",
)


class PolicyReader:
    """Reads the topic `policy`. `history` grows as versions come; `held_back` are the lists that
    stream managers hold back, by instance."""

    def __init__(self, settings: Settings, health: Health | None = None) -> None:
        self.history = PolicyHistory()
        self._health = health or Health()
        self._consumer: AIOKafkaConsumer = consumer(settings, fetch_max_wait_ms=200)
        self._partition = TopicPartition(settings.prefixed(POLICY.name), 0)
        self._held_back: dict[str, PolicyHeldBack] = {}
        self._accepted: dict[tuple[str, int], int] = {}
        self._acceptances = 0
        self._next_offset = 0

    async def start(self) -> None:
        """Return once every version that is on the topic now is in `history`."""
        await self._consumer.start()
        self._consumer.assign([self._partition])
        await self._consumer.seek_to_beginning(self._partition)
        await self.catch_up()

    async def stop(self) -> None:
        """End the reading."""
        await self._consumer.stop()

    async def catch_up(self) -> None:
        """Read to the topic's present end. Not while `follow` runs."""
        ends = await self._consumer.end_offsets([self._partition])
        while await self._consumer.position(self._partition) < ends[self._partition]:
            await self._read(timeout_ms=100)

    async def follow(self) -> None:
        """Read on until cancelled. Raises if Kafka cannot be read any more."""
        while True:
            await self._read(timeout_ms=1_000)

    @property
    def held_back(self) -> Mapping[str, PolicyHeldBack]:
        """The lists that stream managers hold back, by instance."""
        return dict(self._held_back)

    @property
    def acceptances(self) -> int:
        """The number of acceptances that were read so far."""
        return self._acceptances

    def is_accepted(self, content_hash: str, base: int, since: int) -> bool:
        """Return whether that content, held back against that base version, was accepted after the
        first `since` acceptances."""
        return self._accepted.get((content_hash, base), 0) > since

    async def is_topic_lost(self) -> bool:
        """Return whether the topic ends before what was read of it: it was made anew. False if
        Kafka does not answer."""
        try:
            ends = await self._consumer.end_offsets([self._partition])
        except KafkaError:
            return False
        return bool(ends[self._partition] < self._next_offset)

    async def _read(self, timeout_ms: int) -> None:
        batches = await self._consumer.getmany(self._partition, timeout_ms=timeout_ms)
        for records in batches.values():
            for record in records:
                self._next_offset = record.offset + 1
                self._take((record.key or b"").decode(errors="replace"), record.value)
        if batches:
            VERSION.set(self.history.latest.version)
            self._report()

    def _take(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._held_back.pop(key.removeprefix(HELD_BACK_KEY), None)
            return
        try:
            record = decode(value)
        except Undecodable:
            log.exception("a record of the policy cannot be read")
            return
        match record:
            case RecordingPolicy():
                self.history.add(record)
            case PolicyHeldBack():
                self._held_back[record.instance] = record
            case PolicyAccepted():
                self._acceptances += 1
                self._accepted[record.hash, record.base] = self._acceptances

    def _report(self) -> None:
        history = self.history
        REUSED.set(len(history.reused) + len(history.damaged))
        problem = ""
        if history.damaged and history.damaged[-1] > history.last_number:
            problem = f"version {history.damaged[-1]} is damaged and was left out: change the list"
        elif history.reused:
            problem = (
                f"version {history.reused[-1]} was published again with other content: the topic "
                "`policy` was lost, or is another cluster's. The newest content is in force; "
                "restart this process to read the topic anew"
            )
        if not problem:
            self._health.good("policy")
        elif problem != self._health.reasons.get("policy"):
            log.error("the topic policy contradicts itself", why=problem)
            self._health.bad("policy", problem)


@contextlib.asynccontextmanager
async def reading_policy(
    settings: Settings, health: Health | None = None
) -> AsyncIterator[PolicyReader]:
    """A reader whose history is complete as of now; the caller must run `follow`. `health` turns
    red (`policy`) if versions contradict each other."""
    reader = PolicyReader(settings, health)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()
