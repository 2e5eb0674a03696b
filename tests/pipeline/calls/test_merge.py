"""A call's state is a function of the set of its events."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.events import Silent
from pipeline.calls.merge import Folded, fold, merge
from pipeline.calls.view import view
from schemas.codec import decode, encode
from schemas.records import Call, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import histories, inbound
from tests.pipeline.calls.replay import folded


def plain(call: Call) -> Call:
    """A call without what depends on the order by its meaning."""
    return replace(call, revision=0, cause_event_id="", cause_type="", cause_at=0)


@settings(max_examples=examples(150), deadline=None)
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


@settings(max_examples=examples(60), deadline=None)
@given(histories(), histories(), histories())
def test_merge_is_commutative_associative_and_idempotent(
    one: list[CtiEvent], two: list[CtiEvent], three: list[CtiEvent]
) -> None:
    """The summary is a semilattice."""
    a, b, c = (plain(folded(events)) for events in (one, two, three))

    def bare(call: Call) -> Call:
        flat = {"queue": None, "customer": None, "started_at": None, "ended_at": None}
        return replace(call, direction=None, state="", connections=(), agents=(), **flat)

    assert bare(merge(a, b)) == bare(merge(b, a))
    assert bare(merge(merge(a, b), c)) == bare(merge(a, merge(b, c)))
    assert bare(merge(a, a)) == bare(a)


@settings(max_examples=examples(60), deadline=None)
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


@settings(max_examples=examples(60), deadline=None)
@given(histories())
def test_a_call_survives_its_wire_format(events: list[CtiEvent]) -> None:
    """A table returns the state that was put into it."""
    call = folded(events)
    assert call == decode(encode(call))


def test_an_event_that_came_again_changes_nothing_but_the_arrival() -> None:
    """A repetition makes no version; a later arrival is remembered, for its dropping."""
    [created] = inbound().events
    call = folded([created])

    again = fold(call, replace(created, arrived_at=created.arrived_at + 5))

    assert Folded(replace(call, latest_arrival_at=created.arrived_at + 5), news=False) == again
    assert Folded(call, news=False) == fold(call, created)


def test_an_arrival_on_the_log_counts_as_an_arrival() -> None:
    """An event of a backlog has arrived when it is read, not when Kinesis took it."""
    [created] = inbound().events
    call = folded([created])

    again = fold(call, created, now=created.arrived_at + 9_000)

    assert Folded(replace(call, latest_arrival_at=created.arrived_at + 9_000), news=False) == again


@given(histories())
@settings(max_examples=examples(100), deadline=None)
def test_flat_fields_are_what_the_view_says(events: list[CtiEvent]) -> None:
    """Queue, customer, beginning and end; the agents that accepted, in the order of accepting, each
    once."""
    call = folded(events)
    seen = view(call)
    assert (seen.queue, seen.customer) == (call.queue, call.customer)
    assert (seen.started_at, seen.ended_at) == (call.started_at, call.ended_at)
    accepted = sorted(
        (s for s in seen.sessions if s.started_at is not None), key=lambda s: s.started_at or 0
    )
    assert list(dict.fromkeys(s.extension for s in accepted if s.extension)) == list(call.agents)
