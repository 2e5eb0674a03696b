"""Calls that live roles handle, and the calls derived from their events."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from agents import consolidator, resolver, stream_manager, tracker
from cli.derive.beginning import DeriveRequest
from cli.derive.comparing import compare
from cli.derive.comparison import Comparison
from cli.derive.roles import ROLES, chosen, targets
from cli.derive.running import Report, derive
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.store.database import migrate, open_database
from schemas.codec import encode
from schemas.records import Contact, CtiEvent
from schemas.topics import CONTACTS, CTI_EVENTS, RECORDINGS, Topic
from tests.integration.faust_roles import reading, role_running
from tests.pipeline.calls.histories import CUSTOMER, Story, leg_sid

ALL_ROLES = chosen(ROLES)
CALLS_PLAYED = 12


CHANGED = {"decisions", "gaps", "capture", "required", "required_ms", "captured_ms"}
"""The fields of a contact that may differ if only the decisions do."""


Written = dict[str, list[tuple[int, bytes, bytes, int]]]


def task(number: int) -> str:
    return f"WT{number:032x}"


def is_outbound(number: int) -> bool:
    return number % 3 == 0


def story(number: int, t0: int) -> list[CtiEvent]:
    """A call of ten seconds; the events of one leg name no task."""
    leg = leg_sid(f"c{number}")
    ways = {"direction": "inbound", "call_sid": leg, "from": CUSTOMER, "to": "+15559990000"}
    if is_outbound(number):
        ways = {"direction": "outbound", "outbound_to": CUSTOMER, "from": "+15559990000"}
    who = "ann" if number % 2 else "bob"
    written = Story(task_sid=task(number), attributes=ways, t0=t0 + 300 * number)
    written.task("created", 0).reservation("created", 600, who, f"{who}{number}")
    written.reservation("accepted", 1_500, who, f"{who}{number}")
    written.participant("join", 1_700, leg, ParticipantLabel="customer")
    written.call_status("answered", 2_000, leg, FriendlyName=None, CallStatus="in-progress")
    written.participant("hold", 3_000, leg, Hold="true")
    written.participant("unhold", 4_200, leg, Hold="false")
    written.reservation("wrapup", 9_000, who, f"{who}{number}")
    written.participant("leave", 9_200, leg)
    written.call_status("completed", 9_300, leg, FriendlyName=None, CallStatus="completed")
    written.task("completed", 10_000)
    return [replace(e, event_id=f"{number}:{e.event_id}") for e in written.events]


async def play(settings: Settings, count: int) -> None:
    """Publish the events of the calls, each at its time."""
    t0 = time.time_ns() // 1_000_000 + 200
    events = [event for number in range(count) for event in story(number, t0)]
    sender = producer(settings)
    await sender.start()
    try:
        for event in sorted(events, key=lambda e: e.arrived_at):
            await asyncio.sleep(max(0, event.arrived_at - time.time_ns() // 1_000_000) / 1000)
            key = (event.task_sid or event.call_sid or "").encode()
            await sender.send_and_wait(settings.prefixed(CTI_EVENTS.name), encode(event), key)
    finally:
        await sender.stop()


async def live_calls(settings: Settings, count: int = CALLS_PLAYED) -> None:
    """Let the live roles handle the calls to their ends."""
    await ensure_topics(settings, [CTI_EVENTS, RECORDINGS])
    engine = open_database(str(settings.database_url))
    migrate(engine)
    engine.dispose()
    ended: dict[str, Contact] = {}

    def are_over(contacts: Sequence[Contact]) -> bool:
        ended.update({c.task_sid: c for c in contacts if c.state == "ended"})
        return len(ended) == count

    async with AsyncExitStack() as roles, reading(settings, CONTACTS) as contacts:
        for role in (tracker, resolver, stream_manager, consolidator):
            await roles.enter_async_context(role_running(role.run, settings))
        await play(settings, count)
        await contacts.until(are_over)
        await asyncio.sleep(3)  # ticks, and the last versions


def under(live: Settings, name: str) -> Settings:
    return live.model_copy(update={"topic_prefix": f"{live.topic_prefix}{name}."})


async def derived(live: Settings, name: str, asked: DeriveRequest | None = None) -> Report:
    wanted = asked or DeriveRequest(ALL_ROLES)
    nothing = asyncio.Event()
    return await derive(live, under(live, name), wanted, lambda *_: None, nothing)


async def compared(live: Settings, name: str) -> Comparison:
    return (await compare(live, under(live, name), lambda *_: None))[1]


async def written(settings: Settings) -> Written:
    """Return all that was derived under the settings' prefix, by topic."""
    found: Written = {}
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        for topic in targets(ALL_ROLES):
            records = [r async for r in log.read_all(await log.spans(topic))]
            assert {b"/flexcapture/derive"} >= {dict(r.headers)["ce_source"] for r in records}
            found[topic.name] = [(r.partition, r.key, r.value, r.timestamp) for r in records]
            found[topic.name].sort(key=lambda r: r[0])  # stable: each partition keeps its order
    finally:
        await log.stop()
    return found


async def log_times(settings: Settings, topic: Topic) -> set[int]:
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        return {r.timestamp async for r in log.read_all(await log.spans(topic))}
    finally:
        await log.stop()
