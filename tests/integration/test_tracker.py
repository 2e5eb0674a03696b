"""The tracker on the real Kafka: for its events, every version of every call is published, even if
processes are killed."""

import itertools
import time
from dataclasses import replace

import pytest

from agents import tracker
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS
from pipeline.calls.merge import Folded, fold
from schemas.codec import decode
from schemas.records import Call, CtiEvent, Tick
from schemas.topics import CALL_ALIASES, CALLS, CTI_EVENTS, CTI_RESOLVED, DEAD_LETTERS, TICKS
from tests.conftest import SettingsFor
from tests.integration.faust_roles import (
    RoleProcess,
    processes,
    publish,
    reading,
    role_running,
)
from tests.pipeline.calls.histories import CUSTOMER_LEG, Story, inbound

pytestmark = pytest.mark.integration

NOW = int(time.time() * 1000)
"""When the events came: 4 hours later an ended call is forgotten."""

BEGUN = NOW - 60_000
"""When the calls began: 24 hours later one without an end is closed."""


def story(task_sid: str) -> Story:
    """A whole call with some events."""
    base = inbound()
    written = Story(task_sid=task_sid, attributes=base.attributes, t0=BEGUN).task("created", 0)
    written.reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    for second in range(3, 13):
        written.participant("hold" if second % 2 else "unhold", second * 1_000, CUSTOMER_LEG)
    written.reservation("wrapup", 20_000, "ann").participant("leave", 20_500, CUSTOMER_LEG)
    written.events = [
        replace(e, event_id=f"{task_sid}:{e.event_id}", arrived_at=NOW) for e in written.events
    ]
    return written


def expected(events: list[CtiEvent]) -> list[Call]:
    """Every version, by the pure fold."""
    versions: list[Call] = []
    for event in events:
        outcome = fold(versions[-1] if versions else None, event)
        if isinstance(outcome, Folded) and outcome.news:
            versions.append(outcome.call)
    return versions


def without_log_time(versions: list[Call]) -> list[Call]:
    """The versions without the time of the log, which no test knows."""
    return [replace(version, latest_arrival_at=NOW) for version in versions]


def task(number: int) -> str:
    """A task SID."""
    return f"WT{number:032x}"


async def test_each_version_of_a_call_is_on_calls(settings_for: SettingsFor, prefix: str) -> None:
    """In order, with the event that caused it; rubbish beside it goes to the dead letters."""
    settings = settings_for(prefix, instance="tracker-0")
    events = story(task(1)).events
    async with reading(settings, CALLS) as calls, reading(settings, DEAD_LETTERS) as letters:
        await publish(settings, CTI_EVENTS, [(task(1), b"rubbish")], transaction="t")
        await publish(settings, CTI_EVENTS, [(task(1), e) for e in events], transaction="t")
        async with role_running(tracker.run, settings):
            versions = await calls.until(lambda seen: len(seen) >= len(expected(events)))
        [letter] = await letters.until(lambda seen: len(seen) == 1)
    assert expected(events) == without_log_time(versions)
    assert "undecodable" == letter.reason


async def test_ticks_come_every_second_on_every_partition(
    settings_for: SettingsFor, prefix: str
) -> None:
    """They are the cores' only clock."""
    settings = settings_for(prefix, instance="tracker-0")
    async with reading(settings, TICKS) as ticks, role_running(tracker.run, settings):
        seen = await ticks.until(lambda records: len(records) >= 3 * TICKS.partitions)
    times = sorted({tick.at for tick in seen if isinstance(tick, Tick)})
    assert 3 <= len(times)
    assert all(900 <= b - a for a, b in itertools.pairwise(times) if b - a > 100)


async def test_killed_again_and_again_it_loses_no_version(
    settings_for: SettingsFor, prefix: str
) -> None:
    """SIGKILL amid the events: every call has all its versions, and the last is the fold's."""
    settings = settings_for(prefix)
    stories = [story(task(n)).events for n in range(40)]
    process = RoleProcess(settings, "tracker", "agents.tracker", "tracker-0")
    async with reading(settings, CALLS) as calls, processes(process):
        for step, batch in enumerate(zip(*stories, strict=True)):
            records = [(e.task_sid or "", e) for e in batch]
            await publish(settings, CTI_EVENTS, records, transaction="t")
            if step % 4 == 3:
                before = len(await calls.look())
                await calls.until(lambda seen, n=before: len(seen) > n)  # type: ignore[misc]
                await process.kill()
                await process.start()
        await calls.until(lambda seen: _all_there(seen, stories), seconds=90)
        status = await process.stop()
    assert 0 == status


