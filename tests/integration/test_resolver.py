"""The resolver on the real Kafka: events with only a call SID find their task, in any order, and if
any process is killed."""

import time
from dataclasses import replace

import pytest

from agents import resolver, tracker
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Call, CallAlias, CtiEvent
from schemas.topics import CALL_ALIASES, CALLS, CTI_EVENTS, CTI_RESOLVED
from tests.conftest import SettingsFor
from tests.integration.faust_roles import (
    RoleProcess,
    processes,
    publish,
    reading,
    role_running,
)
from tests.pipeline.calls.histories import CUSTOMER, Story

pytestmark = pytest.mark.integration

NOW = int(time.time() * 1000)
STEPS = ("initiated", "ringing", "answered", "completed")


def task(number: int) -> str:
    """A task SID."""
    return f"WT{number:032x}"


def leg(number: int) -> str:
    """The SID of that call's leg."""
    return f"CA{number:032x}"


def alias(number: int) -> CallAlias:
    """Return the alias that the tracker publishes."""
    return CallAlias(leg(number), task(number), NOW)


def callbacks(number: int) -> list[CtiEvent]:
    """A call's status callbacks, as they lie on cti.events."""
    story = Story(t0=NOW)
    for at, step in enumerate(STEPS):
        story.call_status(step, at * 1_000, leg(number), FriendlyName=None)
    return [replace(e, event_id=f"{leg(number)}:{e.event_id}") for e in story.events]


def resolved(numbers: range) -> set[tuple[str | None, str]]:
    """Task and id of all that must come out."""
    return {(task(n), event.event_id) for n in numbers for event in callbacks(n)}


def tasks_and_ids(events: list[CtiEvent]) -> set[tuple[str | None, str]]:
    """Return task and id of the events, without repetitions."""
    return {(event.task_sid, event.event_id) for event in events}


async def send_events(settings: Settings, numbers: range, steps: slice) -> None:
    """Some callbacks of these calls."""
    records = [(leg(n), event) for n in numbers for event in callbacks(n)[steps]]
    await publish(settings, CTI_EVENTS, records, transaction="t")


async def send_aliases(settings: Settings, numbers: range) -> None:
    """The aliases of these calls."""
    await publish(settings, CALL_ALIASES, [(leg(n), alias(n)) for n in numbers])


async def test_events_before_and_after_the_alias_come_out(
    settings_for: SettingsFor, prefix: str
) -> None:
    """Under the task's key; what names its task already is not the resolver's."""
    settings = settings_for(prefix, instance="resolver-0")
    numbers = range(10)
    async with reading(settings, CTI_RESOLVED) as out, role_running(resolver.run, settings):
        await send_events(settings, numbers, slice(0, 2))
        known = Story(task_sid=task(1), t0=NOW).task("created", 0).events
        await publish(settings, CTI_EVENTS, [(task(1), e) for e in known], transaction="t")
        await send_aliases(settings, numbers)
        early = await out.until(lambda seen: len(seen) >= 20)
        await send_events(settings, numbers, slice(2, 4))
        seen = await out.until(lambda seen: len(seen) >= 40)
    assert 20 <= len(early)
    assert 40 == len(seen)
    assert resolved(numbers) == tasks_and_ids(seen)


async def test_killed_amid_the_events_it_loses_none(settings_for: SettingsFor, prefix: str) -> None:
    """SIGKILL with events waiting, and again while they come out."""
    settings = settings_for(prefix)
    numbers = range(60)
    process = RoleProcess(settings, "resolver", "agents.resolver", "resolver-0")
    async with reading(settings, CTI_RESOLVED) as out, processes(process):
        # Half of the legs are known, so that it shows when the events before have been handled.
        await send_aliases(settings, range(30))
        await send_events(settings, numbers, slice(0, 2))
        await out.until(lambda seen: len(tasks_and_ids(seen)) >= 30)
        await process.kill()
        await process.start()
        await send_events(settings, numbers, slice(2, 4))
        await send_aliases(settings, range(30, 60))
        await out.until(lambda seen: len(tasks_and_ids(seen)) >= 90)
        await process.kill()
        await process.start()
        await out.until(lambda seen: tasks_and_ids(seen) >= resolved(numbers), seconds=90)
        assert resolved(numbers) == tasks_and_ids(out.records)


async def test_two_processes_share_the_legs_and_one_dies(
    settings_for: SettingsFor, prefix: str
) -> None:
    """What waited with the dead one waits with the other."""
    settings = settings_for(prefix)
    numbers = range(48)
    first, second = (
        RoleProcess(settings, "resolver", "agents.resolver", f"resolver-{n}") for n in range(2)
    )
    async with reading(settings, CTI_RESOLVED) as out, processes(first, second):
        await send_aliases(settings, range(24))
        await send_events(settings, numbers, slice(0, 3))
        await out.until(lambda seen: len(tasks_and_ids(seen)) >= 72, seconds=90)
        await first.kill()
        await send_events(settings, numbers, slice(3, 4))
        await send_aliases(settings, range(24, 48))
        await out.until(lambda seen: tasks_and_ids(seen) >= resolved(numbers), seconds=90)
        assert 0 == await second.stop()
        assert resolved(numbers) == tasks_and_ids(out.records)


async def test_tracker_and_resolver_together(settings_for: SettingsFor, prefix: str) -> None:
    """A call gets the callbacks of its leg, also those from before it began."""
    numbers = range(5)
    attributes = {"from": CUSTOMER, "direction": "inbound"}
    settings = settings_for(prefix, instance="role-0")
    async with (
        reading(settings, CALLS) as calls,
        role_running(resolver.run, settings),
        role_running(tracker.run, settings),
    ):
        await send_events(settings, numbers, slice(0, 2))
        for n in numbers:
            story = Story(task_sid=task(n), attributes={**attributes, "call_sid": leg(n)}, t0=NOW)
            event = replace(story.task("created", 0).events[0], event_id=task(n))
            await publish(settings, CTI_EVENTS, [(task(n), encode(event))], transaction="t")
        await send_events(settings, numbers, slice(2, 4))
        await calls.until(lambda seen: len(_over(seen)) == len(numbers))
    assert {task(n) for n in numbers} == _over(calls.records)


def _over(calls: list[Call]) -> set[str]:
    """Return the calls that have all milestones on their legs."""
    known = {"answered", "completed"}
    return {c.task_sid for c in calls for own in c.legs if known <= set(own.milestones)}
