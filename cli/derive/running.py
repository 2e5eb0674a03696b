"""`flexcapture derive`: read the live topics, run the roles, write their records. I/O.

The written portions end at ticks, so a stopped derivation continues as if it had not been stopped:
states, positions and derived records are of the same tick.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cli.derive.beginning import (
    DerivationRun,
    DeriveRefused,
    DeriveRequest,
    LiveHistory,
    begun,
    claim,
    history_of,
    not_before,
    sources_of,
)
from cli.derive.roles import targets
from cli.derive.sources import Sources
from cli.derive.topics import PROGRESS, all_topics
from cli.derive.writer import DerivationWriter
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.schema_ids import copy_ids
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable, decode
from schemas.records import DerivationProgress

PORTION = 2_000
"""The number of live records in a transaction, at least."""
_PENDING = 10_000
"""The number of records and states in a transaction after which it ends at the next tick."""
_MARGIN_MS = 3_000
"""When following, records newer than this (ms) wait, because an earlier record of another partition
may still arrive."""
_IDLE_S = 1.0

Progress = Callable[[DerivationProgress, int], None]
"""Called at intervals with the progress, and the number of records up to the end."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `failures`: the first texts about records that a role did not accept."""

    progress: DerivationProgress
    failures: tuple[str, ...]


async def derive(
    live: Settings, target: Settings, asked: DeriveRequest, shown: Progress, stop: asyncio.Event
) -> Report:
    """Derive, or continue a derivation, until its end or `stop`.

    `live`: settings with the prefix of the live topics; `target`: with the derivation's prefix.
    Raise `DeriveRefused`, `NoSource`, `SettingsError`, and the errors of aiokafka.
    """
    await claim(target)
    await ensure_topics(target, all_topics(targets(asked.roles)))
    await copy_ids(live, target)
    async with sources_of(live, asked) as sources, history_of(live, asked.rules, sources) as past:
        writer = DerivationWriter(target)
        try:
            # The order matters. 1: fence other processes. 2: read the progress, which is final.
            await writer.start()
            run = await begun(live, target, asked, sources, past)
            marker = target.prefixed(PROGRESS.name)
            return await _Running(asked, sources, past, writer, run, marker, shown, stop).run()
        finally:
            await writer.close()


@dataclass(slots=True)
class _Running:
    asked: DeriveRequest
    sources: Sources
    past: LiveHistory
    writer: DerivationWriter
    at: DerivationRun
    marker: str
    shown: Progress
    stop: asyncio.Event
    positions: dict[str, int] = field(default_factory=dict)
    taken: int = 0

    async def run(self) -> Report:
        """Derive to the end; then follow, if requested."""
        self.positions = dict(self.at.progress.positions)
        if await self._read(None):
            self.at.network.advance(self.at.progress.ends_at)
            await self._write(finished=True)
            while self.asked.follow and not self.stop.is_set():
                await self._follow()
        failures = self.at.network.failures
        return Report(self.at.progress, tuple(failures.examples))

    async def _read(self, until: int | None) -> bool:
        """Handle the records up to the end offsets. Return False if the process is to stop."""
        network = self.at.network
        async for name, record in self.sources.read(until):
            before = network.clock
            network.advance(record.timestamp)
            if network.clock != before and self._is_portion():
                # The record is not handled yet: the state is that of the tick.
                await self._write(finished=False)
                if self.stop.is_set():
                    return False
            self._take(name, record)
        return True

    def _take(self, name: str, record: Any) -> None:
        self.positions[name] = record.offset + 1
        self.taken += 1
        if not self.sources.is_wanted(record):
            return
        topic = name.rpartition("-")[0]
        try:
            key, decoded = record.key.decode(), decode(record.value)
        except (Undecodable, UnicodeDecodeError) as error:
            self.at.network.failures.note(f"{name}, offset {record.offset}: {error}")
            return
        self.at.network.take(topic, key, decoded, record.timestamp)

    def _is_portion(self) -> bool:
        return self.taken >= PORTION or self.at.network.pending >= _PENDING or self.stop.is_set()

    async def _follow(self) -> None:
        """Handle the records that arrived since, except the newest."""
        now = time.time_ns() // 1_000_000 - _MARGIN_MS
        ends = not_before(self.positions, await self.sources.ends())
        self.at.progress = replace(self.at.progress, ends=ends)
        self.at.total = self.at.progress.taken + sum(
            end - self.positions[name] for name, end in ends.items()
        )
        await self.past.catch_up()
        self.sources.extend(ends)
        if not await self._read(now):
            return
        self.at.network.advance(now)
        if self.at.network.pending or self.taken:
            await self._write(finished=True)
        else:
            await self._refuse_dropped()
        await asyncio.sleep(_IDLE_S)

    async def _refuse_dropped(self) -> None:
        """Raise `DeriveRefused` if the derivation was dropped. Its topics must not be written:
        Kafka would create them again, or never take the records."""
        if not await self.sources.exists(self.marker):
            raise DeriveRefused("the derivation was dropped; this process has ended")

    async def _write(self, *, finished: bool) -> None:
        await self._refuse_dropped()
        changes = self.at.network.changes()
        before = self.at.progress
        progress = replace(
            before,
            positions=dict(self.positions),
            clock=self.at.network.clock or 0,
            finished=finished,
            taken=before.taken + self.taken,
            written=before.written + len(changes.records),
            refused=self.at.network.failures.count,
        )
        await self.writer.write(changes, progress)
        self.at.progress, self.taken = progress, 0
        self.shown(progress, self.at.total)
