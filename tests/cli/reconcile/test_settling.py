"""When the results of a comparison are printed."""

from dataclasses import replace

from cli.reconcile.settling import SettlingResults
from pipeline.reconciliation.result import NOT_DELIVERED
from schemas.records import ReconciledPart, Reconciliation
from tests.pipeline.contacts.records import NOON, TASK
from tests.pipeline.reconciliation.records import WR, evidence

ADDED = {TASK: evidence(added_events=("1", "2"))}
AT = ADDED[TASK].checked_at
FIRST = Reconciliation(TASK, "excluded", "no monitored agent", 3, (), (), (), 2, AT, NOON)
FINAL = replace(FIRST, result="lost", reason="late-events")


def test_results_settle_while_added_events_are_processed() -> None:
    """A call looks excluded until all its events have passed the pipeline: the last result counts,
    once it has stayed the same for a while."""
    waiting = SettlingResults(ADDED, 5.0)
    assert not waiting.take({}, 0.0)
    assert not waiting.take({TASK: FIRST}, 1.0)
    assert not waiting.take({TASK: FINAL}, 4.0)
    assert not waiting.take({TASK: FINAL}, 8.9)
    assert waiting.take({TASK: FINAL}, 9.0)
    assert {TASK: FINAL} == waiting.fresh


def test_without_added_events_the_first_results_count() -> None:
    """Nothing is in progress."""
    waiting = SettlingResults({TASK: evidence()}, 5.0)
    assert waiting.take({TASK: FINAL}, 0.0)
    assert SettlingResults({}, 5.0).take({}, 0.0)


def test_an_acceptance_that_is_not_processed_yet_is_awaited() -> None:
    """Its session is missing from the contact."""
    partial = replace(FINAL, reservations=(ReconciledPart(WR, "lost", NOT_DELIVERED),))
    waiting = SettlingResults(ADDED, 5.0)
    assert not waiting.take({TASK: partial}, 0.0)
    assert not waiting.take({TASK: partial}, 60.0)


def test_results_of_an_earlier_comparison_do_not_count() -> None:
    """They do not take the new evidence into account."""
    waiting = SettlingResults(ADDED, 0.0)
    assert not waiting.take({TASK: replace(FINAL, checked_at=AT - 1)}, 0.0)
    assert not waiting.fresh
