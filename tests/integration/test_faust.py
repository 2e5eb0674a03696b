"""What the runner relies on in Faust and puts right, on the real Kafka."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from agents import partition_lag
from agents.faust_runner.adapter.transport import Consumer
from agents.faust_runner.adapter.watchdog import Stuck
from agents.faust_runner.role import RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from pipeline.runtime.kafka import ensure_topics, partition_of, producer
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.topics import CALLS, CTI_EVENTS, DEAD_LETTERS, changelog
from tests.agents.test_partition_lag import shown
from tests.conftest import SettingsFor
from tests.integration.faust_roles import (
    Collecting,
    RoleProcess,
    bodies,
    event,
    processes,
    publish,
    reading,
    role_running,
    settled_clock,
    until,
)

pytestmark = pytest.mark.integration

Main = Callable[[Settings, Health, asyncio.Event], Awaitable[None]]


def role(effects: Any = None) -> Main:
    """The smallest role."""

    async def main(settings: Settings, health: Health, stop: asyncio.Event) -> None:
        spec = RoleSpec(name=Role.TRACKER, sources=(CTI_EVENTS,), targets=(CALLS,))
        parts = RoleParts(core=Collecting(), effects=effects)
        await run_table_role(settings, health, stop, spec, parts, clock=settled_clock())

    return main


async def test_only_committed_records_are_handled(settings_for: SettingsFor, prefix: str) -> None:
    """An aborted transaction never happened; under at_least_once Faust's own consumer reads it."""
    settings = settings_for(prefix, instance="tracker-0")
    await ensure_topics(settings, [CTI_EVENTS])
    sender = producer(settings, transactional_id=prefix + "t")
    await sender.start()
    try:
        await sender.begin_transaction()
        name = settings.prefixed(CTI_EVENTS.name)
        await sender.send_and_wait(name, encode(event("aborted")), b"WT1")
        await sender.abort_transaction()
    finally:
        await sender.stop()
    await publish(settings, CTI_EVENTS, [("WT1", event("committed"))], transaction="t")
    async with reading(settings, CALLS) as calls, role_running(role(), settings):
        [version] = await calls.until(lambda seen: len(seen) == 1)
    assert "committed" == version.body


async def test_the_table_comes_back(settings_for: SettingsFor, prefix: str) -> None:
    """Another process, with nothing but the changelog, has the earlier state."""
    settings = settings_for(prefix)
    async with reading(settings, CALLS) as calls:
        for number, name in enumerate(["one", "two", "three"], start=1):
            await publish(settings, CTI_EVENTS, [("WT1", event(name))], transaction="t")
            async with role_running(role(), settings.model_copy(update={"instance": "tracker-0"})):
                await calls.until(lambda seen, n=number: len(seen) == n)  # type: ignore[misc]
    assert ["one", "one two", "one two three"] == [version.body for version in calls.records]


async def test_a_broken_dependency_ends_the_role_and_the_event_is_not_lost(
    settings_for: SettingsFor, prefix: str
) -> None:
    """What effects raise comes out of the runner, the event is handled by the next process."""
    settings = settings_for(prefix, instance="tracker-0")

    async def broken(key: str, before: Any, step: Any) -> None:
        if step.state.event_id == "second":
            raise OSError("database gone")

    await publish(
        settings, CTI_EVENTS, [("WT1", event("first")), ("WT1", event("second"))], transaction="t"
    )
    with pytest.raises(OSError, match="database gone"):
        await role(broken)(settings, Health(), asyncio.Event())
    done: list[str] = []

    async def note_body(key: str, before: Any, step: Any) -> None:
        done.append(step.state.body)

    async with role_running(role(note_body), settings):
        await until(lambda: "first second" in done)


async def test_a_process_that_was_stopped_writes_nothing_over_its_successor(
    settings_for: SettingsFor, prefix: str
) -> None:
    """A process that was stopped during an event for longer than its session continues after
    another has handled that event and the next: it must end, and the changelog's last value must be
    the other's."""
    settings = settings_for(prefix)
    first, second = (
        RoleProcess(settings, "tracker", "tests.integration.slow_role", f"tracker-{n}")
        for n in range(2)
    )
    table = changelog(Role.TRACKER)
    async with reading(settings, CALLS) as calls, processes(first):
        await publish(settings, CTI_EVENTS, [("WT1", event("one")), ("WT1", event("slow"))])
        # Its outputs are out, its table is not: the first waits in its effects.
        await calls.until(lambda seen: bodies(seen) == ["one", "one slow"])
        first.send(signal.SIGSTOP)
        async with processes(second):
            settings.need("state_dir", "").joinpath("go").touch()
            await publish(settings, CTI_EVENTS, [("WT1", event("three"))])
            await calls.until(lambda seen: bodies(seen)[-1:] == ["one slow three"])
            first.send(signal.SIGCONT)
            assert 1 == await first.ended()
            async with reading(settings, table) as values:
                await values.until(lambda seen: len(seen) > 0)
                await publish(settings, CTI_EVENTS, [("WT1", event("four"))])
                await values.until(lambda seen: bodies(seen)[-1] == "one slow three four")
    kept = bodies(values.records)
    assert sorted(kept, key=len) == kept


