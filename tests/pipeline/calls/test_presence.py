"""When legs came and left, and when workers were absent."""

import pytest

from pipeline.calls.presence import (
    Presence,
    came_at,
    created_at,
    is_held,
    is_left,
    is_there,
    latest_join,
    left_at,
    presences,
    was_answered,
)
from schemas.records import Fact, Leg, Reservation


def leg(presence: tuple[str, int] | None = None, hold: str = "", **milestones: int) -> Leg:
    """A leg; `presence`: the conference's last word on it, and when."""
    facts = {} if presence is None else {"presence": Fact(presence[0], 0, presence[1], "e")}
    if hold:
        facts["hold"] = Fact(hold, 0, 0, "e")
    return Leg("CA1", facts, milestones)


def reservation(sid: str, **milestones: int) -> Reservation:
    """A worker's reservation."""
    return Reservation(sid, {}, milestones)


def test_a_leg_comes_with_its_first_milestone():
    """It joined or was answered; of a leg only seen leaving, that is all that is known."""
    assert 5 == came_at(leg(joined=7, answered=5))
    assert 0 == came_at(leg(joined=0, answered=5))
    assert 9 == came_at(leg(completed=9))
    assert came_at(leg(ringing=1)) is None


def test_a_leg_leaves_the_conference_or_is_completed():
    """Whichever is known to be first."""
    assert 9 == left_at(leg(("left", 9), completed=10))
    assert 8 == left_at(leg(("left", 9), completed=8))
    assert left_at(leg(("joined", 9), joined=5)) is None
    assert is_left(leg(completed=0))
    assert not is_left(leg(joined=1))


def test_the_latest_join_is_the_conferences_last_word():
    """Of a leg that is gone, the first time it joined."""
    assert 9 == latest_join(leg(("joined", 9), joined=5))
    assert 5 == latest_join(leg(("left", 9), joined=5))
    assert latest_join(leg(answered=5)) is None


@pytest.mark.parametrize(
    ("at", "there"), [(5_000, False), (5_001, True), (8_999, True), (9_999, True), (10_000, False)]
)
def test_a_leg_is_there_after_it_came_until_the_second_it_left(at, there):
    """Callbacks are exact to the second."""
    assert there == is_there(leg(("left", 9_100), joined=5_000), at)
    assert is_there(leg(joined=5_000), 1 << 50)
    assert not is_there(leg(ringing=1), at)


def test_hold_and_answer():
    """A leg that is gone is not on hold; a joined or answered leg had a person on it."""
    assert is_held(leg(hold="true", joined=1))
    assert not is_held(leg(hold="false", joined=1))
    assert not is_held(leg(hold="true", completed=1))
    assert [True, True, False] == [
        was_answered(each) for each in (leg(joined=1), leg(answered=1), leg(completed=1))
    ]


def test_a_reservation_is_created_with_its_first_milestone():
    """Unless its creation is known."""
    assert 7 == created_at(reservation("WR1", created=7, accepted=3))
    assert 3 == created_at(reservation("WR1", accepted=3, wrapup=9))
    assert 0 == created_at(reservation("WR1"))


def test_absences_are_the_holes_of_more_than_a_second_between_legs():
    """Legs that overlap leave none; the last leg decides whether the worker left."""
    ours = reservation("WR1", created=0, accepted=1_000)
    legs = [
        leg(joined=20_001, completed=30_000),
        leg(joined=1_000, completed=10_000),
        leg(joined=2_000, completed=5_000),
        leg(joined=11_000, completed=15_000),
    ]
    owned = [(each, frozenset({"WR1"})) for each in legs]
    assert {"WR1": Presence(30_000, ((15_000, 20_001),))} == presences([ours], owned)
    there = [*owned, (leg(joined=31_000), frozenset({"WR1"}))]
    assert {"WR1": Presence(None, ((15_000, 20_001),))} == presences([ours], there)


def test_a_leg_belongs_to_the_last_reservation_that_was_there_when_it_came():
    """A second of leeway each: before the reservation's creation, and before its acceptance."""
    first = reservation("WR1", created=0, accepted=1_000)
    second = reservation("WR2", created=10_000, accepted=12_000)
    both = frozenset({"WR1", "WR2"})
    for joined_at, expected in ((9_000, "WR1"), (9_001, "WR2")):
        found = presences([second, first], [(leg(joined=joined_at), both)])
        assert {expected: Presence(None)} == found
    for left, expected in ((11_000, {}), (11_001, {"WR2": Presence(11_001)})):
        found = presences([first, second], [(leg(joined=9_500, completed=left), both)])
        assert expected == found


def test_only_accepted_reservations_with_a_known_leg_have_a_presence():
    """A leg that never came, or belongs to no reservation, shows nothing."""
    offered = reservation("WR1", created=0)
    accepted = reservation("WR2", created=0, accepted=1)
    owned = frozenset({"WR1"})
    assert {} == presences([offered, accepted], [(leg(joined=5), owned)])
    assert {} == presences([accepted], [(leg(ringing=5), frozenset({"WR2"}))])
    assert {} == presences([accepted], [(leg(joined=5), frozenset())])


def test_a_leg_without_a_reservation_does_not_hide_the_next_one():
    """The legs after it have their presence."""
    ours = reservation("WR1", created=0, accepted=1)
    stray, own = leg(ringing=5), leg(joined=7)
    owned = [(stray, frozenset()), (own, frozenset({"WR1"}))]
    assert {"WR1": Presence(None)} == presences([ours], owned)
