"""Records of a contact that the consolidator has forgotten, on the databases: nothing is lost."""

import asyncio
from dataclasses import replace

from agents.consolidator import ContactsCore
from agents.contact_saver import Saver
from pipeline.contacts.contact import contact
from pipeline.contacts.state import Input, empty, fold
from pipeline.runtime.telemetry import Health
from pipeline.store.repository import Repository
from schemas.records import Contact, ContactState
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    call,
    changed,
    completed,
    decided,
    opened,
    reservation,
    started,
)

KEPT_MS = 4 * 60 * 60 * 1000
ANN = reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000)
OUTBOUND = call(ANN, revision=4, direction="outbound", completed=31_000)
ON_TIME: tuple[Input, ...] = (
    OUTBOUND,
    decided(2_000, "record"),
    changed(1, "running", 2_100, "MZ1"),
    opened(1, 2_100),
    started(1, 2_100),
    completed(1, 2_100, 29_000),
)


def as_if_never_forgotten(*records: Input) -> Contact:
    """The contact of all these records, without when it was made."""
    state = empty(TASK)
    for record in records:
        state = fold(state, record, NOON)
    made = contact(state, HISTORY, NOON)
    assert made is not None
    return timeless(made)


def timeless(made: Contact | None) -> Contact:
    """Return the contact without the parts that differ for each creation: the database assigns
    missing recording ids. Nor does it have the fields that only readers of `contacts` need."""
    assert made is not None
    recordings = tuple(replace(recording, recording_id="") for recording in made.recordings)
    plain = replace(made, required=(), customer_call_sids=())
    return replace(plain, revision=0, updated_at=0, recordings=recordings)


class Consolidator:
    """The core on a database, as the runner has them; its table can be lost."""

    def __init__(self, repository: Repository) -> None:
        self.core = ContactsCore(HISTORY)
        self.saver = Saver(repository, Health(), asyncio.Event())
        self.state: ContactState | None = None

    async def take(self, record: Input, now: int) -> list[Contact]:
        """One record; the versions that are published of it."""
        if self.state is None:
            self.state = await self.saver.recall(TASK)
        step = self.core.on_record(TASK, self.state, record, now)
        await self.saver(TASK, self.state, step)
        self.state = step.state
        return [output.record for output in step.outputs]

    def tick(self, now: int) -> None:
        if self.state is not None:
            self.state = self.core.on_tick(TASK, self.state, now).state


async def test_a_late_version_of_a_call_takes_nothing_away(repository: Repository) -> None:
    """Sessions, recordings, streams and outcome stay, in the database and on the topic, even if the
    tracker has opened the call again and knows less of it."""
    here = Consolidator(repository)
    for record in ON_TIME:
        await here.take(record, NOON)
    here.tick(NOON + KEPT_MS)
    assert here.state is None
    bob = reservation(2, "bob", created=40_000)
    poorer = call(bob, revision=1, direction="outbound")
    published = await here.take(poorer, NOON + KEPT_MS + 60_000)
    expected = as_if_never_forgotten(*ON_TIME, poorer)
    assert ("answered", 2, 1) == (
        expected.outcome, len(expected.sessions), len(expected.recordings),
    )  # fmt: skip
    assert [expected] == [timeless(made) for made in published]
    assert expected == timeless(repository.contact(TASK))


async def test_a_recording_that_completes_late_becomes_complete(repository: Repository) -> None:
    """The recording completes even if the call is forgotten by then, as after the loss of the
    table."""
    here = Consolidator(repository)
    for record in ON_TIME[:-1]:
        await here.take(record, NOON)
    here.state = None
    await here.take(ON_TIME[-1], NOON + 5 * KEPT_MS)
    found = repository.contact(TASK)
    assert as_if_never_forgotten(*ON_TIME) == timeless(found)
    assert found is not None
    assert ["complete"] == [recording.state for recording in found.recordings]


async def test_a_repeated_record_of_a_forgotten_contact_is_nothing_new(
    repository: Repository,
) -> None:
    """No version is published, and the next tick forgets the contact again."""
    here = Consolidator(repository)
    for record in ON_TIME:
        await here.take(record, NOON)
    here.tick(NOON + KEPT_MS)
    before = repository.contact(TASK)
    assert [] == await here.take(OUTBOUND, NOON + 2 * KEPT_MS)
    assert before == repository.contact(TASK)
    here.tick(NOON + 2 * KEPT_MS)
    assert here.state is None
