"""Twilio with calls without events, and Kafka with the contact of a captured call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

from agents.reconciler.service import READS, WRITES
from pipeline.runtime.kafka import producer
from pipeline.runtime.kafka_start import ensure_topics
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas.codec import decode, encode
from schemas.records import Session
from schemas.topics import (
    CALLS,
    CONTACTS,
    RECONCILIATION_WINDOWS,
    RECONCILIATIONS,
    Topic,
)
from simulator.events import Account, taskrouter_event
from simulator.listing import remember
from simulator.media import Credentials
from simulator.script import ConferenceBegan, ConferenceEnded, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World
from tests.pipeline.contacts.records import call
from tests.pipeline.store.contacts import CONTACT

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
MINUTE = 60_000
KNOWN, LOST, CHAT = ("WT" + digit * 32 for digit in "123")
GAVE_UP, ABANDONED, VOICEMAIL = ("WT" + digit * 32 for digit in "678")
"""Tasks that were canceled before an agent took them. The end of the first was not delivered."""
ACCOUNT = Account(CREDENTIALS.account_sid, "WS" + "4" * 32)


def reservation_of(task_sid: str) -> str:
    return "WR" + task_sid[2:]


def world_with_calls(now: int) -> World:
    """Three tasks that agents took 40 minutes ago: two calls that are over, and a chat. Each had a
    conference. Three more were canceled."""
    world, sids = World(Sids(Random(1))), Sids(Random(2))
    begun, ended = now - 40 * MINUTE, now - 35 * MINUTE
    for task_sid in (KNOWN, LOST, CHAT):
        payload: dict[str, Any] = {
            "task_sid": task_sid,
            "reservation_sid": reservation_of(task_sid),
            "worker_sid": "WK" + "5" * 32,
            "task_channel_unique_name": "chat" if task_sid == CHAT else "voice",
        }
        for name, at in (
            ("reservation.created", begun - 1_000),
            ("reservation.accepted", begun),
            ("reservation.wrapup", ended),
        ):
            remember(world.events, taskrouter_event(ACCOUNT, sids, name, at, payload))
        conference = "CF" + task_sid[2:]
        world.apply(ConferenceBegan(conference, task_sid), begun)
        world.apply(ConferenceEnded(conference), ended)
    for task_sid in (GAVE_UP, ABANDONED, VOICEMAIL):
        canceled: dict[str, Any] = {"task_sid": task_sid, "task_channel_unique_name": "voice"}
        for name, at in (("task.created", begun), ("task.canceled", ended)):
            remember(world.events, taskrouter_event(ACCOUNT, sids, name, at, canceled))
    return world


@asynccontextmanager
async def prepared(settings: Settings, now: int) -> AsyncIterator[TwilioRest]:
    """Twilio with the calls, and Kafka with the contact of the one that was captured."""
    topics = {topic.name: topic for topic in (*READS, *WRITES, RECONCILIATIONS)}
    await ensure_topics(settings, topics.values())
    sender = producer(settings)
    await sender.start()
    for task_sid in (KNOWN, ABANDONED):
        contact = encode(_contact(task_sid, now))
        await sender.send_and_wait(settings.prefixed(CONTACTS.name), contact, task_sid.encode())
    for task_sid, ended_at in ((GAVE_UP, None), (VOICEMAIL, now - 35 * MINUTE)):
        known = encode(replace(call(), task_sid=task_sid, ended_at=ended_at))
        await sender.send_and_wait(settings.prefixed(CALLS.name), known, task_sid.encode())
    await sender.stop()
    faults = Faults(too_many_requests=1)
    async with TwilioRest(world_with_calls(now), CREDENTIALS, faults) as rest:
        yield rest


def _contact(task_sid: str, now: int) -> Any:
    session = Session(reservation_of(task_sid), "ann@x", True, now - 40 * MINUTE, now - 35 * MINUTE)
    return replace(
        CONTACT, contact_id=task_sid, task_sid=task_sid, sessions=(session,), state="ended",
        ended_at=now - 35 * MINUTE, capture="complete",
    )  # fmt: skip


async def records_of(settings: Settings, topic: Topic) -> list[Any]:
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        return [decode(r.value) async for r in log.read_all(await log.spans(topic)) if r.value]
    finally:
        await log.stop()


async def done_kinds(settings: Settings) -> list[str]:
    """The kinds of the periods that are done, once for each period."""
    windows = {each.window for each in await records_of(settings, RECONCILIATION_WINDOWS)}
    return sorted(name.partition(":")[0] for name in windows)
