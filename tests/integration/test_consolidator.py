"""The consolidator on the real Kafka: records in, contacts in the database and on `contacts`."""

from dataclasses import replace
from typing import Any

import pytest

from agents import consolidator
from pipeline.contacts.contact import contact
from pipeline.contacts.state import Input, empty, fold
from pipeline.runtime.settings import Settings
from pipeline.store.database import migrate, open_database
from pipeline.store.repository import Repository
from schemas.records import Call, Contact, RecordingCompleted, RecordingStarted
from schemas.topics import CALLS, CONTACTS, POLICY, RECORDINGS, STREAM_EVENTS, Topic
from tests.conftest import SettingsFor
from tests.integration.faust_roles import RoleProcess, processes, publish, reading, role_running
from tests.integration.faust_roles import until as eventually
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    call,
    changed,
    completed,
    decided,
    opened,
    reservation,
    started,
)
from tests.pipeline.contacts.records import (
    POLICY as LISTED,
)

pytestmark = pytest.mark.integration


def task(number: int) -> str:
    return f"WT{number:032x}"


def records(number: int) -> list[Input]:
    """All records of an answered, transferred and recorded call, in the order of time."""
    ann = reservation(1, "ann", created=1_000, accepted=2_000)
    ann_left = reservation(1, "ann", created=1_000, accepted=2_000, wrapup=20_000)
    bob = reservation(2, "bob", created=15_000, accepted=19_000)
    bob_left = reservation(2, "bob", created=15_000, accepted=19_000, wrapup=40_000)
    inputs: list[Input] = [
        call(ann, revision=1),
        decided(2_000, "record"),
        changed(1, "starting", 2_001),
        opened(1, 2_300),
        changed(1, "running", 2_301, "MZ1"),
        started(1, 2_300),
        call(ann, bob, revision=2),
        call(ann_left, bob, revision=3),
        call(ann_left, bob_left, revision=4, completed=41_000),
        decided(40_000, "stop"),
        changed(1, "stopped", 40_200, "MZ1"),
        completed(1, 2_300, 40_100),
    ]
    return [_of(number, record) for record in inputs]


def _of(number: int, record: Any) -> Any:
    changes: dict[str, Any] = {"task_sid": task(number)}
    if hasattr(record, "stream_sid") and record.stream_sid:
        changes["stream_sid"] = f"MZ{number:032x}"
    if hasattr(record, "inum"):
        inum = f"{NOON // 1000}{number:08d}"
        changes |= {"inum": inum, "recording_id": f"{inum}-{number:016x}"}
    return replace(record, **changes)


def topic_of(record: Input) -> Topic:
    match record:
        case Call():
            return CALLS
        case RecordingStarted() | RecordingCompleted():
            return RECORDINGS
        case _:
            return STREAM_EVENTS


def expected(number: int) -> Contact:
    state = empty(task(number))
    for record in records(number):
        state = fold(state, record, NOON)
    made = contact(state, HISTORY, NOON + 10**9)
    assert made is not None
    return plain(made)


def plain(found: Contact) -> Contact:
    return replace(in_database(found), revision=0, updated_at=0)


def in_database(found: Contact) -> Contact:
    """Without the fields that only readers of `contacts` need."""
    return replace(found, required=(), customer_call_sids=())


def repository(settings: Settings) -> Repository:
    engine = open_database(str(settings.database_url))
    migrate(engine)
    return Repository(engine)


async def put(settings: Settings, *inputs: Input) -> None:
    for record in inputs:
        await publish(settings, topic_of(record), [(record.task_sid, record)])


async def test_a_call_becomes_a_contact(settings_for: SettingsFor, prefix: str) -> None:
    """The contact is in the database while the call is in progress, and at its end has sessions and
    recording. The last version on `contacts` is the same."""
    settings = settings_for(prefix, instance="consolidator-0")
    await publish(settings, POLICY, [("1", LISTED)])
    store, inputs = repository(settings), records(1)
    consolidating = role_running(consolidator.run, settings)
    async with reading(settings, CONTACTS) as contacts, consolidating:
        await put(settings, *inputs[:6])
        await eventually(lambda: _being_recorded(store) == ["recording"])
        await put(settings, *inputs[6:])
        await eventually(lambda: _is_complete(store, 1))
        seen = await contacts.until(lambda seen: bool(seen) and plain(seen[-1]) == expected(1))
    assert in_database(seen[-1]) == store.contact(task(1))
    assert () == store.calls_in_progress()


async def test_audio_whose_task_is_not_known_is_found_and_attached_later(
    settings_for: SettingsFor, prefix: str
) -> None:
    """A recording becomes complete before anything is known of its call; then the call comes."""
    settings = settings_for(prefix, instance="consolidator-0")
    await publish(settings, POLICY, [("1", LISTED)])
    store, inputs = repository(settings), records(1)
    audio = [r for r in inputs if isinstance(r, RecordingStarted | RecordingCompleted)]
    async with role_running(consolidator.run, settings):
        await put(settings, *audio)
        await eventually(lambda: store.count_unmatched() == 1)
        assert store.contact(task(1)) is None
        await put(settings, *(r for r in inputs if r not in audio))
        await eventually(lambda: _is_complete(store, 1))
    assert 0 == store.count_unmatched()


async def test_killed_again_and_again_it_makes_the_same_contacts(
    settings_for: SettingsFor, prefix: str
) -> None:
    """SIGKILL amid the records of thirty calls: every contact comes out as the pure fold says."""
    settings = settings_for(prefix)
    await publish(settings, POLICY, [("1", LISTED)])
    store, process = repository(settings), _process(settings)
    numbers = range(1, 31)
    async with processes(process):
        for step, batch in enumerate(zip(*map(records, numbers), strict=True)):
            before = _revisions(store)
            await publish(settings, topic_of(batch[0]), [(r.task_sid, r) for r in batch])
            if step % 4 == 3:
                # Some of the batch is handled, most of it is not.
                await eventually(lambda seen=before: _revisions(store) != seen)  # type: ignore[misc]
                await process.kill()
                await process.start()
        await eventually(lambda: all(_is_complete(store, number) for number in numbers), 90)
        assert 0 == await process.stop()
    assert [expected(n) for n in numbers] == [_stored(store, n) for n in numbers]


def _process(settings: Settings) -> RoleProcess:
    process = RoleProcess(settings, "consolidator", "agents.consolidator", "consolidator-0")
    process._environment["FLEXCAPTURE_DATABASE_URL"] = str(settings.database_url)
    return process


def _being_recorded(store: Repository) -> list[str]:
    return [r.state for going_on in store.calls_in_progress() for r in going_on.recordings]


def _stored(store: Repository, number: int) -> Contact | None:
    found = store.contact(task(number))
    return None if found is None else plain(found)


def _is_complete(store: Repository, number: int) -> bool:
    return _stored(store, number) == expected(number)


def _revisions(store: Repository) -> list[int]:
    found = (store.contact(task(number)) for number in range(1, 31))
    return [0 if one is None else one.revision for one in found]
