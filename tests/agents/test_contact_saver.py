"""How contacts are saved and recalled."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import DataError, OperationalError, StatementError

from agents import contact_saver, metrics
from agents.consolidator import ContactsCore
from agents.contact_saver import Saver
from agents.faust_runner.core import Output, Step
from pipeline.contacts.state import KEPT_MS
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.records import Contact, ContactRecording
from schemas.topics import CONTACTS
from tests.agents.consolidated import ANN, LEFT, state_of
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    completed,
    opened,
    started,
)
from tests.pipeline.store.contacts import CONTACT


class Database:
    """A repository that fails a few times first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.saved: list[Contact] = []
        self.states: dict[str, bytes] = {}
        self.unmatched: dict[str, list[str]] = {}

    def save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.unmatched[task_sid] = [recording.inum for recording in recordings]
        self.states[task_sid] = state

    def count_unmatched(self) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return sum(map(len, self.unmatched.values()))

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.saved.append(contact)
        self.unmatched.pop(contact.contact_id, None)
        if state is not None:
            self.states[contact.contact_id] = state
        return True

    def state_of(self, contact_id: str) -> bytes | None:
        if self.errors:
            raise self.errors.pop(0)
        return self.states.get(contact_id)


STEP = Step(None, (Output(CONTACTS, TASK, CONTACT),))
AWAY = OperationalError("INSERT", {}, Exception("away"))


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_saver, "RETRY_S", 0)


async def test_a_contact_is_saved_once_the_database_is_back() -> None:
    """Tried again in place; health is good afterwards."""
    database, health = Database(AWAY, AWAY), Health()
    await Saver(database, health, asyncio.Event())(TASK, None, STEP)
    assert [CONTACT] == database.saved
    assert {} == health.reasons


async def test_health_is_bad_while_the_database_is_away() -> None:
    """A stop at that time neither saves nor releases the record."""
    database, health, stop = Database(*[AWAY] * 9), Health(), asyncio.Event()
    stop.set()
    saving = asyncio.ensure_future(Saver(database, health, stop)(TASK, None, STEP))
    while "database" not in health.reasons:  # noqa: ASYNC110 - a thread says it
        await asyncio.sleep(0)
    assert not saving.done()
    saving.cancel()
    await asyncio.wait([saving])
    assert saving.cancelled()
    assert [] == database.saved


@pytest.mark.parametrize(
    "refusal",
    [
        DataError("INSERT", {}, Exception("too long")),
        StatementError("not JSON serializable", "INSERT", {}, TypeError("no JSON")),
    ],
)
async def test_a_contact_that_the_database_refuses_holds_nothing_up(refusal: Exception) -> None:
    """It is logged and skipped. The same holds for one that cannot be put into a statement."""
    database, health = Database(refusal), Health()
    await Saver(database, health, asyncio.Event())(TASK, None, STEP)
    assert [] == database.saved
    assert {} == health.reasons


async def test_a_forgotten_contact_is_recalled_as_it_was_saved() -> None:
    """Also while the database is away for a moment; one that was never saved is not known."""
    database, health = Database(), Health()
    saver = Saver(database, health, asyncio.Event())
    step = ContactsCore(HISTORY).on_record(TASK, None, LEFT, NOON)
    await saver(TASK, None, step)
    database.errors = [AWAY, AWAY]
    assert step.state == await saver.recall(TASK)
    assert None is await saver.recall("WT0")
    assert {} == health.reasons


async def test_recordings_without_a_contact_are_saved_and_attached_later() -> None:
    """While the database is away they are saved again; the state is recalled after it was
    forgotten; the contact that is made in the end has them."""
    database, core = Database(AWAY), ContactsCore(HISTORY)
    saver = Saver(database, Health(), asyncio.Event())
    first = core.on_record(TASK, None, completed(1, 2_300, 30_000), NOON)
    assert () == first.outputs
    await saver(TASK, None, first)
    assert {TASK: [f"{NOON}1"]} == database.unmatched
    assert encode(first.state) == database.states[TASK]

    state = state_of(first)
    assert Step(state) == core.on_tick(TASK, state, NOON + KEPT_MS - 1)
    assert Step(None) == core.on_tick(TASK, state, NOON + KEPT_MS)
    recalled = await saver.recall(TASK)
    last = core.on_record(TASK, recalled, LEFT, NOON + KEPT_MS + 1)
    await saver(TASK, recalled, last)
    assert [f"{NOON}1"] == [r.inum for r in database.saved[-1].recordings]
    assert {} == database.unmatched


async def test_a_record_that_is_no_news_saves_nothing() -> None:
    """The recordings of a contact are not saved as such without one."""
    database, core = Database(), ContactsCore(HISTORY)
    saver = Saver(database, Health(), asyncio.Event())
    state = state_of(core.on_record(TASK, None, completed(1, 2_300, 30_000), NOON))
    state = state_of(core.on_record(TASK, state, LEFT, NOON))
    await saver(TASK, state, core.on_record(TASK, state, LEFT, NOON))
    assert {} == database.unmatched
    assert {} == database.states


async def test_a_state_without_recordings_and_contact_is_not_saved() -> None:
    """A media stream that was opened makes neither."""
    database = Database()
    step = ContactsCore(HISTORY).on_record(TASK, None, opened(1), NOON)
    await Saver(database, Health(), asyncio.Event())(TASK, None, step)
    assert {} == database.states


async def test_recordings_that_the_database_refuses_hold_nothing_up() -> None:
    """They are logged and counted, and the step is done."""
    database = Database(DataError("INSERT", {}, Exception("too long")))
    step = ContactsCore(HISTORY).on_record(TASK, None, completed(1, 0, 9), NOON)
    before = metrics.CONTACTS_SAVED.labels("refused")._value.get()
    await Saver(database, Health(), asyncio.Event())(TASK, None, step)
    assert {} == database.unmatched
    assert before + 1 == metrics.CONTACTS_SAVED.labels("refused")._value.get()


async def test_recordings_without_a_contact_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again, also after the database was away."""
    monkeypatch.setattr(contact_saver, "COUNT_S", 0)
    database = Database(AWAY)
    database.unmatched = {TASK: ["1", "2"]}
    counting = asyncio.ensure_future(Saver(database, Health(), asyncio.Event()).count())
    while metrics.UNMATCHED_RECORDINGS._value.get() != 2:  # noqa: ASYNC110 - a thread says it
        await asyncio.sleep(0)
    database.unmatched.clear()
    while metrics.UNMATCHED_RECORDINGS._value.get() != 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    counting.cancel()
    await asyncio.wait([counting])


def finals() -> dict[str, float]:
    names = ("complete", "missing", "partial", "not-required")
    return {name: metrics.CONTACTS_FINAL.labels(name)._value.get() for name in names}


async def test_a_contact_is_counted_when_its_capture_is_final() -> None:
    """Once; again if a later record changes it; not while it is pending, nor a version that the
    database has a later one of."""
    database, core, before = Database(), ContactsCore(HISTORY), finals()
    saver, state = Saver(database, Health(), asyncio.Event()), None
    for record in (ANN, opened(1, 2_300), LEFT, started(1, 2_300), completed(1, 2_300, 20_000)):
        step = core.on_record(TASK, state, record, NOON)
        await saver(TASK, state, step)
        state = step.state
    assert {**before, "partial": before["partial"] + 1} == finals()
    step = core.on_record(TASK, state, completed(2, 20_000, 30_000), NOON)
    await saver(TASK, state, step)
    await saver(TASK, step.state, step)
    assert {
        **before, "partial": before["partial"] + 1, "complete": before["complete"] + 1
    } == finals()  # fmt: skip
