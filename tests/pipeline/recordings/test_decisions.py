"""The decisions on calls, and the times in which they withhold audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings.decisions import Decisions, periods
from schemas.records import RecordingDecided
from tests.pipeline.recordings.closing import decision
from tests.pipeline.recordings.logs import T0

MAX_DECISIONS = 1_000
REMEMBERED_MS = 26 * 60 * 60 * 1000
KINDS = st.sampled_from(["record", "stop", "do-not-record"])
DECIDED = st.lists(st.tuples(st.integers(0, 30).map(lambda n: 500 * n), KINDS), max_size=8)


def decided(at: int, kind: str, task: str = "WT1") -> RecordingDecided:
    return RecordingDecided(task, T0 + at, kind, "why", 1)


@given(DECIDED, st.integers(0, 20_000))
def test_audio_is_withheld_from_two_seconds_after_a_stop_to_the_next_record(
    made: list[tuple[int, str]], moment: int
) -> None:
    """Against the rule, moment by moment: the first stop since the last `record` counts, and Twilio
    has two seconds to end the media stream."""
    made.sort(key=lambda each: each[0])
    known = [decision(at, kind, offset=n) for n, (at, kind) in enumerate(made)]
    stopped: int | None = None
    for at, kind in made:
        if at <= moment:
            stopped = None if kind == "record" else (at if stopped is None else stopped)
    is_withheld = stopped is not None and moment >= stopped + 2_000
    found = periods(reversed([*known, *known]))
    inside = [
        p for p in found
        if p.begin_at <= T0 + moment and (p.end_at is None or T0 + moment < p.end_at)
    ]  # fmt: skip
    assert is_withheld == bool(inside)
    assert all(T0 + (stopped or 0) == p.decision.at for p in inside)
    assert len(inside) <= 1
    assert list(found) == sorted(found, key=lambda p: p.begin_at)


def test_of_two_decisions_in_one_millisecond_the_later_on_the_log_holds() -> None:
    """Offsets decide."""
    stop, record = decision(0, "stop", offset=1), decision(0, "record", offset=2)
    assert () == periods([record, stop])
    again = decision(0, "stop", offset=3)
    assert [(T0 + 2_000, None)] == [(p.begin_at, p.end_at) for p in periods([again, record])]


@pytest.mark.parametrize(("end", "count"), [(2_000, 0), (2_001, 1)])
def test_a_stop_that_is_taken_back_in_time_withholds_nothing(end: int, count: int) -> None:
    """Within the two seconds."""
    assert count == len(periods([decision(0, "stop"), decision(end, "record", offset=2)]))


def test_a_repeated_decision_is_no_other() -> None:
    """The same moment and kind; another kind at the same moment is one."""
    known = Decisions()
    assert known.add(decided(5, "stop"), 7, T0)
    assert not known.add(decided(5, "stop"), 8, T0)
    assert known.add(decided(5, "record"), 9, T0)
    assert known.add(decided(6, "stop"), 10, T0)
    assert known.add(decided(5, "stop", "WT2"), 11, T0)
    assert ["stop", "record", "stop"] == [each.decision for each in known.of("WT1")]
    assert [7, 9, 10] == [each.offset for each in known.of("WT1")]
    assert [] == list(known.of("WT3"))


def test_what_no_checkpoint_has_holds_the_commit_back() -> None:
    """Until it was put into one; decisions from checkpoints never do."""
    known = Decisions()
    known.restore([decision(0, "stop", offset=1)])
    assert known.first_unsaved is None
    known.add(decided(100, "record"), 7, T0 + 150)
    known.add(decided(200, "stop"), 8, T0 + 250)
    assert 7 == known.first_unsaved
    assert [] == known.unsaved(T0 + 150)
    assert [7, 8] == [each.offset for each in known.unsaved(T0 + 151)]
    assert known.first_unsaved is None
    assert [] == known.unsaved(None)
    known.add(decided(300, "record"), 9, T0 + 350)
    assert [9] == [each.offset for each in known.unsaved(None)]


@pytest.mark.parametrize(
    ("passed", "after", "gone"), [(2, 1, 1), (2, 0, 0), (1, 1, 0)],
    ids=["passed and old", "not old enough", "read again from it on"],
)  # fmt: skip
def test_when_a_decision_is_forgotten(passed: int, after: int, gone: int) -> None:
    """26 hours of log time after the log had it: no call lasts longer."""
    known = Decisions()
    known.restore([decision(0, "stop", offset=1, heard_at=500)])
    assert gone == len(known.forget(passed, T0 + 500 + 26 * 60 * 60 * 1_000 + after))
    assert 1 - gone == len(known.of("WT1"))


def test_each_decision_is_forgotten_by_its_own_age() -> None:
    """Later ones of the call stay; another call's are not touched."""
    known = Decisions()
    first, other, last = (
        decision(0, "stop", offset=1),
        decision(1, "stop", task="WT2", offset=2),
        decision(9_000, "record", offset=3),
    )
    known.restore([last, other, first])
    assert [first, other] == known.forget(100, T0 + 2 + REMEMBERED_MS)
    assert [last] == list(known.of("WT1"))
    assert [] == list(known.of("WT2"))


def test_of_a_call_with_endless_decisions_the_latest_are_kept() -> None:
    """A thousand."""
    known = Decisions()
    for n in range(MAX_DECISIONS + 3):
        known.add(decided(n, "stop"), n, T0)
    kept = known.of("WT1")
    assert (1_000, 3) == (len(kept), kept[0].offset)
    assert MAX_DECISIONS + 3 == len(known.forget(10**6, T0 + 2 * REMEMBERED_MS))
