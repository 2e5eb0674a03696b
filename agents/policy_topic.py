"""The monitored list on its way from a file to every process: published, versioned, on the topic
`policy`, and read from there by whoever decides.

A version takes effect a moment after it was published, so that by then everybody has it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from agents.twilio_effort import wall_clock
from pipeline.calls.policy import PolicyHistory, parse_list
from pipeline.kafka import consumer, producer
from pipeline.settings import Settings
from pipeline.telemetry import Health
from schemas.codec import Undecodable, decode, encode
from schemas.records import RecordingPolicy
from schemas.topics import POLICY

log = structlog.get_logger(__name__)

POLL_S = 0.25
EFFECTIVE_AFTER_MS = 1_500
TRANSACTIONAL_ID = "policy-publisher"

VERSION = Gauge("flexcapture_policy_version", "The latest version of who is recorded, known here")


class PolicyReader:
    """Reads the topic `policy`; `history` grows as versions come."""

    def __init__(self, settings: Settings) -> None:
        self.history = PolicyHistory()
        self._consumer: AIOKafkaConsumer = consumer(settings, fetch_max_wait_ms=200)
        self._partition = TopicPartition(settings.prefixed(POLICY.name), 0)
        self._grown = asyncio.Condition()

    async def start(self) -> None:
        """Returns once every version that is on the topic now is in `history`."""
        await self._consumer.start()
        self._consumer.assign([self._partition])
        await self._consumer.seek_to_beginning(self._partition)
        await self.catch_up()

    async def stop(self) -> None:
        """Ends the reading."""
        await self._consumer.stop()

    async def catch_up(self) -> None:
        """Reads to the topic's present end. Not while `follow` runs."""
        ends = await self._consumer.end_offsets([self._partition])
        while await self._consumer.position(self._partition) < ends[self._partition]:
            await self._read(timeout_ms=100)

    async def follow(self) -> None:
        """Reads on until cancelled. Raises where Kafka cannot be read any more."""
        while True:
            await self._read(timeout_ms=1_000)

    async def grown_to(self, version: int) -> None:
        """Returns once that version is in `history`; `follow` must be running."""
        async with self._grown:
            await self._grown.wait_for(lambda: self.history.latest.version >= version)

    async def _read(self, timeout_ms: int) -> None:
        batches = await self._consumer.getmany(self._partition, timeout_ms=timeout_ms)
        for records in batches.values():
            for record in records:
                self._take(record.value)
        if batches:
            VERSION.set(self.history.latest.version)
            async with self._grown:
                self._grown.notify_all()

    def _take(self, value: bytes | None) -> None:
        try:
            policy = decode(value)
        except Undecodable:
            log.exception("a version of the policy cannot be read")
            return
        if isinstance(policy, RecordingPolicy):
            self.history.add(policy)


@contextlib.asynccontextmanager
async def reading_policy(settings: Settings) -> AsyncIterator[PolicyReader]:
    """A reader whose history is complete as of now; its user runs `follow`."""
    reader = PolicyReader(settings)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings and the file say should be in force."""

    entries: tuple[str, ...]
    record_inbound: bool
    record_outbound: bool

    def is_in(self, policy: RecordingPolicy) -> bool:
        """Whether that version says the same."""
        return (self.entries, self.record_inbound, self.record_outbound) == (
            policy.entries,
            policy.record_inbound,
            policy.record_outbound,
        )


def following_version(wanted: Wanted, history: PolicyHistory, now: int) -> RecordingPolicy | None:
    """The version to publish at `now` (ms) so that `wanted` holds; None where it does already."""
    latest = history.latest
    if wanted.is_in(latest):
        return None
    return RecordingPolicy(
        version=latest.version + 1,
        published_at=now,
        effective_at=max(now + EFFECTIVE_AFTER_MS, latest.effective_at + 1),
        entries=wanted.entries,
        record_inbound=wanted.record_inbound,
        record_outbound=wanted.record_outbound,
    )


class PolicyPublisher:
    """Watches the file and publishes what it says.

    Several processes may watch: only a change of its own file makes one publish, and never what is
    in force already, so that they do not fight, whatever their files say.
    """

    def __init__(self, settings: Settings, history: PolicyHistory, health: Health) -> None:
        self._settings = settings
        self._history = history
        self._health = health
        self._last: Wanted | None = None

    async def watch(self) -> None:
        """Looks at the file every `POLL_S`, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Publishes the list if it changed since the last look. A list that cannot be read or has
        wrong lines is an alarm, and what was in force stays so."""
        wanted = await self._wanted()
        if wanted is None or wanted == self._last:
            return
        try:
            await self._publish(wanted)
        except KafkaError as error:  # fenced by another publisher, or the broker is away: again
            log.warning("policy not published; tried again soon", error=repr(error))
        else:
            self._last = wanted

    async def _wanted(self) -> Wanted | None:
        path = self._settings.monitored_agents
        entries: tuple[str, ...] | None = ()
        if path is not None:
            entries = await self._entries(path)
        elif self._last is None:
            log.warning("FLEXCAPTURE_MONITORED_AGENTS is not set: nobody is monitored")
        if entries is None:
            return None
        return Wanted(entries, self._settings.record_inbound, self._settings.record_outbound)

    async def _entries(self, path: Path) -> tuple[str, ...] | None:
        try:
            text = await asyncio.to_thread(path.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._alarm(f"{path} cannot be read: {error}")
            return None
        parsed = parse_list(text)
        if parsed.bad:
            self._alarm(f"{path}: " + "; ".join(str(line) for line in parsed.bad[:5]))
            return None
        self._health.good("monitored-list")
        return parsed.entries

    def _alarm(self, reason: str) -> None:
        if reason != self._health.reasons.get("monitored-list"):
            log.error("the list of monitored agents is not taken; the last one holds", why=reason)
        self._health.bad("monitored-list", reason)

    async def _publish(self, wanted: Wanted) -> None:
        if following_version(wanted, self._history, wall_clock()) is None:
            return
        # 1. Starting the producer fences whoever else publishes; 2. then the topic's end is known;
        # 3. then the next number is ours.
        transactional_id = self._settings.prefixed(TRANSACTIONAL_ID)
        sender = producer(
            self._settings, transactional_id=transactional_id, transaction_timeout_ms=5_000
        )
        await sender.start()
        try:
            async with reading_policy(self._settings) as reader:
                policy = following_version(wanted, reader.history, wall_clock())
            if policy is None:
                return
            async with sender.transaction():
                topic = self._settings.prefixed(POLICY.name)
                key = str(policy.version).encode()
                await sender.send_and_wait(topic, encode(policy), key, partition=0)
        finally:
            await sender.stop()
        log.info("policy published", version=policy.version, entries=len(policy.entries))
