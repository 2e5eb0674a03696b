"""A run: fill the topics while landers are killed. Then compare the lake with the topics."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from pipeline.lake.layout import LANDED
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import Role, Settings
from tests.system.chaos_lander.asking import in_lake, landed, on_topics
from tests.system.chaos_lander.filling import fill
from tests.system.chaos_lander.judging import differing, not_once
from tests.system.chaos_lander.options import Options
from tests.system.fleet import Fleet

QUIET_S = 120.0
"""If nothing landed for this long, missing records will never land."""
GONE_S = (0.0, 2.0)
_LOOK_S = 2.0
_SAY_S = 10.0

Say = Callable[[str], None]


async def play(options: Options, settings: Settings, directory: Path, say: Say) -> list[str]:
    """Play the run on the broker of `settings`, with empty topics. Return the mistakes.
    Call this in the main thread."""
    await ensure_topics(settings, LANDED)
    lake = directory / "lake"
    fleet = Fleet(Role.LANDER, _environment(options, settings, lake), directory, say)
    try:
        went_wrong = await _land(options, settings, fleet, lake)
    finally:
        fleet.clear()
    began = time.monotonic()
    (ends, by_log), (places, by_lake) = await on_topics(settings), in_lake(lake)
    say(
        f"{landed(lake):,} records in {len([*lake.glob('topic=*/*/*.parquet')]):,} files; "
        f"{fleet.killed} landers killed; compared in {time.monotonic() - began:.0f} s"
    )
    return went_wrong + not_once(ends, places) + differing(by_log, by_lake)


def _environment(options: Options, settings: Settings, lake: Path) -> dict[str, str]:
    return {
        "FLEXCAPTURE_NO_ENV_FILE": "1",
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
        "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
        "FLEXCAPTURE_LAKE_URL": lake.as_uri(),
        "FLEXCAPTURE_LAKE_FILE_SECONDS": str(options.file_seconds),
        "FLEXCAPTURE_LOG_LEVEL": "WARNING",
    }


async def _land(options: Options, settings: Settings, fleet: Fleet, lake: Path) -> list[str]:
    names = [fleet.add() for _ in range(options.landers)]
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(_keep_killing(fleet, names, options))
        await fill(settings, options.records, options.rate)
        fleet.say("everything is on the topics")
        killing.cancel()
        await asyncio.wait([killing])
        for name in names:
            if name not in fleet.running:
                fleet.add(name)
        went_wrong = fleet.ended()
        await _everything(options, fleet, lake)
    return went_wrong + await fleet.end()


async def _keep_killing(fleet: Fleet, names: list[str], options: Options) -> None:
    """Kill one lander, or all of them at once, again and again. Never returns."""
    random, said_at = Random(options.seed), time.monotonic()
    if options.every <= 0:
        await asyncio.Event().wait()
    while True:
        await asyncio.sleep(options.every * random.uniform(0.5, 1.5))
        killed = names if random.random() < 0.3 else [random.choice(names)]
        for name in killed:
            fleet.kill(name)
        await asyncio.sleep(random.uniform(*GONE_S))
        for name in killed:
            fleet.add(name)
        if time.monotonic() - said_at > _SAY_S:
            said_at = time.monotonic()
            fleet.say(f"{fleet.killed} landers killed")


async def _everything(options: Options, fleet: Fleet, lake: Path) -> None:
    """Return once everything is in the lake, or nothing moves."""
    before, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < QUIET_S:
        found = await asyncio.to_thread(landed, lake)
        if found >= options.records:
            return
        if found != before:
            before, moved_at = found, time.monotonic()
            fleet.say(f"{found:,} records landed")
        await asyncio.sleep(_LOOK_S)
