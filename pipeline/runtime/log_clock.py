"""The log's clock, for deadlines and times that processes compare with each other.

A machine's clock may be wrong by minutes, but the brokers stamp the records of a topic. Every
process measures the difference: every two seconds it sends a small record to the topic `clock` and
reads the append time in the acknowledgement. Between measurements the clock advances with the
monotonic clock, so that a change of the machine's clock has no effect.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from prometheus_client import REGISTRY

from pipeline.log_time import Measurement, OffsetEstimate
from pipeline.runtime.eager import first_of
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.metrics import CLOCK_SKEW
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.records import ClockProbe
from schemas.topics import CLOCK

log = structlog.get_logger(__name__)

FIRST_PROBES = 3
FIRST_PROBES_S = 0.05
PROBE_S = 2.0
ANSWER_S = 2.0
"""A probe without an acknowledgement within this time has failed; the next partition is tried."""
RETRY_S = 1.0
STOP_S = 1.0
SKEW_S = 2.0
"""A machine's clock that differs by more from the log's is reported."""
COMMAND_S = 5.0
"""How long an operator's command waits for a measurement."""
JUMP_MS = 1_000

REGISTRY.register(CLOCK_SKEW)


def machine_clock() -> int:
    """Return the time by the machine's clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


class LogClock:
    """The log's clock. It equals the machine's clock until it is measured, and always if topics
    keep the timestamps of producers. `on_jump`: functions that are called with the change (ms) when
    `now` jumps by a second or more."""

    def __init__(self) -> None:
        self.is_settled = asyncio.Event()
        """Set once it is known which clock applies."""
        self.on_jump: list[Callable[[int], None]] = []
        self._estimate = OffsetEstimate()
        self._offset: int | None = None

    def now(self) -> int:
        """Return the time, ms since the epoch."""
        if self._offset is None:
            return time.time_ns() // 1_000_000
        return time.monotonic_ns() // 1_000_000 + self._offset

    def seconds(self) -> float:
        """Return the time, seconds since the epoch."""
        return self.now() / 1000

    def settled_seconds(self) -> float | None:
        """Return the time, seconds since the epoch; None: it is not known which clock applies."""
        return self.now() / 1000 if self.is_settled.is_set() else None

    @property
    def is_known(self) -> bool:
        """Whether the log's clock was measured."""
        return self._offset is not None

    def correction(self) -> int | None:
        """Return the log's clock minus the machine's, ms; None: not measured."""
        return None if self._offset is None else self.now() - machine_clock()

    def measured(self, measurement: Measurement) -> None:
        """Add a measurement."""
        before = self.now()
        self._estimate.take(measurement)
        assert self._estimate.offset is not None
        self._offset = round(self._estimate.offset)
        self._settle(before)

    def follow_machine(self) -> None:
        """Follow the machine's clock until the next measurement."""
        before = self.now()
        self._estimate, self._offset = OffsetEstimate(), None
        self._settle(before)

    async def settled(self, stop: asyncio.Event | None = None) -> None:
        """Return once it is known which clock applies, or `stop` is set."""
        await first_of(self.is_settled, *filter(None, [stop]))

    def _settle(self, before: int) -> None:
        jump = self.now() - before
        self.is_settled.set()
        if abs(jump) >= JUMP_MS:
            for jumped in self.on_jump:
                jumped(jump)


@asynccontextmanager
async def log_clock(settings: Settings, health: Health) -> AsyncIterator[LogClock]:
    """Yield a clock that is measured until the block ends, whether Kafka is available or not. A
    process must not decide anything before its clock is `settled`."""
    clock = LogClock()
    probing = asyncio.create_task(Prober(settings, clock, health).run(), name="clock")
    try:
        yield clock
    finally:
        while not probing.done():  # aiokafka may swallow a cancellation
            probing.cancel()
            await asyncio.wait([probing], timeout=STOP_S)


