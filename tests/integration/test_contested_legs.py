"""A leg that only Twilio's list of a conference's participants shows, through tracker, resolver,
stream manager, Twilio adapter and consolidator on a real Kafka: a task that names it is stopped."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agents import consolidator, resolver, stream_manager, tracker
from agents.twilio_adapter import service
from pipeline.contacts.recordings import LEG_CONTRADICTED
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Settings
from pipeline.store.database import migrate, open_database
from pipeline.store.repository import Repository
from pipeline.streams.verification import FOREIGN_LEG
from schemas.codec import encode
from schemas.records import (
    Call,
    CommandAnswered,
    CtiEvent,
    GatewayAlive,
    MediaStreamChanged,
    MediaStreamOpened,
    RecordingStarted,
)
from schemas.topics import ALL, CALLS, CTI_EVENTS, GATEWAYS_ALIVE, RECORDINGS, STREAM_EVENTS
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double
from tests.conftest import SettingsFor
from tests.integration.faust_roles import Reader, publish, reading, role_running, until
from tests.pipeline.calls.histories import CUSTOMER, Story, leg_sid

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

HONEST, HOSTILE = "WT" + "1" * 32, "WT" + "2" * 32
LEG, OWN = leg_sid("x"), leg_sid("ann")
GATEWAY = "wss://gateway.example.com/media"
ROLES = (
    tracker.run,
    resolver.run,
    stream_manager.run,
    service.run,
    consolidator.run,
)
OUTBOUND = {"direction": "outbound", "outbound_to": CUSTOMER, "from": "+15559990000"}
NAMES_LEG = {"direction": "inbound", "from": CUSTOMER, "call_sid": LEG}


@dataclass
class Pipeline:
    """The roles that run, the records on `stream.events` and `calls`, and the double of Twilio.
    The test is the gateway and the recorder."""

    settings: Settings
    twilio: TwilioDouble
    events: Reader
    calls: Reader

    async def take(self, task_sid: str, attributes: dict[str, str]) -> None:
        """An agent takes a task with these attributes. No callback shows a leg of it."""
        now = time.time_ns() // 1_000_000
        story = Story(task_sid=task_sid, attributes=dict(attributes), t0=now - 2_000)
        name = f"ann{task_sid[-1]}"
        story.task("created", 0).reservation("created", 500, "ann", name)
        story_events: list[CtiEvent] = story.reservation("accepted", 1_900, "ann", name).events
        events = [replace(each, event_id=f"{task_sid}{each.event_id}") for each in story_events]
        await publish(
            self.settings, CTI_EVENTS, [(task_sid, each) for each in events], transaction="t"
        )

    async def streamed(self, task_sid: str) -> CommandAnswered:
        """Return the answer to the task's start, once the gateway and the recorder have the media
        stream."""
        answer: CommandAnswered = await self.event(CommandAnswered, task_sid, "start", "done")
        stream_sid, at = answer.stream_sid or "", answer.at + 50
        opened = MediaStreamOpened(
            stream_sid, LEG, task_sid, answer.name, answer.generation, "gateway-1", 1, at
        )
        started = RecordingStarted(
            f"{at // 1000}{answer.generation:07d}{task_sid[-1]}", stream_sid, LEG, task_sid,
            answer.generation, at,
        )  # fmt: skip
        await publish(self.settings, STREAM_EVENTS, [(task_sid, opened)])
        await publish(self.settings, RECORDINGS, [(task_sid, started)])
        return answer

    async def event(self, kind: type, task_sid: str, *words: str) -> Any:
        """Return the first record of a kind about the task that has all these words."""

        def suiting(records: list[Any]) -> list[Any]:
            found = [r for r in records if isinstance(r, kind)]
            return [r for r in found if {task_sid, *words} <= {*map(str, _values(r))}]

        return suiting(await self.events.until(lambda seen: bool(suiting(seen))))[0]

    def withheld(self, task_sid: str) -> list[str]:
        """Return why each recording of the task is withheld, "" if it is not."""
        contact = Repository(open_database(str(self.settings.database_url))).contact(task_sid)
        return [] if contact is None else [r.withheld_because for r in contact.recordings]


def _values(record: Any) -> list[Any]:
    return [getattr(record, name) for name in type(record).__slots__]


@pytest.fixture
async def pipeline(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> AsyncIterator[Pipeline]:
    """All roles but gateway and recorder. Every agent is monitored."""
    (tmp_path / "agents.txt").write_text("*\n")
    async with contextlib.AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(twilio_double())
        twilio.calls[LEG] = "in-progress"
        settings = settings_for(
            prefix,
            monitored_agents=tmp_path / "agents.txt",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_url=twilio.url,
            gateway_public_url=GATEWAY,
        )
        await ensure_topics(settings, ALL)
        migrate(open_database(str(settings.database_url)))
        events = await stack.enter_async_context(reading(settings, STREAM_EVENTS))
        calls = await stack.enter_async_context(reading(settings, CALLS))
        for number, role in enumerate(ROLES):
            own = settings.model_copy(update={"instance": f"role-{number}"})
            await stack.enter_async_context(role_running(role, own))
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(_live(settings))
            yield Pipeline(settings, twilio, events, calls)
            living.cancel()


async def _live(settings: Settings) -> None:
    """The gateway says on each partition, every second, that it lives."""
    sender = producer(settings)
    await sender.start()
    try:
        while True:
            alive = encode(GatewayAlive("gateway-1", 1, time.time_ns() // 1_000_000))
            for partition in range(GATEWAYS_ALIVE.partitions):
                name = settings.prefixed(GATEWAYS_ALIVE.name)
                await sender.send(name, alive, partition=partition)
            await asyncio.sleep(1)
    finally:
        await sender.stop()


def conference(*call_sids: str) -> list[dict[str, Any]]:
    """Participants without labels."""
    return [{"call_sid": sid, "label": None, "status": "connected"} for sid in call_sids]


@pytest.mark.parametrize("first", [HOSTILE, HONEST])
async def test_a_task_that_names_a_leg_that_only_twilios_list_shows_is_stopped(
    pipeline: Pipeline, first: str
) -> None:
    """Whichever of the two calls comes first. The other one is recorded as usual."""
    twilio = pipeline.twilio
    twilio.ends = {LEG: ("+15559990000", CUSTOMER), OWN: ("+15559990000", "client:ann")}
    for task_sid in (first, HOSTILE if first == HONEST else HONEST):
        if task_sid == HONEST:
            twilio.conferences[HONEST] = conference(OWN, LEG)
            await pipeline.take(HONEST, OUTBOUND)
        else:
            await pipeline.take(HOSTILE, NAMES_LEG)
        await pipeline.streamed(task_sid)
    contradicted = await pipeline.event(CommandAnswered, HOSTILE, "verify", "contradicted", LEG)
    stopping = await pipeline.event(MediaStreamChanged, HOSTILE, "stopping", FOREIGN_LEG.text)
    assert stopping.at - contradicted.at <= 2_000
    await twilio.until_asked("stop")
    started = await pipeline.event(CommandAnswered, HOSTILE, "start", "done")
    assert {sid for sid, _ in twilio.asked("stop")} == {started.stream_sid}
    await until(lambda: pipeline.withheld(HOSTILE) == [LEG_CONTRADICTED])
    await until(lambda: pipeline.withheld(HONEST) == [""])
    assert [leg for leg, _ in twilio.asked("start")] == [LEG, LEG]
    honest = [c for c in await pipeline.calls.look() if c.task_sid == HONEST]
    assert honest
    assert not any(_shows(call) for call in honest), "an event shows the leg of the honest call"


def _shows(call: Call) -> bool:
    """Whether the events of the call show the leg. That another task has it shows it too."""
    text = json.dumps({name: fact.value for name, fact in call.facts.items()})
    joined = any(leg.call_sid == LEG and leg.milestones for leg in call.legs)
    return LEG in text or joined
