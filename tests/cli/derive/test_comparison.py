"""Comparison of derived and live calls."""

from dataclasses import replace
from typing import Any

import pytest

from cli.derive.comparison import (
    TICK_MS,
    Comparison,
    ComparisonLimits,
    Difference,
    KnownRecords,
    is_within,
)
from pipeline.calls.view import SWEPT
from pipeline.contacts.contact import contact
from pipeline.contacts.state import empty, fold
from schemas.records import (
    Call,
    Contact,
    ContactDecision,
    ContactGap,
    ReconciledPart,
    Reconciliation,
)
from tests.pipeline.contacts.records import HISTORY, NOON, call, decided, reservation

LIMITS = ComparisonLimits(0, NOON + 3_600_000, ("calls", "decisions", "contacts"))


def known(*records: object) -> KnownRecords:
    found = KnownRecords()
    for record in records:
        found.take(record)
    return found


def version(**changes: Any) -> Call:
    made = call(reservation(1, "ann", created=0, accepted=1_000), revision=2)
    return replace(made, **changes)


def made(*records: Any) -> Contact:
    state = empty(version().task_sid)
    for record in records:
        state = fold(state, record, NOON)
    found = contact(state, HISTORY, NOON)
    assert found is not None
    return found


def compared(
    live: KnownRecords, derived: KnownRecords, limits: ComparisonLimits = LIMITS
) -> Comparison:
    found = Comparison()
    found.add("WT1", live, derived, limits)
    return found


def test_revisions_and_causes_do_not_count() -> None:
    """They depend on the order in which records were handled."""
    other = version(revision=9, cause_event_id="EV9", cause_type="t", cause_at=5)
    live, here = (
        known(version(), made(version())),
        known(other, replace(made(version()), revision=7)),
    )
    assert 1 == compared(live, here).equal


def test_the_latest_version_counts() -> None:
    """It is the one with the latest log time; of a contact the greatest revision."""
    first = version(latest_arrival_at=NOON, revision=9)
    later = version(latest_arrival_at=NOON + 1, revision=1, state="ended")
    assert later == known(first, later).call == known(later, first).call
    contacts = made(version()), replace(made(version()), revision=1, outcome="abandoned")
    assert contacts[0] == known(*contacts).contact


def test_a_tick_is_set_aside_and_more_is_not() -> None:
    """A decision may be made a tick earlier or later; another reason is a difference."""
    live = known(version(), decided(1_000, "record"))
    assert 1 == compared(live, known(version(), decided(2_900, "record"))).within_tick
    late = compared(live, known(version(), decided(3_100, "record")))
    assert {"decisions.at": 1} == dict(late.kinds)
    other = replace(decided(1_000, "record"), reason="other")
    found = compared(live, known(version(), other))
    assert {"decisions.reason": 1} == dict(found.kinds)
    assert "decisions[0].reason" == found.different["WT1"][0].where


def test_what_is_missing_is_a_difference() -> None:
    """A call, a decision or a contact that only one side has."""
    live = known(version(), decided(1_000, "record"), made(version()))
    found = compared(live, known())
    assert {"calls": 1, "decisions": 1, "contacts": 1} == dict(found.kinds)
    limits = replace(LIMITS, topics=("decisions",))
    assert {"decisions": 1} == dict(compared(live, known(), limits).kinds)
    assert {"decisions": 1} == dict(compared(known(version()), live, limits).kinds)


def test_a_repeated_decision_counts_once() -> None:
    """Live records may come twice."""
    twice = known(version(), decided(1_000, "record"), decided(1_000, "record"))
    assert 1 == compared(twice, known(version(), decided(1_000, "record"))).equal


def test_what_an_earlier_release_did_not_write_is_no_difference() -> None:
    """Its calls have no flat fields, its decisions no codes. Of later ones they count; what led to
    a decision never does, because it depends on the order of records."""
    uncoded = decided(1_000, "record")
    coded = replace(uncoded, reason_code="monitored-agent-active", reservation_sid="WR1")
    flat = version(queue="sales", customer="+1", agents=("ann",), started_at=NOON, ended_at=NOON)
    bare = replace(flat, queue=None, customer=None, agents=(), started_at=None, ended_at=None)
    assert 1 == compared(known(bare, uncoded), known(flat, coded)).equal
    other = replace(coded, cause_event_id="EV7")
    assert 1 == compared(known(flat, coded), known(flat, other)).equal
    wrong = known(replace(flat, queue="help"), replace(coded, reservation_sid="WR2"))
    kinds = dict(compared(known(flat, coded), wrong).kinds)
    assert {"calls.queue": 1, "decisions.reservation_sid": 1} == kinds