async def log_time(settings: Settings) -> int:
    """Return the log's time (ms) for an operator's command; the machine's time if Kafka does not
    answer."""
    async with log_clock(settings, Health()) as clock:
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMAND_S):
                await clock.settled()
        return clock.now()


class Prober:
    """Measures the log's clock and reports the skew of the machine's. It never raises."""

    def __init__(self, settings: Settings, clock: LogClock, health: Health) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._topic = settings.prefixed(CLOCK.name)
        self._trouble = ""

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            try:
                await self._probe_until_it_fails()
            except (SettingsError, TopicAuthorizationFailedError) as error:
                # Recording continues, by the machine's clock, which is mostly right.
                self._note(f"Kafka's clock cannot be measured: {error}")
                if not self._clock.is_known:
                    self._clock.follow_machine()
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("Kafka's clock could not be measured; next try soon", error=repr(error))
            except Exception:
                log.exception("Kafka's clock could not be measured; next try soon")
            await asyncio.sleep(RETRY_S)

    async def _probe_until_it_fails(self) -> None:
        await ensure_topics(self._settings, [CLOCK], only_writes=True)
        sender = producer(
            self._settings,
            source="clock",
            enable_idempotence=False,
            acks=1,  # only the leader's clock is wanted, and a lost probe does no harm
            linger_ms=0,
            request_timeout_ms=round(ANSWER_S * 1000),
        )
        await sender.start()
        try:
            partitions = sorted(await sender.partitions_for(self._topic))
            await self._probe(sender, itertools.cycle(partitions))
        finally:
            with suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(STOP_S):
                    await sender.stop()

    async def _probe(self, sender: AIOKafkaProducer, partitions: Iterator[int]) -> None:
        """Send probes. Raise the client's error after every partition failed in a row."""
        failures, sent = 0, 0
        for partition in partitions:
            try:
                answer, measurement = await self._measure(sender, partition)
            except (KafkaError, TimeoutError):
                failures += 1
                if failures >= CLOCK.partitions:
                    raise
                continue
            failures, sent = 0, sent + 1
            self._take(answer, measurement)
            await asyncio.sleep(FIRST_PROBES_S if sent < FIRST_PROBES else PROBE_S)

    async def _measure(self, sender: AIOKafkaProducer, partition: int) -> tuple[Any, Measurement]:
        probe = encode(ClockProbe(self._settings.instance, machine_clock()))
        async with asyncio.timeout(ANSWER_S):
            sent_at = time.monotonic() * 1000
            answer = await (await sender.send(self._topic, probe, partition=partition))
            return answer, Measurement(sent_at, time.monotonic() * 1000, answer.timestamp)

    def _take(self, answer: Any, measurement: Measurement) -> None:
        if answer.timestamp_type == 0:
            if self._clock.is_known or not self._clock.is_settled.is_set():
                log.warning(
                    "records keep the timestamps of producers: this machine's clock applies",
                    topic=self._topic,
                    remedy="set message.timestamp.type=LogAppendTime on the topics",
                )
            self._clock.follow_machine()
            return
        self._clock.measured(measurement)
        self._report()

    def _report(self) -> None:
        correction = self._clock.correction()
        assert correction is not None
        CLOCK_SKEW.set(-correction / 1000)
        if abs(correction) > SKEW_S * 1000:
            name = self._settings.instance or "this process"
            self._note(skew_reason(name, correction))
        else:
            self._note("")

    def _note(self, trouble: str) -> None:
        if not trouble:
            self._health.clear_warning("clock")
        else:
            self._health.warn("clock", trouble)
            if not self._trouble:
                log.warning("clock", problem=trouble)
        self._trouble = trouble


def skew_reason(name: str, correction: int) -> str:
    """Return the text that reports a skew. `correction`: log's clock minus the machine's, ms."""
    side = "behind" if correction > 0 else "ahead of"
    return (
        f"the clock of the machine of {name} is {abs(correction) / 1000:.1f} s {side} Kafka's: "
        "deadlines and times use Kafka's; set the machine's clock (NTP)"
    )
