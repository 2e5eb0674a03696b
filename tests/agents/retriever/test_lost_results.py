"""A retriever that is killed between the announcement of a recording and the record of its job."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from aiohttp import web

from pipeline.runtime import kafka
from schemas.records import Contact, ContactGap, RecordingCompleted, RequiredSpan
from schemas.topics import PROVISIONED, RECORDINGS
from simulator.recorded_rest import RecordedRest
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World
from tests.agents.retriever.test_retriever import (
    ACCOUNT,
    jobs_of,
    play,
    publish,
    read,
    until_over,
)
from tests.conftest import SettingsFor
from tests.integration.single_roles import roles

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]


def requiring(contact: Contact, revision: int, *spans: tuple[int, int]) -> Contact:
    """Return a version of a contact with this required time (s from its beginning), all missing."""
    times = [(contact.started_at + a * 1000, contact.started_at + b * 1000) for a, b in spans]
    return replace(
        contact,
        revision=revision,
        required=tuple(RequiredSpan(*span) for span in times),
        gaps=tuple(ContactGap(*span, "", "") for span in times),
    )


async def test_a_killed_retriever_stores_no_part_twice_and_loses_none(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed while it deletes two recordings at Twilio: both are announced, and no job has
    the result. One call then has more required time. Afterwards each has all of it, once."""
    settings = settings_for(prefix)
    await kafka.ensure_topics(settings, PROVISIONED, 60)
    deletes, goes_on = asyncio.Semaphore(0), asyncio.Event()
    delete = RecordedRest._delete

    async def held(rest: RecordedRest, request: web.Request) -> web.Response:
        if goes_on.is_set():
            return await delete(rest, request)
        deletes.release()
        await goes_on.wait()
        raise web.HTTPServiceUnavailable

    monkeypatch.setattr(RecordedRest, "_delete", held)
    world = World(Sids(Random(1)))
    one, other = (play(world, number) for number in range(2))
    other = requiring(other, 2, (0, 4))
    more = {"RECOVERY": "missing", "RECOVERY_DELAY_SECONDS": "0", "RECOVERY_DELETE": "true"}
    async with TwilioRest(world, ACCOUNT, Faults()) as rest:
        more["TWILIO_API_URL"] = rest.url
        servers = settings.kafka_bootstrap_servers or ""
        with roles(tmp_path, servers, prefix, **more) as started:
            started.start({"retriever": 1})
            await started.all_healthy(60)
            await publish(settings, [one, other])
            for _ in range(2):
                await deletes.acquire()
            assert {"waiting"} == {job.state for job in (await jobs_of(settings)).values()}
            started.processes.pop("retriever-0").kill()
            before = await read(settings, RECORDINGS.name)
            await publish(settings, [requiring(other, 9, (0, 4), (6, 10))])
            goes_on.set()
            started._start("retriever-0", started.listens["retriever-0"])
            jobs = await until_over(settings, 2, started)
        announced = await read(settings, RECORDINGS.name)
    assert 2 == len(before)
    assert {("done", "stored")} == {(job.state, job.reason) for job in jobs.values()}
    assert all(result.deleted for job in jobs.values() for result in job.retrieved)
    by_task: dict[str, set[RecordingCompleted]] = {one.task_sid: set(), other.task_sid: set()}
    for record in announced:
        assert isinstance(record, RecordingCompleted)
        by_task[record.task_sid].add(record)
    assert set(before) <= set(announced)
    assert 1 == len(by_task[one.task_sid])
    first, second = sorted(by_task[other.task_sid], key=lambda record: record.started_at)
    assert first in before
    assert first.started_at + first.duration_ms <= other.started_at + 4_000
    assert second.started_at >= other.started_at + 6_000
    assert 2_000 <= second.duration_ms
    assert [0, 1] == sorted(result.part for result in jobs[other.task_sid].retrieved)
    assert 3 == len(list((tmp_path / "recordings").rglob("*.wav")))
