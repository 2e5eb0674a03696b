"""`flexcapture rebuild tracker` on the real Kafka: the table is a cache."""

import signal
import time
from dataclasses import replace

import pytest

from agents import tracker
from cli.rebuild import calls
from cli.rebuild.calls import CallsReport, RebuildRefused, rebuild_tracker
from cli.rebuild.calls_command import rebuild as rebuild_command
from pipeline.runtime.kafka import ensure_topics, partition_of, producer
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Role, Settings
from schemas.codec import encode
from schemas.records import Call, CtiEvent
from schemas.topics import CALL_PARTITIONS, CALLS, CTI_EVENTS, CTI_RESOLVED, changelog
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
CHANGELOG = changelog(Role.TRACKER)
Table = dict[bytes, bytes]


def task(number: int) -> str:
    return f"WT{number:032x}"


def story(task_sid: str) -> list[CtiEvent]:
    """A call of some length that ends."""
    written = Story(task_sid=task_sid, attributes=inbound().attributes, t0=NOW - 60_000)
    written.task("created", 0).reservation("created", 1_000, "ann")
    written.reservation("accepted", 2_000, "ann")
    for second in range(3, 9):
        written.participant("hold" if second % 2 else "unhold", second * 1_000, CUSTOMER_LEG)
    written.reservation("wrapup", 20_000, "ann").participant("leave", 20_500, CUSTOMER_LEG)
    return [replace(e, event_id=f"{task_sid}:{e.event_id}", arrived_at=NOW) for e in written.events]


async def put(settings: Settings, events: list[CtiEvent]) -> None:
    """The events on their topics: callbacks as the resolver brings them."""
    for topic, callbacks in ((CTI_EVENTS, False), (CTI_RESOLVED, True)):
        records = [(e.task_sid or "", e) for e in events if ("callback" in e.type) is callbacks]
        await publish(settings, topic, records, transaction="t")


async def table_of(settings: Settings) -> Table:
    """What the table's changelog amounts to."""
    found: Table = {}
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        for number in range(CALL_PARTITIONS):
            async for record in log.read(await log.span(CHANGELOG, number)):
                if record.value is None:
                    found.pop(record.key, None)
                else:
                    found[record.key] = record.value
    finally:
        await log.stop()
    return found


async def wreck(settings: Settings, changes: dict[bytes, bytes | None]) -> None:
    """Writes these values into the changelog."""
    sender = producer(settings)
    await sender.start()
    try:
        for key, value in changes.items():
            name = settings.prefixed(CHANGELOG.name)
            partition = partition_of(key, CALL_PARTITIONS)
            await sender.send_and_wait(name, value, key, partition=partition)
    finally:
        await sender.stop()


async def handled(settings: Settings, count: int) -> list[Call]:
    """Runs the tracker until `count` versions are on `calls`; all of them."""
    async with reading(settings, CALLS) as calls, role_running(tracker.run, settings):
        return await calls.until(lambda seen: len(seen) >= count)


async def checked(settings: Settings) -> CallsReport:
    return await rebuild_tracker(settings, check=True, progress=lambda *_: None)


async def rebuilt(settings: Settings) -> CallsReport:
    return await rebuild_tracker(settings, check=False, progress=lambda *_: None)


async def test_a_wrecked_table_is_restored_and_the_tracker_continues(
    settings_for: SettingsFor, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After lost keys, garbage, old values and unknown keys, the rebuild restores the table byte
    for byte, also if it was stopped halfway and run again. The tracker continues from there and
    repeats no version."""
    settings = settings_for(prefix)
    stories = [story(task(n)) for n in range(12)]
    early = [e for s in stories for e in s[:6]]
    await put(settings, early)
    first = await handled(settings, len(early))
    before = await table_of(settings)
    assert 12 == len(before)
    assert not (await checked(settings)).differences

    older = next(v for v in first if v.task_sid == task(2) and v.revision == 2)
    await wreck(
        settings,
        {
            task(0).encode(): None,
            task(1).encode(): b"garbage",
            task(2).encode(): encode(older),
            task(77).encode(): encode(replace(older, task_sid=task(77))),
            b"\xff": b"\x00",
        },
    )
    wrong = await checked(settings)
    assert 5 == len(wrong.differences)
    assert (0, 9) == (wrong.written, wrong.same)
    done = await rebuilt(settings)
    assert (5, []) == (done.written, done.doubts)
    assert before == await table_of(settings)

    # Stopped halfway, and run again.
    await wreck(settings, dict.fromkeys(before))
    assert {} == await table_of(settings)
    with monkeypatch.context() as patch:
        patch.setattr(calls, "CALL_PARTITIONS", CALL_PARTITIONS // 2)
        await rebuilt(settings)
    assert 0 < len(await table_of(settings)) < len(before)
    await rebuilt(settings)
    assert before == await table_of(settings)
    assert (0, 12) == ((await rebuilt(settings)).written, (await checked(settings)).same)

    late = [e for s in stories for e in s[6:]]
    await put(settings, late)
    versions = await handled(settings, len(early) + len(late))
    numbers = [(v.task_sid, v.revision) for v in versions]
    assert len(numbers) == len(set(numbers))
    assert {e.event_id for e in (*early, *late)} == {v.cause_event_id for v in versions}


async def test_after_a_kill_the_rebuilt_table_loses_no_version(
    settings_for: SettingsFor, prefix: str
) -> None:
    """SIGKILL while events are processed: uncommitted events are read again, and in the end each
    has its version on `calls`. No version is there twice with different contents."""
    settings = settings_for(prefix)
    stories = [story(task(n)) for n in range(20)]
    process = RoleProcess(settings, "tracker", "agents.tracker", "tracker-0")
    async with reading(settings, CALLS) as calls, processes(process):
        await put(settings, [e for s in stories for e in s])
        await calls.until(lambda seen: len(seen) > 30)
        await process.kill()
        await rebuilt(settings)  # waits until the dead one's membership is over
        await process.start()
        wanted = {e.event_id for s in stories for e in s}

        def all_there(seen: list[Call]) -> bool:
            return wanted == {version.cause_event_id for version in seen}

        versions = await calls.until(all_there)
        # All versions may be there before it has started, and can handle a signal.
        assert await process.stop() in {0, -signal.SIGTERM}
    by_number: dict[tuple[str, int], Call] = {}
    for version in versions:
        known = by_number.setdefault((version.task_sid, version.revision), version)
        assert known == version
    assert not (await checked(settings)).differences


async def test_a_running_tracker_is_left_alone(
    settings_for: SettingsFor,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rebuild refuses the table of a running tracker, and names the process. It also refuses a
    Kafka without our topics."""
    monkeypatch.setattr(calls, "_MEMBERSHIP_S", 0.0)
    settings = settings_for(prefix)
    with pytest.raises(RebuildRefused, match=r"no topic .*calls"):
        await checked(settings)
    await ensure_topics(settings, [CTI_EVENTS, CALLS])
    async with role_running(tracker.run, settings_for(prefix, instance="tracker-0")):
        with pytest.raises(RebuildRefused, match=r"tracker-0.*flexcapture up"):
            await rebuilt(settings)


def test_the_command_prints_its_result(
    settings_for: SettingsFor, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 for a Kafka without our topics, in a line."""
    assert 1 == rebuild_command(settings_for(prefix), check=True)
    assert "there is no topic" in capsys.readouterr().err