def test_calls_that_reach_beyond_the_derivation_are_set_aside() -> None:
    """Those that began before its first record, and those that changed after its end."""
    here = known(version())
    early = replace(LIMITS, complete_from=version().first_event_at + 1)
    assert 1 == compared(here, here, early).before
    ended = replace(LIMITS, clock=NOON)
    for record in (
        version(latest_arrival_at=NOON + 1),
        version(milestones={SWEPT: NOON + 1}),
        replace(made(version()), updated_at=NOON + 1),
        decided(1, "record"),
    ):
        assert 1 == compared(known(version(), record), here, ended).after, record


@pytest.mark.parametrize(
    ("where", "live", "derived", "is_aside"),
    [
        ("contacts.decisions[0].at", 5_000, 6_000, True),
        ("contacts.required_ms", 5_000, 8_000, False),
        ("contacts.gaps[0].ended_at", 5_000, 7_000, True),
        ("contacts.decisions[0].policy_version", 1, 2, False),
        ("contacts.ended_at", None, 7, False),
        (f"calls.milestones[{SWEPT}]", 5_000, 6_000, True),
        ("calls.milestones[created]", 5_000, 6_000, False),
        ("calls.first_event_at", 5_000, 6_000, False),
        ("calls.ended_at", 5_000, 6_000, True),
        ("calls.started_at", 5_000, 6_000, False),
    ],
)
def test_times_of_events_must_be_equal(where: str, live: Any, derived: Any, is_aside: bool) -> None:
    """Only times that come from log times may differ by a tick."""
    assert is_aside == is_within(Difference(where, live, derived), TICK_MS)


def test_kinds_leave_out_indexes() -> None:
    """The summary counts fields, regardless of their place."""
    assert "contacts.decisions.at" == Difference("contacts.decisions[12].at", 1, 2).kind
    assert "calls.facts.value" == Difference("calls.facts[from].value", 1, 2).kind
    assert "decisions" == Difference("decisions", (), ()).kind


def test_a_gap_may_be_late_by_a_tick() -> None:
    """A decision a tick later can make a gap late; with the decisions at the same time, the
    reason is a difference."""
    first = made(version(), decided(1_000, "record"))
    gap = ContactGap(1_000, 9_000, "", "", "late-events")
    late = replace(first.decisions[0], at=first.decisions[0].at + 900)
    live = replace(first, decisions=(late,), gaps=(gap,))
    derived = replace(first, gaps=(replace(gap, reason="unknown"),))
    limits = replace(LIMITS, topics=("contacts",))
    assert 1 == compared(known(version(), live), known(version(), derived), limits).within_tick
    live = replace(live, decisions=first.decisions)
    found = compared(known(version(), live), known(version(), derived), limits)
    assert {"contacts.gaps.reason": 1} == dict(found.kinds)


def test_a_late_gap_has_its_reason_in_the_reconciliation_too() -> None:
    """What else the reconciliation says must be equal."""
    first = made(version(), decided(1_000, "record"))
    late = replace(first.decisions[0], at=first.decisions[0].at + 900)
    recordings = "; Twilio has 1 recordings of it"

    def reconciled(reason: str, part: str, decision: ContactDecision) -> Contact:
        parts = (ReconciledPart("WR1", "partial", part),)
        found = Reconciliation("WT1", "partial", reason, 1, parts, parts, (), 0, NOON, NOON)
        return replace(first, decisions=(decision,), reconciliation=found)

    live = reconciled(f"late-events, no-leg{recordings}", "late-events", late)
    derived = reconciled(f"late-start, no-leg{recordings}", "late-start", first.decisions[0])
    limits = replace(LIMITS, topics=("contacts",))
    assert 1 == compared(known(version(), live), known(version(), derived), limits).within_tick
    other = reconciled("late-start, no-leg", "late-start", first.decisions[0])
    found = compared(known(version(), live), known(version(), other), limits)
    assert {"contacts.reconciliation.reason": 1} == dict(found.kinds)


def test_a_live_pipeline_that_was_behind_decided_later() -> None:
    """As much later as its version of the call was published after the event; not more."""
    derived = known(decided(1_000, "record"))
    derived.take(version(), NOON)
    for lag, field in ((10_000, "within_lag"), (1_000, "different")):
        live = known(decided(9_000, "record"))
        live.take(version(), NOON + lag)
        assert getattr(compared(live, derived), field)
