"""Follow the topic `schema.ids` in a role: read and write records with the ids on it.

Another process may publish a registration at any time. From its publication on, records with its
ids can be read; they are written with them a moment later, when every process reads them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.runtime.kafka import consumer
from pipeline.runtime.kafka_watch import until_usable
from pipeline.runtime.process import RoleMain
from pipeline.runtime.schema_ids import KnownIds, record_of, use, use_for_reading
from pipeline.runtime.schema_ids_file import load_ids, save_ids
from pipeline.runtime.schema_registration import register_schemas
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import Undecodable
from schemas.registry.assignment import lacking
from schemas.registry.http import RegistryError, without_credentials
from schemas.topics import SCHEMA_IDS_TOPIC

log = structlog.get_logger(__name__)

REASON = "schemas"
"""The name of the reason, and of the warning, in a role's health."""
SETTLE_S = 3.0
"""How long after its publication records are written with a registration's ids. Processes that
follow the topic can read them long before."""
RETRY_S = 5.0
"""How long to wait after a registration that failed."""
_WAIT_MS = 5_000
_READ_AGAIN_S = 1.0


class SchemaIdsFollower:
    """Keeps this process's ids as on the topic. `known` grows as records arrive. `in_use` is set
    while all of them are in use; `arrived` is set at each."""

    def __init__(self, settings: Settings, health: Health) -> None:
        url = settings.schema_registry_url
        self.address = None if url is None else without_credentials(url)
        self.known = KnownIds()
        self.in_use = asyncio.Event()
        self.arrived = asyncio.Event()
        self._settings = settings
        self._health = health
        self._partition = TopicPartition(settings.prefixed(SCHEMA_IDS_TOPIC.name), 0)
        self._newest_at = 0

    async def run(self) -> None:
        """Follow until cancelled. After an error, read the topic again."""
        while True:
            reader = consumer(self._settings, fetch_max_wait_ms=_WAIT_MS)
            try:
                await reader.start()
                await self._read(reader)
            except KafkaError as error:
                log.warning("cannot read the ids of schemas; trying again", error=repr(error))
            finally:
                await reader.stop()
            await asyncio.sleep(_READ_AGAIN_S)

    async def _read(self, reader: Any) -> None:
        end = (await reader.end_offsets([self._partition]))[self._partition]
        reader.assign([self._partition])
        reader.seek(self._partition, 0)
        while end and await reader.position(self._partition) < end:
            self._take_in(await reader.getmany(timeout_ms=100))
        while True:
            await self._switch()
            while not self._take_in(await reader.getmany(timeout_ms=_WAIT_MS)):
                pass

    def _take_in(self, batches: Mapping[Any, Sequence[Any]]) -> bool:
        """Take in records, and read with their ids. Return whether there were any."""
        for records in batches.values():
            self.in_use.clear()
            for record in records:
                self._newest_at = record.timestamp
                try:
                    self.known.take(record_of(record.value, record.headers))
                    use_for_reading(self.known)
                except (Undecodable, ValueError) as error:
                    log.exception("a record of schema.ids cannot be used")
                    self._health.warn(REASON, f"a record of schema.ids cannot be used: {error}")
            self.arrived.set()
        return bool(batches)

    async def _switch(self) -> None:
        """Write with the ids of the last record, once every process can read them."""
        age = time.time() - self._newest_at / 1000  # of the machine's clock, which may be wrong
        await asyncio.sleep(min(max(SETTLE_S - age, 0.0), SETTLE_S))
        with suppress(ValueError):  # `_take_in` has reported it
            use(self.known, self.address)
        self.in_use.set()


def with_schema_ids(main: RoleMain, patience_s: float | None = None) -> RoleMain:
    """Return the role with the ids on the topic in use before it starts, and while it runs.

    While Kafka does not answer, it waits. `patience_s`: it starts after so long with the ids that
    the state directory has, for a role that can work without Kafka.
    """

    async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
        async with following(settings, health, patience_s):
            await main(settings, health, stop)

    return run


@asynccontextmanager
async def following(
    settings: Settings, health: Health, patience_s: float | None = None
) -> AsyncIterator[None]:
    """Follow the topic while the block runs. It begins once the ids are in use, and once the
    configured registry has all schemas; at once without a Kafka in the settings, which the role
    itself refuses. Raise `SettingsError` as `until_usable`."""
    if settings.kafka_bootstrap_servers is None:
        yield
        return
    follower = SchemaIdsFollower(settings, health)
    work = asyncio.create_task(_follow(follower, settings, health, patience_s), name="schema ids")
    try:
        try:
            async with asyncio.timeout(patience_s):
                await _until(follower.in_use, work)
        except TimeoutError:
            known = load_ids(settings)
            use(known, follower.address)
            log.warning("starting without Kafka, with the last known ids of schemas",
                        registries=[record.registry for record in known.records])  # fmt: skip
        else:
            await _registered(follower, settings, health)
            save_ids(settings, follower.known)
        yield
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def _until(event: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Wait for the event. Raise the error with which the work ends."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if work.done():
        work.result()


async def _follow(
    follower: SchemaIdsFollower, settings: Settings, health: Health, patience_s: float | None
) -> None:
    # A role that can start without Kafka says itself that Kafka is away.
    shown = health if patience_s is None else Health()
    await until_usable(settings, shown, reads=[SCHEMA_IDS_TOPIC])
    await follower.run()


async def _registered(follower: SchemaIdsFollower, settings: Settings, health: Health) -> None:
    """Return once the configured registry has an id for every schema: register them if need be."""
    known, address = follower.known, follower.address
    if address is None:
        if known.latest is not None and (names := lacking(known.latest)):
            health.warn(REASON, _unknown(known.latest.registry, names))
        return
    while not known.is_complete(address):
        follower.arrived.clear()
        try:
            await register_schemas(
                settings, str(settings.schema_registry_url), only_if_missing=True
            )
        except (RegistryError, KafkaError, OSError, TimeoutError) as error:
            why = f"waiting to register the schemas: {error or type(error).__name__}"
            log.warning("cannot register the schemas; trying again", error=str(error))
            health.bad(REASON, why)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await follower.arrived.wait()
    await follower.in_use.wait()
    health.good(REASON)


def _unknown(address: str, names: Sequence[str]) -> str:
    return (
        f"the registry {address} has no id for {', '.join(names)}: records are written with fixed "
        "ids until `flexcapture schemas register` has run"
    )
