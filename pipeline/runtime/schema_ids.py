"""The topic `schema.ids`: the ids under which a schema registry has the schemas. Commands read it
once, with `use_logged_ids`; roles follow it, with `schema_ids_follower`.

Each record is about one registry, and the topic keeps the last record of each. Records of the
pipeline are written with the ids of the last record; records with any of the ids on the topic can
be read.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

from aiokafka.errors import KafkaError

from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas import codec
from schemas.codec import SCHEMA_IDS, Undecodable, decode, encode, versions
from schemas.records import RegisteredSchemas
from schemas.registry.assignment import key_of, lacking, read_from, written_with
from schemas.topics import SCHEMA_IDS_TOPIC

SCHEMA_HEADER = "flexcapture.schema_id"
"""Header of the records on this topic: the fixed id of the schema that they are written with, in
decimal digits. A reader needs it to know the registry's id for that schema."""
_COMMAND_S = 15.0


class UnusableIds(RuntimeError):
    """A record of the topic cannot be used. The text gives the reason."""


class KnownIds:
    """The last record of each registry, of those read from the topic so far."""

    def __init__(self) -> None:
        self._by_key: dict[str, RegisteredSchemas] = {}

    def with_next(self, record: RegisteredSchemas) -> "KnownIds":
        """Return these records and the next one of the topic; `self` stays as it is."""
        after = KnownIds()
        after._by_key = dict(self._by_key)
        after.take(record)
        return after

    def take(self, record: RegisteredSchemas) -> None:
        """Handle the next record of the topic."""
        self._by_key.pop(key_of(record), None)
        self._by_key[key_of(record)] = record

    @property
    def records(self) -> tuple[RegisteredSchemas, ...]:
        """The last records of all registries, in their order on the topic."""
        return tuple(self._by_key.values())

    @property
    def latest(self) -> RegisteredSchemas | None:
        """The last record of all registries; None: there is none, and the fixed ids are used."""
        return self.records[-1] if self._by_key else None

    def of(self, address: str | None) -> RegisteredSchemas | None:
        """Return the last record of the registry with this address; None: of any registry."""
        return self.latest if address is None else self._by_key.get(address)

    def is_complete(self, address: str, needed: Collection[str] | None = None) -> bool:
        """Return whether the registry has an id for every record type that is `needed`; None: for
        every one of this release."""
        record = self._by_key.get(address)
        return record is not None and not lacking(record, needed)


def record_of(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> RegisteredSchemas:
    """Return the record in a value of the topic. Raise `Undecodable`."""
    fixed = dict(headers).get(SCHEMA_HEADER, b"")
    number = int(fixed) if fixed.isdigit() else 0
    if number in versions(RegisteredSchemas.__name__) and value is not None:
        value = b"\0" + number.to_bytes(4) + value[5:]
    record = decode(value)
    if not isinstance(record, RegisteredSchemas):
        raise Undecodable(f"a {type(record).__name__} on {SCHEMA_IDS_TOPIC.name}")
    return record


def value_of(record: RegisteredSchemas) -> bytes:
    """Return the record in wire format, with the id that it states for its own schema."""
    fixed = SCHEMA_IDS[RegisteredSchemas.__name__]
    return b"\0" + written_with(record).get(fixed, fixed).to_bytes(4) + encode(record)[5:]


def headers_of() -> list[tuple[str, bytes]]:
    """Return the headers of a record that is written now."""
    return [(SCHEMA_HEADER, str(SCHEMA_IDS[RegisteredSchemas.__name__]).encode())]


def use(known: KnownIds, address: str | None = None) -> None:
    """Read records with all known ids in this process, and write them with those of one registry:
    that with the address, or the last. Raise `ValueError` if an id means two schemas."""
    use_for_reading(known)
    codec.write_ids(written_with(known.of(address)))


def use_for_reading(known: KnownIds) -> None:
    """Read records with all known ids in this process. Raise `ValueError` as `use`."""
    codec.read_ids(read_from(known.records))


async def read_known(settings: Settings) -> KnownIds:
    """Return the ids that are on the topic now; none if there is no such topic. Raise aiokafka's
    errors, and `Undecodable`."""
    known = KnownIds()
    log = Log(settings, lambda *_: None)
    try:
        await log.start()
        if await log.has(SCHEMA_IDS_TOPIC):
            async for record in log.read(await log.span(SCHEMA_IDS_TOPIC, 0)):
                known.take(record_of(record.value, record.headers))
    finally:
        await log.stop()
    return known


async def publish(settings: Settings, record: RegisteredSchemas) -> None:
    """Write the record to the topic, which is created if it is missing. Raise aiokafka's errors,
    and `SettingsError`."""
    await ensure_topics(settings, [SCHEMA_IDS_TOPIC], only_writes=True)
    sender: Any = producer(settings, source="schema-ids")
    await sender.start()
    try:
        await sender.send_and_wait(
            settings.prefixed(SCHEMA_IDS_TOPIC.name),
            key=key_of(record).encode(),
            value=value_of(record),
            headers=headers_of(),
        )
    finally:
        await sender.stop()


async def copy_ids(source: Settings, target: Settings) -> None:
    """Publish the ids in force on the source's topics for the target's topics, unless these are in
    force there already. The two settings differ in their topic prefix. Raise as `read_known` and
    `publish`."""
    known, there = await read_known(source), await read_known(target)
    if known.records != there.records:
        for record in known.records:
            await publish(target, record)


def use_logged_ids(settings: Settings) -> None:
    """Let this process, which runs a command, read and write records with the ids on the topic.
    This blocks.

    If Kafka is not configured or does not answer, nothing changes: the command reports that itself.
    Raise `UnusableIds`.
    """
    if settings.kafka_bootstrap_servers is None:
        return

    async def read() -> KnownIds:
        async with asyncio.timeout(_COMMAND_S):
            return await read_known(settings)

    try:
        use(asyncio.run(read()))
    except ValueError as error:
        raise UnusableIds(f"the topic {SCHEMA_IDS_TOPIC.name} cannot be used: {error}") from error
    except (KafkaError, OSError, TimeoutError):
        return
