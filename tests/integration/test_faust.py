"""What the runner relies on in Faust and puts right, on the real Kafka."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.app import Output, Step, run_table_role
from agents.faust_transport import Consumer
from agents.faust_watch import Stuck
from pipeline.kafka import ensure_topics, producer
from pipeline.settings import Role, Settings
from pipeline.telemetry import Health
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CALLS, CTI_EVENTS
from tests.conftest import SettingsFor
from tests.integration.faust_roles import publish, reading, role_running, until

pytestmark = pytest.mark.integration

Main = Callable[[Settings, Health, asyncio.Event], Awaitable[None]]


class Collecting:
    """The state of a key is its last event, with the ids of all before it; published."""

    def on_record(self, key: str, state: CtiEvent | None, record: CtiEvent, now: int) -> Any:
        seen = state.body.split() if state else []
        if record.event_id in seen:
            return Step(state)
        body = " ".join([*seen, record.event_id])
        after = event(record.event_id, key, body)
        return Step(after, (Output(CALLS, key, after),))

    def on_tick(self, key: str, state: CtiEvent, now: int) -> Any:
        return Step(state)

    def wants_ticks(self, state: CtiEvent) -> bool:
        return False


def event(event_id: str, key: str = "WT1", body: str = "{}") -> CtiEvent:
    """An event of any kind."""
    return CtiEvent(event_id, "s", "t", None, 5, key, None, body, "k", "0", "1")


def role(effects: Any = None) -> Main:
    """The smallest role."""

    async def main(settings: Settings, health: Health, stop: asyncio.Event) -> None:
        await run_table_role(
            settings,
            health,
            stop,
            role=Role.TRACKER,
            sources=[CTI_EVENTS],
            targets=[CALLS],
            core=Collecting(),
            effects=effects,
        )

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
    """Another process, which has nothing but the changelog, knows what was before."""
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

    async def whole(key: str, before: Any, step: Any) -> None:
        done.append(step.state.body)

    async with role_running(role(whole), settings):
        await until(lambda: "first second" in done)


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
    """Nobody would notice it otherwise: Faust's worker, which we do not use, looks for it."""
    settings = settings_for(prefix, instance="tracker-0")

    async def crashing(consumer: Consumer, *_: Any, **__: Any) -> bool:
        raise ZeroDivisionError("inside Faust")

    monkeypatch.setattr(Consumer, "_commit_offsets", crashing)
    await publish(settings, CTI_EVENTS, [("WT1", event("first"))], transaction="t")
    async with asyncio.timeout(60):
        with pytest.raises(Stuck, match="inside Faust"):
            await role()(settings, Health(), asyncio.Event())
