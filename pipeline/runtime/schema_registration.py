"""Register the schemas in the configured registry, and publish its ids on the topic `schema.ids`.

Several processes may need this at the same time: roles that start, a command. The topic's
partition, in a separate consumer group, is the lock: the process that has it registers the schemas.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import ConsumerRebalanceListener

from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.schema_ids import KnownIds, publish, read_known
from pipeline.runtime.settings import Settings
from schemas.records import RegisteredSchemas
from schemas.registry.assignment import fixed_ids
from schemas.registry.http import without_credentials
from schemas.registry.register import Registration, register
from schemas.topics import SCHEMA_IDS_TOPIC

GROUP = "schema-registration"
_LOCK_S = 120.0


async def register_schemas(
    settings: Settings,
    url: str,
    *,
    assigned_ids: bool = False,
    only_if_missing: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Registration | None:
    """Register the missing schemas in the registry at `url`, and publish its ids if they are new.

    Arguments as in `schemas.registry.register`. `only_if_missing`: if the ids of every schema are
    on the topic already, ask no registry and return None.

    Raise `RegistryError`, `TimeoutError` if another process registers for two minutes, aiokafka's
    errors, and `SettingsError`.
    """
    address = without_credentials(url)
    await ensure_topics(settings, [SCHEMA_IDS_TOPIC])
    async with _alone(settings):
        known = await read_known(settings)
        if only_if_missing and known.is_complete(address):
            return None
        earlier = known.of(address)
        others = [record for record in known.records if record.registry != address]
        made = await asyncio.to_thread(
            register, url, settings.topic_prefix, _now(), earlier, others,
            assigned_ids=assigned_ids, say=say,
        )  # fmt: skip
        if not _is_known(known, made.record):
            await publish(settings, made.record)
        return made


async def return_to_fixed_ids(settings: Settings) -> bool:
    """Publish that the fixed ids are in force, if those of a registry were. Return whether they
    were."""
    known = await read_known(settings)
    if known.latest is None or not known.latest.registry:
        return False
    await publish(settings, fixed_ids(_now()))
    return True


def _is_known(known: KnownIds, record: RegisteredSchemas) -> bool:
    """Return whether the record is the last on the topic already, apart from its time."""
    return known.latest is not None and replace(known.latest, at=record.at) == record


class _Turn(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """The partition as a lock: the process that has it keeps it until it is done, and meanwhile the
    others wait to join the group."""

    def __init__(self) -> None:
        self.begins = asyncio.Event()
        self.ends = asyncio.Event()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Begin, if this process has the partition."""
        if assigned:
            self.begins.set()

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Wait for the end before the partition is given to another process."""
        if revoked:
            await self.ends.wait()


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[None]:
    """Wait until no other process is within this block. Raise `TimeoutError`."""
    turn = _Turn()
    member: Any = consumer(
        settings,
        group_id=settings.prefixed(GROUP),
        group_instance_id=None,  # a static member would keep the partition after its end
        rebalance_timeout_ms=int(1000 * _LOCK_S),
        request_timeout_ms=int(1000 * _LOCK_S) + 10_000,  # longer than a join may take
    )
    member.subscribe([settings.prefixed(SCHEMA_IDS_TOPIC.name)], listener=turn)
    try:
        async with asyncio.timeout(_LOCK_S):
            await member.start()
            await turn.begins.wait()
        yield
    finally:
        turn.ends.set()
        await member.stop()


def _now() -> int:
    return time.time_ns() // 1_000_000
