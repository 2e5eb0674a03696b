"""A call's state is a function of the set of its events."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.events import Silent, delta
from pipeline.calls.merge import Folded, fold, merge
from pipeline.calls.view import view
from schemas.codec import decode, encode
from schemas.records import Call, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    histories,
    inbound,
    leg_sid,
    stream_sid,
)
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


def test_an_arrival_on_the_log_counts_as_an_arrival() -> None:
    """An event of a backlog has arrived when it is read, not when Kinesis took it."""
    [created] = inbound().events
    call = folded([created])

    again = fold(call, created, now=created.arrived_at + 9_000)

    assert Folded(replace(call, latest_arrival_at=created.arrived_at + 9_000), news=False) == again


def test_a_stream_callback_tells_of_its_media_stream_and_of_no_leg() -> None:
    """A leg that belongs to a participant already, or to none, makes no new participant."""
    story = inbound().stream_status("started", 3_000, stream_sid("1"), leg_sid("x"))
    story.stream_status("error", 9_000, stream_sid("1"), leg_sid("x"), StreamError="31930")
    created, *callbacks = story.events

    call = folded([created, *(replace(e, task_sid=TASK) for e in callbacks)])

    [told] = call.media_streams
    assert {"started": T0 + 3_000, "error": T0 + 9_000} == told.milestones
    facts = {name: fact.value for name, fact in told.facts.items()}
    assert {
        "call_sid": leg_sid("x"),
        "name": "n",
        "status": "error",
        "error": "31930",
    } == facts
    assert [CUSTOMER_LEG] == [leg.call_sid for leg in call.legs]


def test_what_a_stream_callback_lacks_is_not_told() -> None:
    """An unknown StreamEvent is no status; without a SID there is nothing to tell of."""
    story = Story().stream_status("painted", 3_000, stream_sid("1"), leg_sid("x"), StreamName=None)
    story.stream_status("started", 3_000, "", leg_sid("x"))
    odd, nameless = (replace(e, task_sid=TASK) for e in story.events)

    [told] = folded([odd]).media_streams

    assert {"call_sid"} == set(told.facts)
    assert {} == told.milestones
    assert Silent("no-party") == delta(nameless)


def test_a_leg_in_another_conference_says_nothing() -> None:
    """The resolver knows the leg; but what it does in a conference of another name is not the
    call's."""
    [left] = Story().participant("leave", 5_000, CUSTOMER_LEG, FriendlyName="consultation").events
    [unnamed] = Story().participant("leave", 5_000, CUSTOMER_LEG, FriendlyName=None).events

    assert Silent("other-conference") == delta(replace(left, task_sid=TASK))
    assert CUSTOMER_LEG == folded([replace(unnamed, task_sid=TASK)]).legs[0].call_sid


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


@given(histories())
@settings(max_examples=examples(100), deadline=None)
def test_flat_fields_are_what_the_view_says(events: list[CtiEvent]) -> None:
    """Queue, customer, beginning and end; agents are those who accepted, in the order of accepting,
    each once."""
    call = folded(events)
    seen = view(call)
    assert (seen.queue, seen.customer) == (call.queue, call.customer)
    assert (seen.started_at, seen.ended_at) == (call.started_at, call.ended_at)
    accepted = sorted(
        (s for s in seen.sessions if s.started_at is not None), key=lambda s: s.started_at or 0
    )
    assert list(dict.fromkeys(s.extension for s in accepted if s.extension)) == list(call.agents)
