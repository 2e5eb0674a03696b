"""Follow the topic `schema.ids` in a role: read and write records with the ids on it.

Another process may publish a registration at any time. From its publication on, records with its
ids can be read. Records are written with these ids a moment later, when every process can read
them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from pipeline.error_text import error_text
from pipeline.runtime.kafka import consumer
from pipeline.runtime.kafka_watch import until_usable
from pipeline.runtime.metrics import SCHEMA_IDS_REFUSED
from pipeline.runtime.process import RoleMain
from pipeline.runtime.schema_ids import KnownIds, record_of, use, use_for_reading
from pipeline.runtime.schema_ids_file import load_ids, save_ids
from pipeline.runtime.schema_registration import register_schemas
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from pipeline.runtime.telemetry import Health
from schemas.codec import Undecodable
from schemas.registry.assignment import lacking
from schemas.registry.http import RegistryError, without_credentials
from schemas.topics import SCHEMA_IDS_TOPIC

log = structlog.get_logger(__name__)

REGISTRY.register(SCHEMA_IDS_REFUSED)

REASON = "schemas"
"""The name of the reason, and of the warning, in a role's health."""
SETTLE_S = 3.0
"""How long (s) after the publication of a registration records are written with its ids. Processes
that follow the topic can read them long before that."""
RETRY_S = 5.0
"""How long to wait after a registration that failed."""
FOLLOWING = "schema-ids"
"""The name of the reason in a role's health if the topic cannot be followed."""
REFUSED = "schema-ids-refused"
"""The name of the warning in a role's health about a record of the topic that is left out."""
_WAIT_MS = 5_000
_READ_AGAIN_S = 1.0


class SchemaIdsFollower:
    """Keeps this process's ids as on the topic. `known` grows as records arrive. `in_use` is set
    while all of them are in use; `arrived` is set, and replaced, when records arrive."""

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
        """Follow until cancelled. After any error, read the topic again: a process that stopped
        following it could not read records with new ids."""
        said = Lasting("cannot read the ids of schemas; trying again", "the ids can be read")
        while True:
            try:
                await self._follow(said)
            except KafkaError as error:  # the role's health has the reason: Kafka, or a permission
                said.lasts(time.monotonic(), repr(error))
            except Exception as error:  # noqa: BLE001 - it must not end unnoticed
                said.lasts(time.monotonic(), repr(error))
                self._health.bad(FOLLOWING, f"the ids of schemas cannot be read: {error!r}")
            await asyncio.sleep(_READ_AGAIN_S)

    async def _follow(self, said: Lasting) -> None:
        reader = consumer(self._settings, fetch_max_wait_ms=_WAIT_MS)
        try:
            await reader.start()
            await self._read(reader, said)
        finally:
            await reader.stop()

    async def _read(self, reader: Any, said: Lasting) -> None:
        end = (await reader.end_offsets([self._partition]))[self._partition]
        reader.assign([self._partition])
        reader.seek(self._partition, 0)
        while end and await reader.position(self._partition) < end:
            self._take_in(await reader.getmany(timeout_ms=100))
        said.ends()
        self._health.good(FOLLOWING)
        while True:
            await self._switch()
            while not self._take_in(await reader.getmany(timeout_ms=_WAIT_MS)):
                pass

    def _take_in(self, batches: Mapping[Any, Sequence[Any]]) -> bool:
        """Handle records, and read with their ids. Return whether there were any."""
        for records in batches.values():
            self.in_use.clear()
            for record in records:
                try:
                    known = self.known.with_next(record_of(record.value, record.headers))
                    use_for_reading(known)
                except (Undecodable, ValueError) as error:
                    self._refuse(record, error)
                else:
                    self.known, self._newest_at = known, record.timestamp
            self.arrived.set()
            self.arrived = asyncio.Event()
        return bool(batches)

    def _refuse(self, record: Any, error: Exception) -> None:
        """Leave a record out: the earlier ids stay in force."""
        SCHEMA_IDS_REFUSED.inc()
        log.error("a record of schema.ids is refused", offset=record.offset, error=str(error))
        self._health.warn(REFUSED, f"the record {record.offset} of schema.ids is refused: {error}")

    async def _switch(self) -> None:
        """Write with the ids of the last record, once every process can read them."""
        age = time.time() - self._newest_at / 1000  # of the machine's clock, which may be wrong
        await asyncio.sleep(min(max(SETTLE_S - age, 0.0), SETTLE_S))
        use(self.known, self.address)
        self.in_use.set()


def with_schema_ids(
    main: RoleMain, patience_s: float | None = None, needs: Collection[str] | None = None
) -> RoleMain:
    """Return a role that uses the ids on the topic, from before its start until its end.
    `patience_s`, `needs`: see `following`."""

    async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
        async with following(settings, health, patience_s, needs):
            await main(settings, health, stop)

    return run


