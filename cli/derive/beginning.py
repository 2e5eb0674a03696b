"""Begin a derivation, or continue one. I/O."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from agents.policy_topic import PolicyReader
from cli.derive.network import Network
from cli.derive.policy import ChangedHistory, ChangedRules
from cli.derive.roles import DerivedRole, live_records
from cli.derive.sources import Sources
from cli.derive.topics import PROGRESS
from cli.derive.writer import read_progress, read_states
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.kafka import admin_client, ensure_topics
from pipeline.runtime.settings import Settings
from schemas.records import DerivationProgress
from schemas.topics import POLICY, PROVISIONED, WORKERS


class DeriveRefused(RuntimeError):
    """The derivation cannot be made as requested. The text gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class DeriveRequest:
    """The requested derivation. `since`, `until`: log times (ms) or None; see `flexcapture
    derive`."""

    roles: tuple[DerivedRole, ...]
    since: int | None = None
    until: int | None = None
    follow: bool = False
    rules: ChangedRules = field(default_factory=ChangedRules)


async def claim(target: Settings) -> None:
    """Mark the prefix as one of a derivation. Raise `DeriveRefused` if a pipeline uses it."""
    admin = admin_client(target)
    try:
        await admin.start()
        present = set(await admin.list_topics())
    finally:
        await admin.close()
    names = (target.prefixed(topic.name) for topic in PROVISIONED)
    found = next((name for name in names if name in present), None)
    if found is not None and target.prefixed(PROGRESS.name) not in present:
        raise DeriveRefused(f"topic {found} is not of a derivation: choose another prefix")
    await ensure_topics(target, [PROGRESS])


@asynccontextmanager
async def sources_of(live: Settings, asked: DeriveRequest) -> AsyncIterator[Sources]:
    """Yield the live topics that the roles read, connected."""
    sources = Sources(live, live_records(asked.roles))
    try:
        await sources.start()
        yield sources
    finally:
        await sources.stop()


@asynccontextmanager
async def history_of(
    live: Settings, rules: ChangedRules, sources: Sources
) -> AsyncIterator["LiveHistory"]:
    """Yield the versions of the live list, with the changed rules, and the names of the workers."""
    if not await sources.has(POLICY):
        yield LiveHistory(ChangedHistory(rules), None)
        return
    reader = PolicyReader(live, with_workers=await sources.has(WORKERS))
    reader.history = ChangedHistory(rules)
    try:
        await reader.start()
        yield LiveHistory(reader.history, reader)
    finally:
        await reader.stop()


@dataclass(frozen=True, slots=True)
class LiveHistory:
    """The versions of the monitored list, which grow when `catch_up` reads new ones."""

    versions: PolicyHistory
    reader: PolicyReader | None

    async def catch_up(self) -> None:
        """Read the versions that were published since."""
        if self.reader is not None:
            await self.reader.catch_up()


@dataclass(slots=True)
class DerivationRun:
    """A derivation under way."""

    network: Network
    progress: DerivationProgress
    total: int


async def begun(
    live: Settings, target: Settings, asked: DeriveRequest, sources: Sources, past: LiveHistory
) -> DerivationRun:
    """Begin the derivation, or load its written part."""
    network = Network(asked.roles, past.versions, live.voice_channels)
    known = await read_progress(target)
    if known is None:
        progress = await _beginning(asked, sources)
    else:
        if (why := _differs(known, asked)) is not None:
            raise DeriveRefused(
                f"{target.topic_prefix} was derived with {why}: repeat that, choose another "
                "prefix, or drop it with `flexcapture derive drop`"
            )
        progress = await _continued(known, asked, sources)
        network.restore(known.clock, await read_states(target))
        network.failures.count = known.refused
    total = progress.taken + sum(
        max(0, end - progress.positions[name]) for name, end in progress.ends.items()
    )
    sources.begin(progress.positions)
    sources.extend(progress.ends)
    return DerivationRun(network, progress, total)


async def _beginning(asked: DeriveRequest, sources: Sources) -> DerivationProgress:
    ends_at = await _ends_at(asked, sources)  # before the ends: no later record is older
    positions = await sources.beginnings(asked.since)
    return DerivationProgress(
        roles=tuple(role.name.value for role in asked.roles),
        since=asked.since,
        until=asked.until,
        rules=str(asked.rules),
        complete_from=asked.since or await sources.complete_from(),
        positions=positions,
        ends=not_before(positions, await sources.ends(asked.until)),
        clock=0,
        ends_at=ends_at,
        finished=False,
        taken=0,
        written=0,
        refused=0,
    )


async def _continued(
    known: DerivationProgress, asked: DeriveRequest, sources: Sources
) -> DerivationProgress:
    """Return the progress to continue with. An unfinished run keeps its ends; after a finished run,
    the newer records are derived."""
    positions = await sources.beginnings(asked.since) | dict(known.positions)
    if not known.finished:
        return replace(
            known, positions=positions, ends=dict.fromkeys(positions, 0) | dict(known.ends)
        )
    ends_at = max(known.ends_at, await _ends_at(asked, sources))
    ends = not_before(positions, await sources.ends(asked.until))
    return replace(known, positions=positions, ends=ends, ends_at=ends_at, finished=False)


async def _ends_at(asked: DeriveRequest, sources: Sources) -> int:
    """Return the log time up to which deadlines are handled: that of the last tick, because the
    live roles have not seen a later time."""
    last = await sources.last_tick()
    return last if asked.until is None else min(last, asked.until)


def not_before(positions: Mapping[str, int], ends: Mapping[str, int]) -> dict[str, int]:
    """Return the ends, each not before its position."""
    return {name: max(positions[name], end) for name, end in ends.items()}


def _differs(known: DerivationProgress, asked: DeriveRequest) -> str | None:
    """Return the arguments of the earlier derivation if they differ from those requested now, or
    None."""
    was = {
        "--roles": ",".join(known.roles),
        "--from": known.since,
        "--until": known.until,
        "rules": known.rules,
    }
    now = {
        "--roles": ",".join(role.name.value for role in asked.roles),
        "--from": asked.since,
        "--until": asked.until,
        "rules": str(asked.rules),
    }
    changed = [f"{name} {was[name] or 'not given'}" for name in was if was[name] != now[name]]
    return ", ".join(changed) or None
