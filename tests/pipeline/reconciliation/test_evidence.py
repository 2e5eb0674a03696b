"""Evidence is a union: the order and the number of findings do not matter."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reconciliation.evidence import empty, is_news, merged
from schemas.records import AcceptedReservation, ReconciliationEvidence
from tests.examples import examples
from tests.pipeline.contacts.records import NOON, TASK
from tests.pipeline.reconciliation.records import FINDINGS, RECORDING, evidence


def union(findings: list[ReconciliationEvidence]) -> ReconciliationEvidence:
    return reduce(merged, findings, empty(TASK))


@settings(max_examples=examples(100))
@given(st.lists(FINDINGS, max_size=5), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    findings: list[ReconciliationEvidence], random: object
) -> None:
    """Any order, with repetitions, and merged in any groups, gives the same."""
    evidence = union(findings)
    shuffled = [*findings, *findings]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evidence == union(shuffled)
    middle = len(shuffled) // 2
    assert evidence == merged(union(shuffled[:middle]), union(shuffled[middle:]))


@settings(max_examples=examples(100))
@given(st.lists(FINDINGS, min_size=1, max_size=5))
def test_a_finding_that_is_known_is_no_news(findings: list[ReconciliationEvidence]) -> None:
    """Whenever it was found before. Repeated evidence changes only the time."""
    evidence = union(findings)
    assert not any(is_news(evidence, finding) for finding in findings)
    assert all(is_news(None, finding) for finding in findings)


def test_a_deleted_recording_stays_deleted() -> None:
    """A late answer says that it is complete."""
    deleted = replace(RECORDING, status="deleted")
    for order in ((deleted, RECORDING), (RECORDING, deleted)):
        both = union([evidence(recordings=(each,)) for each in order])
        assert (deleted,) == both.recordings


def test_the_later_status_of_a_recording_counts() -> None:
    """In Twilio's order of a recording's life, not in that of the alphabet."""
    known = ["paused", "stopped", "processing", "completed"]
    for first, second in [*pairwise(known), ("unheard-of", "in-progress")]:
        found = [evidence(recordings=(replace(RECORDING, status=s),)) for s in (first, second)]
        for order in (found, reversed(found)):
            assert [second] == [r.status for r in union(list(order)).recordings]


def test_the_union_is_as_recent_as_its_latest_finding() -> None:
    """It is examined only if one of them is."""
    both = union([evidence(checked_at=NOON + 2), evidence(checked_at=NOON + 1)])
    assert (NOON + 2, False) == (both.checked_at, both.is_examined)
    assert union([evidence(is_examined=True), evidence()]).is_examined


def test_evidence_is_bounded() -> None:
    """A task with a thousand reservations keeps some, the same ones in any order."""
    made = tuple(AcceptedReservation(f"WR{n:04}", None, None, NOON) for n in range(1_000))
    one = union([evidence(reservations=(each,)) for each in made])
    other = union([evidence(reservations=(each,)) for each in reversed(made)])
    assert 500 == len(one.reservations)
    assert one == other
    events = tuple(f"EV{n:04}" for n in range(6_000))
    assert events[:5_000] == union([evidence(added_events=events)]).added_events
