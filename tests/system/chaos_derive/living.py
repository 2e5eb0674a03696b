"""The live pipeline of a run: calls of the simulator's cases, and single roles that handle them."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.settings import Settings
from pipeline.store.database import migrate, open_database
from schemas.codec import decode
from schemas.records import Contact
from schemas.topics import CONTACTS, CTI_EVENTS, RECORDINGS
from simulator.cases import PLAIN, scripts
from simulator.events import Account
from simulator.people import MONITORED_LIST
from simulator.script import EventSent
from tests.integration.single_roles import Roles, all_read, roles
from tests.system.chaos_derive.options import Options

LIVE_ROLES = ("tracker", "resolver", "stream-manager", "consolidator")
SETTLE_S = 5.0
"""Ticks and the last versions come after the last end."""
QUIET_S = 60.0
"""If no call ended for so long, the others never will."""
READ_S = 300.0
"""The time for the roles to read the rest. Unread records would be differences to a derivation."""
_ACCOUNT = Account("AC" + "0" * 32, "WS" + "0" * 32)
_AHEAD_MS = 2_000


@dataclass(frozen=True, slots=True)
class Played:
    """The number of calls and events, and by how much (s) the last event was late."""

    calls: int
    events: int
    late_s: float


def calls_in_order(options: Options, begins_at: int) -> Iterator[tuple[int, str]]:
    """Yield the events of all calls, each with its time (ms), in order."""
    random, spacing = Random(options.seed), 1000 / options.rate
    events: list[tuple[int, str]] = []
    for first in range(0, options.calls, len(PLAIN)):
        cases = PLAIN[: options.calls - first]
        at = begins_at + round(first * spacing)
        for script in scripts(cases, at, round(spacing), _ACCOUNT, random.getrandbits(63)):
            steps = ((step.at, step.action) for step in script.steps)
            events += [(at, json.dumps(a.event)) for at, a in steps if isinstance(a, EventSent)]
        # A call sends nothing before it begins.
        events.sort()
        due = begins_at + round((first + len(cases)) * spacing)
        ready = [each for each in events if each[0] < due]
        events = events[len(ready) :]
        yield from ready
    yield from events


async def live(options: Options, settings: Settings, directory: Path) -> Played:
    """Let live roles handle the calls to their ends."""
    await ensure_topics(settings, [CTI_EVENTS, RECORDINGS])
    database = f"sqlite:///{directory / 'db'}"
    engine = open_database(database)
    migrate(engine)
    engine.dispose()
    (directory / "db").chmod(0o600)
    servers = str(settings.kafka_bootstrap_servers)
    more = {"DATABASE_URL": database, "LOG_LEVEL": "WARNING"}
    with roles(directory, servers, settings.topic_prefix, **more) as running:
        monitored = directory / "monitored-by-name"
        monitored.write_text(MONITORED_LIST)
        counts = dict.fromkeys(LIVE_ROLES, 1)
        running.more = {**running.more, "MONITORED_AGENTS": str(monitored)}
        running.start(counts)
        await running.all_healthy(300)
        ends = _Ends()
        following = asyncio.create_task(ends.follow(settings))
        events, late_s = await _play(options, settings)
        found = await ends.wait(options.calls, running)
        following.cancel()
        await all_read(settings, counts, READ_S)
        await asyncio.sleep(SETTLE_S)
        assert {0} == set(running.terminate().values())
    return Played(found, events, late_s)


async def _play(options: Options, settings: Settings) -> tuple[int, float]:
    begins_at = time.time_ns() // 1_000_000 + _AHEAD_MS
    place, sent, late = Place("chaos", 0, "shard-0"), 0, 0.0
    writer = producer(settings)
    await writer.start()
    try:
        for number, (at, text) in enumerate(calls_in_order(options, begins_at)):
            late = time.time() - at / 1000
            if late < 0:
                await asyncio.sleep(-late)
            record = KinesisRecord(str(10**20 + number), at, text.encode())
            for message in messages_of(place, record, SizeLimits(), at):
                await writer.send(settings.prefixed(message.topic), message.value, message.key)
                sent += 1
    finally:
        await writer.stop()
    return sent, late


@dataclass
class _Ends:
    """The calls with ended contacts."""

    task_sids: set[str] = field(default_factory=set)

    async def follow(self, settings: Settings) -> None:
        """Note them. Never returns."""
        async with consumer(settings, settings.prefixed(CONTACTS.name)) as reader:
            while True:
                for records in (await reader.getmany(timeout_ms=500)).values():
                    found = [decode(each.value) for each in records if each.value is not None]
                    self.task_sids.update(
                        each.task_sid
                        for each in found
                        if isinstance(each, Contact) and each.state == "ended"
                    )

    async def wait(self, calls: int, running: Roles) -> int:
        """Return the number of ended calls, once all have ended or no more do."""
        before, moved_at = -1, time.monotonic()
        while len(self.task_sids) < calls and time.monotonic() - moved_at < QUIET_S:
            assert not running.ended(), running.last_lines()
            if len(self.task_sids) != before:
                before, moved_at = len(self.task_sids), time.monotonic()
            await asyncio.sleep(0.5)
        return len(self.task_sids)
