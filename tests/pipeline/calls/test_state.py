"""A call's state is a function of the set of its events."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.events import Silent, delta
from pipeline.calls.state import FORGOTTEN_AFTER_MS, Folded, fold, forgettable, merge
from pipeline.calls.view import view
from schemas.codec import decode, encode
from schemas.records import Call, CtiEvent
from tests.pipeline.calls.histories import T0, histories, inbound


def folded(events: list[CtiEvent]) -> Call:
    """The call after these events."""
    call: Call | None = None
    for each in events:
        outcome = fold(call, each)
        if isinstance(outcome, Folded):
            call = outcome.call
    assert call is not None
    return call


def plain(call: Call) -> Call:
    """A call without what depends on the order by its meaning."""
    return replace(call, revision=0, cause_event_id="", cause_type="", cause_at=0)


@settings(max_examples=150, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_call(
    events: list[CtiEvent], chance: random.Random
) -> None:
    """Whatever the order and however often each came, summary and view are the same."""
    shuffled = events + chance.choices(events, k=len(events))
    chance.shuffle(shuffled)

    first, second = folded(events), folded(shuffled)

    assert plain(first) == plain(second)
    assert view(first) == view(second)


@settings(max_examples=60, deadline=None)
@given(histories(), histories(), histories())
def test_merge_is_commutative_associative_and_idempotent(
    one: list[CtiEvent], two: list[CtiEvent], three: list[CtiEvent]
) -> None:
    """The summary is a semilattice."""
    a, b, c = (plain(folded(events)) for events in (one, two, three))

    def bare(call: Call) -> Call:
        return replace(call, direction=None, state="", connections=())

    assert bare(merge(a, b)) == bare(merge(b, a))
    assert bare(merge(merge(a, b), c)) == bare(merge(a, merge(b, c)))
    assert bare(merge(a, a)) == bare(a)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_each_version_is_one_more_and_names_its_cause(events: list[CtiEvent]) -> None:
    """Revisions count the versions without a hole; the cause is the event that made it."""
    call: Call | None = None
    for each in events:
        outcome = fold(call, each)
        if isinstance(outcome, Silent):
            continue
        if outcome.news:
            assert (call.revision + 1 if call else 1) == outcome.call.revision
            assert each.event_id == outcome.call.cause_event_id
        else:
            assert call is not None
            assert call.revision == outcome.call.revision
        call = outcome.call


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_call_survives_its_wire_format(events: list[CtiEvent]) -> None:
    """What a table gives back is what was put into it."""
    call = folded(events)
    assert call == decode(encode(call))


def test_an_event_that_came_again_changes_nothing_but_the_arrival() -> None:
    """A repetition makes no version; a later arrival is remembered, for its dropping."""
    [created] = inbound().events
    call = folded([created])

    again = fold(call, replace(created, arrived_at=created.arrived_at + 5))

    assert Folded(replace(call, latest_arrival_at=created.arrived_at + 5), news=False) == again
    assert Folded(call, news=False) == fold(call, created)


def test_an_ended_call_is_kept_four_hours_after_its_latest_event_or_arrival() -> None:
    """Twilio repeats for up to 4 hours; after that nothing can come any more."""
    call = folded(inbound().task("canceled", 5_000).events)
    last = T0 + 5_050  # the arrival

    assert not forgettable(call, last + FORGOTTEN_AFTER_MS - 1)
    assert forgettable(call, last + FORGOTTEN_AFTER_MS)


def test_a_running_call_is_not_forgotten_after_four_hours() -> None:
    """A call may last 24 hours."""
    events = inbound().reservation("created", 10, "ann").reservation("accepted", 20, "ann").events
    assert not forgettable(folded(events), T0 + 20 * 3_600_000)


def test_an_event_without_task_says_nothing() -> None:
    """It waits for a resolver; the call is not touched."""
    [created] = inbound().events
    assert Silent("no-task") == delta(replace(created, task_sid=None))


def test_an_unknown_type_says_nothing() -> None:
    """Twilio may send new events at any time."""
    [created] = inbound().events
    odd = created.body.replace("task.created", "task.painted")
    assert Silent("unknown-type") == delta(
        replace(created, type="com.twilio.taskrouter.task.painted", body=odd)
    )
