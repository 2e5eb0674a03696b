"""Legs find their task, and events of a leg find it too, whichever comes first."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.aliases import (
    Resolved,
    TooManyWaiting,
    add_alias,
    learned,
    resolve_event,
    wakes_at,
)
from pipeline.calls.merge import Folded, fold
from schemas.codec import decode, encode
from schemas.records import Call, CallAlias, CallAliasState, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    histories,
    inbound,
    leg_sid,
)

KEPT_MS = 28 * 60 * 60 * 1000
MAX_OTHERS = 4
MOST_WAITING = 64
WAITING_MS = 4 * 60 * 60 * 1000
LEG = leg_sid("x")
ALIAS = CallAlias(LEG, TASK, T0)

LegRecord = CtiEvent | CallAlias


def callback(number: int, at: int = 0) -> CtiEvent:
    """A call's status callback: it names no task."""
    [event] = Story().call_status("ringing", at, LEG, FriendlyName=None).events
    return replace(event, event_id=f"EV{number}")


def resolved(records: Iterable[LegRecord]) -> tuple[CallAliasState | None, list[CtiEvent]]:
    """Return the state after these records, and the events that were passed on."""
    state: CallAliasState | None = None
    passed_on: list[CtiEvent] = []
    for now, record in enumerate(records, T0):
        if isinstance(record, CallAlias):
            found: Resolved | TooManyWaiting = add_alias(LEG, state, record, now)
        else:
            found = resolve_event(LEG, state, record, now)
        assert isinstance(found, Resolved)
        state = found.state
        passed_on += found.passed_on
    return state, passed_on


def tasks_and_ids(events: Iterable[CtiEvent]) -> set[tuple[str | None, str]]:
    """Task and id of each, whatever came of it twice."""
    return {(event.task_sid, event.event_id) for event in events}


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 12), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_events_and_alias_passes_on_the_same(
    count: int, chance: random.Random
) -> None:
    """All events come out under the task, whether the alias was there before or after them."""
    records: list[LegRecord] = [*map(callback, range(count)), ALIAS]
    shuffled = records + chance.choices(records, k=len(records))
    chance.shuffle(shuffled)

    state, passed_on = resolved(shuffled)

    assert {(TASK, f"EV{n}") for n in range(count)} == tasks_and_ids(passed_on)
    assert state is not None
    assert (TASK, ()) == (state.task_sid, state.waiting)


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(1, 8), st.randoms(use_true_random=False))
def test_what_waited_is_passed_on_once_and_in_order(count: int, chance: random.Random) -> None:
    """Repetitions that come while it waits are not kept."""
    events = [callback(n) for n in range(count)]

    _, passed_on = resolved([*events, *chance.choices(events, k=count), ALIAS])

    assert [replace(event, task_sid=TASK) for event in events] == passed_on


def test_nothing_is_passed_on_while_the_task_is_not_known() -> None:
    """It waits, in the state, and survives the table."""
    state, passed_on = resolved([callback(1), callback(2)])

    assert [] == passed_on
    assert state is not None
    assert state == decode(encode(state))
    assert ["EV1", "EV2"] == [decode(data).event_id for data in state.waiting]


def test_one_id_with_other_words_waits_too() -> None:
    """The result must not depend on which of the two arrived first."""
    other = replace(callback(1), body=callback(1).body + " ")

    _, passed_on = resolved([callback(1), other, ALIAS])

    assert 2 == len(passed_on)


def test_no_more_than_a_fixed_number_waits() -> None:
    """The next event is refused. Waiting events and their repetitions are not affected."""
    state, _ = resolved(map(callback, range(MOST_WAITING)))

    assert TooManyWaiting(MOST_WAITING) == resolve_event(LEG, state, callback(999), T0)
    assert isinstance(resolve_event(LEG, state, callback(3), T0), Resolved)


def test_no_more_waits_than_a_record_can_hold() -> None:
    """Events may be a megabyte each."""
    big = [replace(callback(n), body="x" * 1_000_000) for n in range(3)]
    state, _ = resolved(big[:2])

    assert TooManyWaiting(2) == resolve_event(LEG, state, big[2], T0)
    assert isinstance(resolve_event(LEG, state, callback(3), T0), Resolved)


@pytest.mark.parametrize(
    ("records", "kept"), [([callback(1)], WAITING_MS), ([callback(1), ALIAS], KEPT_MS)]
)
def test_a_leg_is_forgotten_some_time_after_its_latest_record(
    records: Sequence[LegRecord], kept: int
) -> None:
    """Waiting events are dropped after 4 hours; an alias outlives the longest call."""
    state, _ = resolved(records)
    assert state is not None
    assert T0 + len(records) - 1 + kept == wakes_at(state)


@given(st.permutations(["WT1", "WT2", "WT3"]), st.data())
def test_of_several_tasks_that_name_a_leg_each_gets_its_events(
    order: list[str], data: st.DataObject
) -> None:
    """No task takes the events of a leg from another, and each is informed of each other once."""
    again = data.draw(st.lists(st.sampled_from(order), max_size=4))
    state: CallAliasState | None = None
    contested: list[tuple[str, str]] = []
    for now, task in enumerate([*order, *again], T0):
        found = add_alias(LEG, state, CallAlias(LEG, task, now), now)
        state, contested = (
            found.state,
            contested + [(each.task_sid, each.other_task_sid) for each in found.contested],
        )
    found = resolve_event(LEG, state, callback(1), T0 + 99)

    assert isinstance(found, Resolved)
    assert {(task, "EV1") for task in order} == tasks_and_ids(found.passed_on)
    assert sorted(contested) == sorted(permutations(order, 2))


