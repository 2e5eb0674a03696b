"""Retrievers as processes on a real Kafka: they share the work, are killed, and fetch each call
once."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from schemas.codec import decode, encode
from schemas.records import Contact, ContactGap, RecordingCompleted, RequiredSpan, RetrievalJob
from schemas.topics import CONTACTS, DEAD_LETTERS, PROVISIONED, RECORDINGS, RETRIEVALS
from simulator.audio import Voice
from simulator.media import Credentials
from simulator.recorded import RecordingQuirk
from simulator.script import (
    ConferenceBegan,
    ConferenceEnded,
    LegBegan,
    LegStatus,
    ParticipantJoined,
    Sids,
)
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World
from tests.conftest import SettingsFor
from tests.integration.single_roles import Roles, roles
from tests.pipeline.recovery.contacts_made import AT, contact_with

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

CALLS = 24
ACCOUNT = Credentials("AC" + "0" * 32, "t" * 32)


def sid(kind: str, number: int) -> str:
    """Return a SID."""
    return f"{kind}{number:032x}"


def play(world: World, number: int) -> Contact:
    """Play a call of 10 s that was missed; return its contact."""
    task, customer, worker = sid("WT", number), sid("CA", 2 * number), sid("CA", 2 * number + 1)
    begun = AT + number * 1_700
    for call_sid in (customer, worker):
        world.apply(LegBegan(call_sid, LegStatus.IN_PROGRESS), begun, seed=task)
    conference = sid("CF", number)
    world.apply(ConferenceBegan(conference, task), begun)
    world.apply(ParticipantJoined(conference, customer, "customer", Voice.CUSTOMER), begun)
    world.apply(ParticipantJoined(conference, worker, None, Voice.AGENT), begun)
    world.apply(ConferenceEnded(conference), begun + 10_000)
    span = (begun - 2_000, begun + 12_000)
    return replace(
        contact_with(),
        contact_id=task,
        task_sid=task,
        started_at=begun,
        ended_at=begun + 10_000,
        call_sids=(customer, worker),
        customer_call_sids=(customer,),
        required=(RequiredSpan(*span),),
        gaps=(ContactGap(*span, "", ""),),
        revision=number + 1,
    )


async def publish(settings: Settings, contacts: list[Contact], *, junk: bool = False) -> None:
    """Publish contacts, after a record that is not a contact."""
    producer = kafka.producer(settings)
    await producer.start()
    try:
        topic = settings.prefixed(CONTACTS.name)
        if junk:
            await producer.send_and_wait(topic, b"junk", key=b"WTx")
        for contact in contacts:
            await producer.send_and_wait(topic, encode(contact), key=contact.task_sid.encode())
    finally:
        await producer.stop()


async def read(settings: Settings, name: str) -> list[object]:
    """Return all records of a topic."""
    consumer = kafka.consumer(settings, settings.prefixed(name))
    await consumer.start()
    try:
        tps = consumer.assignment()
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        found: list[object] = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode(m.value) for m in messages if m.value is not None]
        return found
    finally:
        await consumer.stop()


async def jobs_of(settings: Settings) -> dict[str, RetrievalJob]:
    """Return the latest version of each job."""
    records = await read(settings, RETRIEVALS.name)
    return {job.task_sid: job for job in records if isinstance(job, RetrievalJob)}


async def until_over(settings: Settings, count: int, started: Roles) -> dict[str, RetrievalJob]:
    """Return the jobs once so many are over."""
    jobs: dict[str, RetrievalJob] = {}
    try:
        async with asyncio.timeout(200):
            while sum(job.state != "waiting" for job in jobs.values()) < count:
                await asyncio.sleep(0.5)
                jobs = await jobs_of(settings)
    except TimeoutError:
        logs = {n: started.log(n).read_text()[-1500:] for n in started.processes}
        raise AssertionError((Counter(j.state for j in jobs.values()), logs)) from None
    return jobs


async def test_killed_retrievers_fetch_each_call_once(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """Two retrievers are killed in turn while they work, and started again. Each call is announced
    with one complete and correct recording; calls without audio fail with their reason; a record
    that is not a contact is a dead letter. Repeated contacts fetch nothing."""
    settings = settings_for(prefix)
    await kafka.ensure_topics(settings, PROVISIONED, 60)
    world = World(Sids(Random(1)))
    contacts = [play(world, number) for number in range(CALLS)]
    async with TwilioRest(world, ACCOUNT, Faults()) as rest:
        for contact in contacts[:3]:
            rest.recordings.recorded.quirks[contact.task_sid] = RecordingQuirk.ABSENT
        more = {
            "TWILIO_API_URL": rest.url,
            "RECOVERY": "missing",
            "RECOVERY_DELAY_SECONDS": "0",
            "RECOVERY_GIVE_UP_SECONDS": "1",
            "TWILIO_HISTORY_CONCURRENCY": "2",
        }
        servers = settings.kafka_bootstrap_servers or ""
        with roles(tmp_path, servers, prefix, **more) as started:
            started.start({"retriever": 2})
            await started.all_healthy(60)
            await publish(settings, contacts, junk=True)
            for number in (0, 1, 0, 1):
                seen = len(rest.recordings.media_requests)
                async with asyncio.timeout(60):
                    while len(rest.recordings.media_requests) == seen:
                        if len(await read(settings, RECORDINGS.name)) >= CALLS - 3:
                            break
                        await asyncio.sleep(0.05)
                name = f"retriever-{number}"
                started.processes.pop(name).kill()
                started._start(name, started.listens[name])
            jobs = await until_over(settings, CALLS, started)
            requests = list(rest.recordings.media_requests)
            again = [replace(c, revision=c.revision + 1_000) for c in contacts]
            await publish(settings, [*contacts, *again])
            fresh = play(world, CALLS)
            await publish(settings, [fresh])
            await until_over(settings, CALLS + 1, started)
        await check(settings, rest, contacts, jobs, tmp_path)
        [new] = {*rest.recordings.media_requests[len(requests) :]} - {*requests}
        assert rest.recordings.media_requests.count(new) <= 2
        assert set(rest.recordings.media_requests[len(requests) :]) == {new}


async def check(
    settings: Settings,
    rest: TwilioRest,
    contacts: list[Contact],
    jobs: dict[str, RetrievalJob],
    directory: Path,
) -> None:
    """Check the result of each call."""
    absent = {c.task_sid for c in contacts[:3]}
    assert {"failed"} == {jobs[task].state for task in absent}
    assert {"status-absent"} == {jobs[task].reason for task in absent}
    announced = await read(settings, RECORDINGS.name)
    by_task: dict[str, set[RecordingCompleted]] = {}
    for record in announced:
        assert isinstance(record, RecordingCompleted)
        by_task.setdefault(record.task_sid, set()).add(record)
    wanted = {c.task_sid for c in contacts} - absent
    assert wanted <= by_task.keys()
    assert {1} == set(map(len, by_task.values()))  # a repetition says the same
    sources = {r.sid: r for r in rest.recordings.recorded.all(AT + 10**9)}
    for task in wanted:
        [recording] = by_task[task]
        data = (directory / "recordings" / recording.audio).read_bytes()[58:]
        assert rest.recordings.recorded.channels(sources[recording.stream_sid]) == (
            data[::2], data[1::2],
        )  # fmt: skip
    [letter] = await read(settings, DEAD_LETTERS.name)
    assert ("undecodable", "retriever") == (letter.reason, letter.role)  # type: ignore[attr-defined]
