"""A run: put events and rubbish while shards split and merge and bridges start and end. Then
compare the output."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from infra.local import kinesis_local
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import Role, Settings
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS
from tests.system.chaos_bridge.changing import keep_changing
from tests.system.chaos_bridge.judging import problems, unfinished
from tests.system.chaos_bridge.options import Options
from tests.system.chaos_bridge.putting import Stream, is_open, parents_of
from tests.system.chaos_bridge.watching import Watch
from tests.system.fleet import Fleet

STREAM = "flex-events"
HELD_UP_S = 15.0
"""The longest time for which a killed bridge may delay consumers of committed records."""

QUIET_S = 60.0
"""Nothing came for so long, and not everything is there: it never will."""

SETTLE_S = 2.0
"""Duplicates might come after the last event: they are waited for."""

_REPORT_EVERY_S = 5.0

Say = Callable[[str], None]


@dataclass
class Run:
    """All that there is during a run."""

    options: Options
    stream: Stream
    fleet: Fleet
    watch: Watch
    say: Say


async def play(options: Options, settings: Settings, logs: Path, say: Say) -> list[str]:
    """Play the run on the broker of `settings`, with empty topics. Return the mistakes.
    Call this in the main thread."""
    await ensure_topics(settings, [CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS])
    local = LocalKinesis(chosen(["kinesis"], {}, [])["kinesis"], "us-east-1", STREAM)
    with kinesis_local.running(local, logs / "kinesis.log"):
        random = Random(options.seed)
        stream = Stream(local, options, Random(random.random()), say)
        fleet = Fleet(Role.BRIDGE, _environment(settings, local), logs, say)
        run = Run(options, stream, fleet, Watch(settings), say)
        try:
            return await _play(run, random)
        finally:
            fleet.clear()


def _environment(settings: Settings, local: LocalKinesis) -> dict[str, str]:
    return {
        **local.environment(),
        "FLEXCAPTURE_NO_ENV_FILE": "1",
        "FLEXCAPTURE_KINESIS_STREAM": local.kinesis_stream,
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
        "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
    }


async def _play(run: Run, random: Random) -> list[str]:
    await run.stream.make()
    for _ in range(run.options.processes):
        run.fleet.add()
    went_wrong: list[str] = []
    async with asyncio.TaskGroup() as group:
        always = [run.watch.follow(), run.watch.look(), _report_progress(run)]
        beside = [group.create_task(each) for each in always]
        changing = [
            group.create_task(run.stream.keep_resharding()),
            group.create_task(keep_changing(run.fleet, run.options, random)),
        ]
        await run.stream.fill()
        run.say("everything is put")
        for task in changing:
            task.cancel()
        await asyncio.wait(changing)
        _wake_all(run.fleet)
        went_wrong += run.fleet.ended()
        await _everything(run)
        went_wrong += await run.fleet.end()
        await asyncio.sleep(SETTLE_S)
        for task in beside:
            task.cancel()
    return went_wrong + await _judged(run)


def _wake_all(fleet: Fleet) -> None:
    for name in list(fleet.asleep):
        fleet.wake(name)
    if not fleet.running:
        fleet.add()


async def _everything(run: Run) -> None:
    """Returns once all of it is seen and all closed shards are finished, or nothing moves."""
    closed = {each["ShardId"] for each in await run.stream.shards() if not is_open(each)}
    before, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < QUIET_S:
        seen, finished = len(run.watch.seen), len(closed & run.watch.finished)
        if seen >= len(run.stream.put) and finished == len(closed):
            return
        if seen + finished != before:
            before, moved_at = seen + finished, time.monotonic()
        await asyncio.sleep(0.1)


async def _judged(run: Run) -> list[str]:
    shards = await run.stream.shards()
    parents = {each["ShardId"]: parents_of(each) for each in shards}
    closed = [each["ShardId"] for each in shards if not is_open(each)]
    watch = run.watch
    found = problems(run.stream.put, watch.seen, parents) + unfinished(closed, watch.finished)
    if watch.held_up > HELD_UP_S:
        found.append(f"committed readers were held up for {watch.held_up:.1f} s")
    _report(run, len(shards), len(closed))
    return found


def _report(run: Run, shards: int, closed: int) -> None:
    put_at, watch, fleet = run.stream.put_at, run.watch, run.fleet
    waits = sorted((at - put_at[n], n) for n, at in watch.seen_at.items() if n in put_at)
    rubbish = sum(each.rubbish for each in run.stream.put)
    run.say(
        f"{len(put_at):,} events and {rubbish:,} records of rubbish; {shards} shards in all, "
        f"{closed} closed, {run.stream.changes} splits and merges; {fleet.killed} bridges killed, "
        f"{fleet.frozen} frozen"
    )
    if waits:
        longest, number = waits[-1]
        shard_id = next(each.shard_id for each in watch.seen if each.number == number)
        run.say(
            f"from put to committed: median {median(w for w, _ in waits):.2f} s, longest "
            f"{longest:.1f} s (event {number} of {shard_id}, seen "
            f"{time.monotonic() - watch.seen_at[number]:.0f} s ago); committed readers held up for "
            f"{watch.held_up:.1f} s at the most"
        )


async def _report_progress(run: Run) -> None:
    while True:
        await asyncio.sleep(_REPORT_EVERY_S)
        put, seen = len(run.stream.put), len(run.watch.seen)
        run.say(f"{put:,} put, {seen:,} seen; {len(run.fleet.running)} bridges")