def test_a_task_with_the_leg_in_its_conference_gets_its_events() -> None:
    """Also if as many tasks name the leg as are kept: no task takes them from the call that has
    it."""
    others = [CallAlias(LEG, f"WT{n}", T0) for n in range(MAX_OTHERS + 1)]
    state, _ = resolved([*others, CallAlias(LEG, TASK, T0, listed=True)])
    found = resolve_event(LEG, state, callback(1), T0 + 99)
    assert isinstance(found, Resolved)
    assert (TASK, "EV1") in tasks_and_ids(found.passed_on)
    assert len(found.passed_on) == len(others) + 1


def test_no_more_than_some_tasks_may_name_a_leg() -> None:
    """The first tasks are kept, so that the state of a leg stays small."""
    state, _ = resolved(CallAlias(LEG, f"WT{n}", n) for n in range(50))
    assert state is not None
    assert ("WT0", MAX_OTHERS) == (state.task_sid, len(state.other_task_sids))


@settings(max_examples=examples(80), deadline=None)
@given(histories())
def test_each_leg_of_a_call_is_reported_once(events: list[CtiEvent]) -> None:
    """As soon as a version knows it, and each time that it comes into the conference later."""
    call: Call | None = None
    aliases: list[CallAlias] = []
    for event in events:
        after = fold(call, event)
        if isinstance(after, Folded):
            aliases += learned(call, after.call)
            call = after.call
    assert call is not None
    legs = {leg.call_sid: leg for leg in call.legs}
    named = [alias.call_sid for alias in aliases if not alias.listed]
    assert sorted(set(named)) == sorted(named)
    for sid, leg in legs.items():
        times = [alias.at for alias in aliases if alias.listed and alias.call_sid == sid]
        assert sorted(set(times)) == times
        assert bool(times) == ("joined" in leg.milestones)
    assert legs.keys() <= {alias.call_sid for alias in aliases}
    assert {call.task_sid} >= {alias.task_sid for alias in aliases}


def test_a_leg_that_comes_back_into_the_conference_is_reported_again() -> None:
    """With the time at which it came. An earlier time says nothing new."""
    story = inbound()
    for step, at in (("join", 1_000), ("leave", 5_000), ("join", 9_000), ("join", 7_000)):
        story.participant(step, at, CUSTOMER_LEG)
    call: Call | None = None
    shown: list[tuple[int, bool]] = []
    for event in story.events:
        after = fold(call, event)
        assert isinstance(after, Folded)
        shown += [(alias.at - T0, alias.listed) for alias in learned(call, after.call)]
        call = after.call
    assert shown == [(0, False), (1_000, True), (9_000, True)]


def test_legs_that_the_task_names_are_reported() -> None:
    """The customer's by the attributes, both once the conference stands; junk is no leg."""
    story = inbound()
    participants = {"customer": CUSTOMER_LEG, "worker": leg_sid("ann")}
    story.attributes["conference"] = {"participants": participants}
    story.reservation("accepted", 2_000, "ann").attributes["call_sid"] = "junk"
    story.task("updated", 3_000)
    calls: list[Call] = []
    for event in story.events:
        after = fold(calls[-1] if calls else None, event)
        assert isinstance(after, Folded)
        calls.append(after.call)

    first, second, third = calls

    assert (CallAlias(CUSTOMER_LEG, TASK, T0),) == learned(None, first)
    assert (CallAlias(leg_sid("ann"), TASK, T0 + 2_000),) == learned(first, second)
    assert () == learned(second, third)


def test_what_is_no_call_has_no_legs() -> None:
    """A chat's attributes may name a call; its events are not wanted."""
    [created] = (
        Story(attributes=inbound().attributes)
        .task("created", 0, task_channel_unique_name="chat")
        .events
    )
    after = fold(None, created)
    assert isinstance(after, Folded)
    assert () == learned(None, after.call)


def test_each_task_is_informed_of_one_whose_conference_has_the_leg() -> None:
    """Whenever that comes to be known, also if as many tasks name the leg as are kept."""
    others = [f"WT{n}" for n in range(MAX_OTHERS + 1)]
    state, _ = resolved(CallAlias(LEG, task, T0) for task in others)
    found = add_alias(LEG, state, CallAlias(LEG, TASK, T0, listed=True), T0 + 50)
    informed = {c.task_sid for c in found.contested if c.other_task_sid == TASK and c.listed}
    assert informed == set(others)

    again = add_alias(LEG, found.state, CallAlias(LEG, TASK, T0, listed=True), T0 + 50)
    assert (again.state, again.contested) == (found.state, ())
    late = add_alias(LEG, found.state, CallAlias(LEG, "WTlate", T0), T0 + 60)
    assert (late.state.other_task_sids, late.state.listed_task_sids) == (
        found.state.other_task_sids, (TASK,),
    )  # fmt: skip
    assert (TASK, True) in {(c.other_task_sid, c.listed) for c in late.contested}
    assert {c.task_sid for c in late.contested} == {"WTlate"}


def test_a_task_that_named_the_leg_is_listed_later() -> None:
    """The others are informed once more, since that is stronger evidence."""
    state, _ = resolved([CallAlias(LEG, TASK, T0), CallAlias(LEG, "WTb", T0)])
    found = add_alias(LEG, state, CallAlias(LEG, TASK, T0, listed=True), T0 + 9)
    assert [(c.task_sid, c.other_task_sid, c.listed) for c in found.contested] == [
        ("WTb", TASK, True)
    ]
