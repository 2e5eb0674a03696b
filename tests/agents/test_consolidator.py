"""The consolidator's core as the runner sees it."""

from dataclasses import replace

from hypothesis import given, settings

from agents.consolidator import SETTLED, ContactsCore
from agents.faust_runner.core import Step
from pipeline.contacts.state import AWAITED_MS, KEPT_MS, Input, revision
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import Contact, ContactState, MediaStreamClosed
from schemas.topics import CONTACTS
from tests.agents.consolidated import ANN, LEFT, state_of
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


def contacts_of(step: Step[ContactState]) -> list[Contact]:
    assert all((CONTACTS, TASK) == (output.topic, output.key) for output in step.outputs)
    return [output.record for output in step.outputs]


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
    complete = state_of(core.on_record(TASK, waiting, completed(1, 0, 9), NOON))
    assert Step(None) == core.on_tick(TASK, complete, NOON + KEPT_MS)
    going_on = state_of(core.on_record(TASK, None, ANN, NOON))
    assert core.on_tick(TASK, going_on, NOON + KEPT_MS).state is not None
    assert Step(None) == core.on_tick(TASK, going_on, NOON + AWAITED_MS)
    assert NOON + KEPT_MS == core.wakes_at(over)
    assert NOON + AWAITED_MS == core.wakes_at(waiting)


def test_a_contact_that_waits_in_vain_gets_a_last_version() -> None:
    """A media stream was opened, and no recording followed within 4 days: it is missing, not
    pending; if an earlier version was published, the state is just dropped."""
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
    complete = state_of(core.on_record(TASK, None, LEFT, NOON))
    assert Step(None) == core.on_tick(TASK, complete, NOON + AWAITED_MS)


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