@asynccontextmanager
async def following(
    settings: Settings,
    health: Health,
    patience_s: float | None = None,
    needs: Collection[str] | None = None,
) -> AsyncIterator[None]:
    """Follow the topic while the block runs. It begins once the ids are in use, and once the
    configured registry has the schemas; at once without a Kafka in the settings, which the role
    itself refuses. Raise `SettingsError` as `until_usable`.

    - `patience_s`: if Kafka does not answer for this long, the block begins with the ids in the
      state directory, for a role that can work without Kafka. None: it waits.
    - `needs`: the record types that the role writes. If the registry is known to have these, the
      block begins although other types are not registered. None: all types of this release.
    """
    if settings.kafka_bootstrap_servers is None:
        yield
        return
    follower = SchemaIdsFollower(settings, health)
    async with _beside(_follow(follower, settings, health, patience_s), health) as work:
        try:
            async with asyncio.timeout(patience_s):
                await _until(follower.in_use.wait(), work)
        except TimeoutError:
            known = load_ids(settings)
            use(known, follower.address)
            log.warning("starting without Kafka, with the last known ids of schemas",
                        registries=[record.registry for record in known.records])  # fmt: skip
            yield
            return
        async with _beside(_registered(follower, settings, health, needs), health) as registering:
            await _until(_has(follower, needs), registering)
            save_ids(settings, follower.known)
            yield


@asynccontextmanager
async def _beside(
    main: Coroutine[Any, Any, None], health: Health
) -> AsyncIterator[asyncio.Task[None]]:
    """Run `main` while the block runs. If it fails, `health` says so."""

    def report(work: asyncio.Task[None]) -> None:
        if not work.cancelled() and (error := work.exception()) is not None:
            log.error("the ids of schemas are not kept up to date", error=repr(error))
            why = error_text(error)
            health.bad(FOLLOWING, f"the ids of schemas are not kept up to date: {why}")

    work = asyncio.create_task(main, name="schema ids")
    work.add_done_callback(report)
    try:
        yield work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _until(event: Coroutine[Any, Any, object], work: asyncio.Task[None]) -> None:
    """Wait for the event. Raise the error with which the work ends."""
    waiting = asyncio.create_task(event)
    try:
        await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if work.done():
        work.result()


async def _has(follower: SchemaIdsFollower, needs: Collection[str] | None) -> None:
    """Wait until the registry is known to have the schemas that are needed; without a registry in
    the settings, return."""
    while follower.address is not None and not follower.known.is_complete(follower.address, needs):
        await follower.arrived.wait()
    await follower.in_use.wait()


async def _follow(
    follower: SchemaIdsFollower, settings: Settings, health: Health, patience_s: float | None
) -> None:
    # A role that can start without Kafka reports an unavailable Kafka itself.
    shown = health if patience_s is None else Health()
    await until_usable(settings, shown, reads=[SCHEMA_IDS_TOPIC])
    await follower.run()


async def _registered(
    follower: SchemaIdsFollower,
    settings: Settings,
    health: Health,
    needs: Collection[str] | None = None,
) -> None:
    """Return once the configured registry has an id for every schema, and register the schemas if
    needed. Meanwhile `health` has the reason, or only a warning if the registry has the schemas
    that are needed."""
    address = follower.address
    if address is None:
        latest = follower.known.latest
        if latest is not None and (names := lacking(latest)):
            health.warn(REASON, _unknown(latest.registry, names))
        return
    said = Lasting("waiting to register the schemas", "the schemas are registered")
    while not follower.known.is_complete(address):
        arrived = follower.arrived
        try:
            await register_schemas(
                settings, str(settings.schema_registry_url), only_if_missing=True
            )
        except (RegistryError, KafkaError, OSError, TimeoutError) as error:
            why = f"waiting to register the schemas: {error_text(error)}"
            said.lasts(time.monotonic(), why)
            _show(health, why, is_enough=follower.known.is_complete(address, needs))
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await arrived.wait()
        if follower.known.is_complete(address, needs):
            health.good(REASON)
    await follower.in_use.wait()
    said.ends()
    health.good(REASON)
    health.clear_warning(REASON)


def _show(health: Health, why: str, *, is_enough: bool) -> None:
    if is_enough:
        health.good(REASON)
        health.warn(REASON, why)
    else:
        health.bad(REASON, why)


def _unknown(address: str, names: Sequence[str]) -> str:
    return (
        f"the registry {address} has no id for {', '.join(names)}: records are written with fixed "
        "ids until `flexcapture schemas register` has run"
    )