async def test_what_the_broker_refuses_for_good_holds_nothing_up(
    settings_for: SettingsFor, prefix: str
) -> None:
    """Outputs and states that are too large for their topics become dead letters. The same process
    handles the later records of these partitions, again and again."""
    settings = settings_for(prefix, instance="tracker-0")
    small = {"max.message.bytes": "3000"}
    table = changelog(Role.TRACKER)
    await ensure_topics(settings, [replace(CALLS, extra=small), replace(table, extra=small)])
    neighbour = next(
        key for n in range(1_000) if partition_of((key := f"WT{n}n").encode(), 24) == HERE
    )
    async with (
        reading(settings, CALLS) as calls,
        reading(settings, DEAD_LETTERS) as letters,
        role_running(role(), settings),
    ):
        for number in range(3):
            large = event("x" * 4_000 + str(number), f"WT{number}")
            await publish(settings, CTI_EVENTS, [("WT1", large)])
            await publish(settings, CTI_EVENTS, [(neighbour, event(f"small{number}"))])
        await calls.until(lambda seen: len(seen) == 3)
        # Of states that wait together, only the last is written.
        await letters.until(lambda seen: _reasons(seen).count("too-large") == 3)
        await letters.until(lambda seen: "state-too-large" in _reasons(seen))
    # A record that was refused together with a large one may come after its successors.
    assert {"small0", "small0 small1", "small0 small1 small2"} == set(bodies(calls.records))
    assert {"too-large", "state-too-large"} == set(_reasons(letters.records))


def _reasons(letters: Sequence[Any]) -> list[str]:
    return [letter.reason for letter in letters]


HERE = partition_of(b"WT1", 24)


async def test_it_stops_quickly_and_says_so(settings_for: SettingsFor, prefix: str) -> None:
    """Well within the 8 s that a supervisor gives, the last offsets committed."""
    settings = settings_for(prefix, instance="tracker-0")
    async with asyncio.timeout(30):
        async with role_running(role(), settings) as health:
            assert {} == health.reasons
        assert {"starting": "stopping"} == health.reasons


async def test_a_crash_inside_faust_ends_the_role(
    settings_for: SettingsFor, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the crash would go unnoticed: Faust's worker, which this project does not use,
    checks for it."""
    settings = settings_for(prefix, instance="tracker-0")

    async def crashing(consumer: Consumer, *_: Any, **__: Any) -> bool:
        raise ZeroDivisionError("inside Faust")

    monkeypatch.setattr(Consumer, "_commit_offsets", crashing)
    await publish(settings, CTI_EVENTS, [("WT1", event("first"))], transaction="t")
    async with asyncio.timeout(60):
        with pytest.raises(Stuck, match="inside Faust"):
            await role()(settings, Health(), asyncio.Event())


async def test_how_far_a_role_is_behind_is_shown_by_partition(
    settings_for: SettingsFor, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a record is not handled, it and its successors are unread, with the age of the first
    one. Then nothing is, although the partition ends with the mark of a transaction."""
    monkeypatch.setattr(partition_lag, "LOOK_EVERY_S", 0.2)
    settings, goes_on = settings_for(prefix, instance="tracker-0"), asyncio.Event()

    async def slow(*_: Any) -> None:
        await goes_on.wait()

    def lag() -> tuple[float | None, float | None]:
        return shown(Role.TRACKER, CTI_EVENTS.name, HERE)

    records = [("WT1", event("one")), ("WT1", event("two"))]
    await publish(settings, CTI_EVENTS, records, transaction="t")
    async with role_running(role(slow), settings):
        await until(lambda: (lag()[0] or 0) >= 2 and (lag()[1] or 0) > 0)
        goes_on.set()
        await until(lambda: lag() == (0, 0))
        assert (0, 0) == shown(Role.TRACKER, CTI_EVENTS.name, (HERE + 1) % 24)