async def test_two_processes_share_the_calls_and_one_dies(
    settings_for: SettingsFor, prefix: str
) -> None:
    """What the dead one had goes to the other."""
    settings = settings_for(prefix)
    stories = [story(task(n)).events for n in range(40)]
    first, second = (
        RoleProcess(settings, "tracker", "agents.tracker", f"tracker-{n}") for n in range(2)
    )
    half = len(stories[0]) // 2
    async with reading(settings, CALLS) as calls, processes(first, second):
        early = [(e.task_sid or "", e) for s in stories for e in s[:half]]
        late = [(e.task_sid or "", e) for s in stories for e in s[half:]]
        await publish(settings, CTI_EVENTS, early, transaction="t")
        await calls.until(lambda seen: len(seen) > len(early) // 2)
        await first.kill()
        await publish(settings, CTI_EVENTS, late, transaction="t")
        await calls.until(lambda seen: _all_there(seen, stories), seconds=90)
        assert 0 == await second.stop()


def _all_there(seen: list[Call], stories: list[list[CtiEvent]]) -> bool:
    """Whether each call has all its versions on the topic, the same wherever one is repeated."""
    by_key: dict[tuple[str, int], Call] = {}
    for version in seen:
        known = by_key.setdefault((version.task_sid, version.revision), version)
        assert known == version, "two different versions of one number"
    wanted = {(c.task_sid, c.revision): c for events in stories for c in expected(events)}
    assert set(by_key) <= set(wanted), "a version that the fold does not make"
    return dict(zip(by_key, without_log_time(list(by_key.values())), strict=True)) == wanted


async def test_what_comes_too_late_opens_no_call(settings_for: SettingsFor, prefix: str) -> None:
    """An event that is too late becomes a dead letter, unchanged; other calls continue."""
    settings = settings_for(prefix, instance="tracker-0")
    old = NOW - FORGOTTEN_AFTER_MS - 60_000
    [wrapup] = Story(task_sid=task(8), t0=old).reservation("wrapup", 0, "ann").events
    late = replace(wrapup, arrived_at=NOW)
    events = story(task(9)).events
    async with reading(settings, CALLS) as calls, reading(settings, DEAD_LETTERS) as letters:
        await publish(settings, CTI_EVENTS, [(task(8), late)], transaction="t")
        await publish(settings, CTI_EVENTS, [(task(9), e) for e in events], transaction="t")
        async with role_running(tracker.run, settings):
            versions = await calls.until(lambda seen: len(seen) >= len(expected(events)))
            [letter] = await letters.until(lambda seen: len(seen) == 1)
    assert expected(events) == without_log_time(versions)
    assert ("too-late", settings.prefixed(CTI_EVENTS.name)) == (letter.reason, letter.origin)
    assert late == decode(letter.original)


async def test_each_leg_is_published_once_and_resolved_events_are_applied(
    settings_for: SettingsFor, prefix: str
) -> None:
    """The resolver depends on the aliases; the events that it finds come back on cti.resolved."""
    settings = settings_for(prefix, instance="tracker-0")
    events = story(task(3)).events
    [answered] = (
        Story(t0=BEGUN).call_status("answered", 5_000, CUSTOMER_LEG, FriendlyName=None).events
    )
    found = replace(answered, task_sid=task(3), arrived_at=NOW)
    async with reading(settings, CALLS) as calls, reading(settings, CALL_ALIASES) as aliases:
        await publish(settings, CTI_EVENTS, [(task(3), e) for e in events], transaction="t")
        await publish(settings, CTI_RESOLVED, [(task(3), found)], transaction="t")
        async with role_running(tracker.run, settings):
            versions = await calls.until(lambda seen: any(_is_answered(call) for call in seen))
        legs = await aliases.until(bool)
    [leg] = versions[-1].legs
    assert (BEGUN + 5_000) // 1000 * 1000 == leg.milestones["answered"]
    assert [(CUSTOMER_LEG, task(3))] == [(alias.call_sid, alias.task_sid) for alias in legs]


def _is_answered(call: Call) -> bool:
    return any("answered" in leg.milestones for leg in call.legs)


async def test_a_stopped_tracker_starts_where_it_ended(
    settings_for: SettingsFor, prefix: str
) -> None:
    """After a clean stop nothing is handled again."""
    settings = settings_for(prefix, instance="tracker-0")
    events = story(task(7)).events
    async with reading(settings, CALLS) as calls:
        await publish(settings, CTI_EVENTS, [(task(7), e) for e in events[:5]], transaction="t")
        async with role_running(tracker.run, settings):
            await calls.until(lambda seen: len(seen) == 5)
        await publish(settings, CTI_EVENTS, [(task(7), e) for e in events[5:]], transaction="t")
        async with role_running(tracker.run, settings):
            versions = await calls.until(lambda seen: len(seen) >= len(expected(events)))
    assert expected(events) == without_log_time(versions)
