"""Evidence from Twilio's lists in contacts, and the results of the comparison."""

from itertools import permutations

from agents.consolidator import ContactsCore
from agents.faust_runner.core import Step
from pipeline.contacts.state import KEPT_MS
from pipeline.reconciliation.result import UNKNOWN_MS
from schemas.records import Contact, ContactState, Reconciliation
from schemas.topics import RECONCILIATIONS
from tests.agents.consolidated import ANN, LEFT
from tests.pipeline.contacts.records import HISTORY, NOON, TASK, completed
from tests.pipeline.reconciliation.records import RE, RECORDING, evidence

EVIDENCE = evidence(reservations=())
CORE = ContactsCore(HISTORY)


def after(*records: object, now: int = NOON + 60_000) -> Step[ContactState]:
    step: Step[ContactState] = Step(None)
    for record in records:
        step = CORE.on_record(TASK, step.state, record, now)
    return step


def results(step: Step[ContactState]) -> list[Reconciliation]:
    found = [o.record for o in step.outputs if o.topic is RECONCILIATIONS]
    assert all(TASK == o.key for o in step.outputs)
    return found


def contact(step: Step[ContactState]) -> Contact:
    (made,) = [o.record for o in step.outputs if isinstance(o.record, Contact)]
    return made


def test_a_call_without_audio_is_lost() -> None:
    """In a record of its own and in the contact."""
    step = after(LEFT, EVIDENCE)
    (found,) = results(step)
    assert ("lost", 1) == (found.result, found.policy_version)
    assert found == contact(step).reconciliation


def test_the_order_of_records_does_not_matter() -> None:
    """The last step has the same result for any order of records."""
    records = (LEFT, EVIDENCE, completed(1, 2_300, 30_000))
    steps = [after(*order) for order in permutations(records)]
    found = {repr(contact(step).reconciliation) for step in steps}
    assert 1 == len(found)
    made = contact(steps[0]).reconciliation
    assert made is not None
    assert "captured" == made.result


def test_a_repeated_finding_publishes_nothing() -> None:
    """Another one that changes only the contact's version has no effect either."""
    step = after(LEFT, EVIDENCE)
    assert [] == results(CORE.on_record(TASK, step.state, EVIDENCE, NOON + 70_000))


def test_a_result_that_changes_is_published_again() -> None:
    """Audio that came late turns a loss into a capture; so does news from Twilio change it."""
    lost = after(LEFT, EVIDENCE)
    news = evidence(reservations=(), recordings=(RECORDING,), is_examined=True)
    (more,) = results(CORE.on_record(TASK, lost.state, news, NOON + 70_000))
    assert (RE,) == more.recording_sids
    late = CORE.on_record(TASK, lost.state, completed(1, 2_300, 30_000), NOON + 80_000)
    (found,) = results(late)
    assert "captured" == found.result


def test_a_call_in_progress_has_no_result_yet() -> None:
    """It comes with the call's end."""
    step = after(EVIDENCE, ANN)
    assert [] == results(step)
    assert None is contact(step).reconciliation
    assert ["lost"] == [r.result for r in results(CORE.on_record(TASK, step.state, LEFT, NOON))]


def test_a_call_that_was_not_compared_has_no_result() -> None:
    """Only a comparison makes one."""
    assert None is contact(after(LEFT)).reconciliation


def test_a_task_without_a_contact_is_lost_after_a_while() -> None:
    """Its events may just be under way. Then the state is forgotten as any other."""
    step = after(evidence(), now=NOON)
    assert () == step.outputs
    assert step.state is not None
    assert NOON + UNKNOWN_MS == CORE.wakes_at(step.state)
    assert step.state == CORE.on_tick(TASK, step.state, NOON + UNKNOWN_MS - 1).state
    reported = CORE.on_tick(TASK, step.state, NOON + UNKNOWN_MS)
    assert ["lost"] == [found.result for found in results(reported)]
    assert reported.state is not None
    again = CORE.on_tick(TASK, reported.state, NOON + UNKNOWN_MS + 1)
    assert () == again.outputs
    assert None is CORE.on_tick(TASK, reported.state, NOON + KEPT_MS).state
