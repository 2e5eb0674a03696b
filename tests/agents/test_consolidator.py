"""The consolidator's core as the runner sees it, and how contacts are saved."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from sqlalchemy.exc import DataError, OperationalError

from agents import consolidator, metrics
from agents.consolidator import SETTLED, ContactsCore, Saver
from agents.faust_runner.core import Output, Step
from pipeline.contacts.state import AWAITED_MS, KEPT_MS, Input, revision
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.records import Contact, ContactRecording, ContactState, MediaStreamClosed
from schemas.topics import CONTACTS
from tests.examples import examples
from tests.pipeline.contacts.records import (
    HISTORY,
    LEG,
    NOON,
    POLICY,
    TASK,
    call,
    completed,
    histories,
    opened,
    reservation,
    started,
)
from tests.pipeline.store.contacts import CONTACT

ANN = call(reservation(1, "ann", created=1_000, accepted=2_000))
LEFT = call(
    reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000),
    revision=2,
    completed=31_000,
)  # fmt: skip


def contacts_of(step: Step[ContactState]) -> list[Contact]:
    assert all((CONTACTS, TASK) == (output.topic, output.key) for output in step.outputs)
    return [output.record for output in step.outputs]


def state_of(step: Step[ContactState]) -> ContactState:
    assert step.state is not None
    return step.state


def test_a_record_makes_a_version_of_the_contact() -> None:
    """Published under its task, and the state to keep."""
    step = ContactsCore(HISTORY).on_record(TASK, None, ANN, NOON)
    (contact,) = contacts_of(step)
    assert contact.sessions[0].monitored
    assert revision(state_of(step)) == contact.revision


def test_a_record_that_says_nothing_is_no_step() -> None:
    """The closing of a media stream, which the recorder reports, and a repeated record change
    nothing."""
    core = ContactsCore(HISTORY)
    closed = MediaStreamClosed("MZ1", LEG, TASK, None, 1, "g", 1, NOON, "stop", "", 1, 1, 0)
    assert Step(None) == core.on_record(TASK, None, closed, NOON)
    state = state_of(core.on_record(TASK, None, ANN, NOON))
    again = core.on_record(TASK, state, ANN, NOON + 5)
    assert again.state is state
    assert () == again.outputs


def test_parts_before_the_call_are_kept() -> None:
    """A recording that starts before its call is known makes no contact yet, but is in it later."""
    core = ContactsCore(HISTORY)
    early = core.on_record(TASK, None, started(1, 0), NOON)
    assert [] == contacts_of(early)
    (contact,) = contacts_of(core.on_record(TASK, state_of(early), ANN, NOON))
    assert 1 == len(contact.recordings)


@settings(max_examples=examples(40), deadline=None)
@given(histories())
def test_the_last_version_says_the_same_in_any_order(records: list[Input]) -> None:
    """The last published version depends on the records, not on their order."""

    def last(order: list[Input]) -> Contact | None:
        core, state, found = ContactsCore(HISTORY), None, None
        for record in order:
            step = core.on_record(TASK, state, record, NOON)
            state = step.state
            found = (contacts_of(step) or [found])[-1]
        return found and replace(found, revision=0, updated_at=0)

    assert last(records) == last(records[::-1])


def test_a_changed_list_is_seen_at_a_tick() -> None:
    """Once its version is in force, and once only."""
    history = PolicyHistory.of([POLICY])
    core = ContactsCore(history)
    eve = call(reservation(1, "eve", created=1_000, accepted=2_000))
    first = core.on_record(TASK, None, eve, NOON)
    state = state_of(first)
    assert not contacts_of(first)[0].sessions[0].monitored
    assert Step(state) == core.on_tick(TASK, state, NOON + 5_000)
    history.add(replace(POLICY, version=2, effective_at=NOON + 6_000, entries=("*",)))
    assert Step(state) == core.on_tick(TASK, state, NOON + 5_999)
    changed = core.on_tick(TASK, state, NOON + 6_001)
    (contact,) = contacts_of(changed)
    assert contact.sessions[0].monitored
    assert contact.revision > contacts_of(first)[0].revision
    assert Step(changed.state) == core.on_tick(TASK, state_of(changed), NOON + 7_000)


def test_a_contact_that_is_over_is_left_alone() -> None:
    """Later versions of the list do not touch it."""
    history = PolicyHistory.of([POLICY])
    core = ContactsCore(history)
    state = state_of(core.on_record(TASK, None, LEFT, NOON))
    assert SETTLED == state.policy_version
    history.add(replace(POLICY, version=2, effective_at=NOON, entries=("*",)))
    assert Step(state) == core.on_tick(TASK, state, NOON + 60_000)


def test_a_contact_is_forgotten_when_nothing_more_can_come() -> None:
    """4 hours after its end, unless a recording is still to come; an open call only in days."""
    core = ContactsCore(HISTORY)
    over = state_of(core.on_record(TASK, None, LEFT, NOON))
    assert Step(over) == core.on_tick(TASK, over, NOON + KEPT_MS - 1)
    assert Step(None) == core.on_tick(TASK, over, NOON + KEPT_MS)
    waiting = state_of(core.on_record(TASK, over, opened(1), NOON))
    assert Step(waiting) == core.on_tick(TASK, waiting, NOON + KEPT_MS)
    whole = state_of(core.on_record(TASK, waiting, completed(1, 0, 9), NOON))
    assert Step(None) == core.on_tick(TASK, whole, NOON + KEPT_MS)
    going_on = state_of(core.on_record(TASK, None, ANN, NOON))
    assert core.on_tick(TASK, going_on, NOON + KEPT_MS).state is not None
    assert Step(None) == core.on_tick(TASK, going_on, NOON + AWAITED_MS)
    assert NOON + KEPT_MS == core.wakes_at(over)
    assert NOON + AWAITED_MS == core.wakes_at(waiting)


def test_a_contact_that_waits_in_vain_gets_a_last_version() -> None:
    """A media stream was opened, and no recording came of it in 4 days: it is missing, not pending;
    with another version before, the state just goes."""
    core = ContactsCore(HISTORY)
    waiting = state_of(core.on_record(TASK, None, LEFT, NOON))
    first = core.on_record(TASK, waiting, opened(1), NOON)
    waiting = state_of(first)
    assert "pending" == contacts_of(first)[0].capture == waiting.capture
    last = core.on_tick(TASK, waiting, NOON + AWAITED_MS + 5_000)
    assert last.state is None
    (contact,) = contacts_of(last)
    assert "missing" == contact.capture
    assert contact.revision > contacts_of(first)[0].revision
    whole = state_of(core.on_record(TASK, None, LEFT, NOON))
    assert Step(None) == core.on_tick(TASK, whole, NOON + AWAITED_MS)


def test_a_late_recording_after_the_last_version_is_a_later_one() -> None:
    """The state is recalled as it was saved, and the result is newer than the last version."""
    core = ContactsCore(HISTORY)
    left = core.on_record(TASK, None, LEFT, NOON)
    saved = state_of(core.on_record(TASK, state_of(left), opened(1), NOON))
    (last,) = contacts_of(core.on_tick(TASK, saved, NOON + AWAITED_MS))
    late = core.on_record(TASK, saved, completed(1, 2_300, 30_000), NOON + AWAITED_MS + 1)
    (contact,) = contacts_of(late)
    assert contact.revision > last.revision
    assert "complete" == contact.capture


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
    monkeypatch.setattr(consolidator, "RETRY_S", 0)


async def test_a_contact_is_saved_once_the_database_is_back() -> None:
    """Tried again in place; health is good afterwards."""
    database, health = Database(AWAY, AWAY), Health()
    await Saver(database, health, asyncio.Event())(TASK, None, STEP)
    assert [CONTACT] == database.saved
    assert {} == health.reasons


async def test_health_is_bad_while_the_database_is_away() -> None:
    """And stopping then neither saves nor lets the record go."""
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


async def test_a_contact_that_the_database_refuses_holds_nothing_up() -> None:
    """It is logged and let go."""
    database, health = Database(DataError("INSERT", {}, Exception("too long"))), Health()
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
    monkeypatch.setattr(consolidator, "COUNT_S", 0)
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
