"""What orders the facts of an event."""

import pytest

from pipeline.calls.claims import FIRST_HOLDS
from pipeline.calls.stamps import Stamp
from schemas.records import Fact

MAX_VERSION = 2**62
STAMP = Stamp(1_000, "EV1")
FIRST, LATEST = min(FIRST_HOLDS), "queue"


def test_a_fact_names_its_event() -> None:
    """By time and id, of which a long one is cut; absent values are no facts."""
    facts = STAMP.facts(3, {LATEST: "sales", "other": None})
    assert {LATEST: Fact("sales", 3, 1_000, "EV1")} == facts
    long = Stamp(1_000, "E" * 101).facts(3, {LATEST: "sales"})
    assert "E" * 100 == long[LATEST].event_id


@pytest.mark.parametrize(
    ("version", "is_first", "of_first", "of_latest"),
    [
        (3, False, 3, 3),
        (3, True, 3, 3),
        (0, False, 0, 0),
        (None, False, MAX_VERSION, 0),
        (None, True, 0, 0),
    ],
)
def test_an_event_without_a_version_only_adds(
    version: int | None, is_first: bool, of_first: int, of_latest: int
) -> None:
    """It is before all versions if the latest statement holds, behind them if the first one does;
    the event that creates an object is its first statement."""
    assert LATEST not in FIRST_HOLDS
    facts = STAMP.facts(version, {FIRST: "a", LATEST: "b"}, is_first=is_first)
    assert (of_first, of_latest) == (facts[FIRST].version, facts[LATEST].version)


def test_an_event_is_not_its_objects_first_unless_that_is_stated() -> None:
    """So most events without a version come last."""
    assert MAX_VERSION == STAMP.facts(None, {FIRST: "a"})[FIRST].version
