"""The judge of the lander's chaos run finds every kind of mistake."""

from tests.system.chaos_lander.judging import Landed, differing, not_once

ENDS = {("calls", 0): 3, ("calls", 1): 0}


def test_each_record_once() -> None:
    """Nothing is wrong."""
    assert [] == not_once(ENDS, {("calls", 0): Landed(3, 3, 0, 2)})


def test_missing_repeated_and_unexpected_records_are_found() -> None:
    """By partition."""
    for landed in (Landed(2, 2, 0, 1), Landed(4, 3, 0, 2), Landed(3, 3, 1, 3)):
        [found] = not_once(ENDS, {("calls", 0): landed})
        assert found.startswith("calls-0: ")
    [missing, strange] = not_once(ENDS, {("calls", 1): Landed(1, 1, 0, 0)})
    assert missing.startswith("calls-0: None")
    assert "calls-1 is in the lake and empty" == strange


def test_other_answers_are_found() -> None:
    """By question and group, also one that only one side has."""
    log = {"sum": {("a",): (1,), ("b",): (2,)}}
    assert [] == differing(log, {"sum": {("b",): (2,), ("a",): (1,)}})
    assert 3 == len(differing(log, {"sum": {("a",): (2,), ("c",): (2,)}}))
    assert 2 == len(differing(log, {}))
