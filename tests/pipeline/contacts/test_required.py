"""Required time: against the independent model, and case by case."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.view import derived, view
from pipeline.contacts import state as contact_state
from pipeline.contacts.contact import contact
from pipeline.contacts.required import evidence, required
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    Call,
    Fact,
    Leg,
    MediaStreamOpened,
    RecordingPolicy,
    Transfer,
    Worker,
    WorkerIdentity,
)
from tests.examples import examples
from tests.pipeline.calls.replay import Product, history
from tests.pipeline.contacts.records import HISTORY, NOON, POLICY, call, reservation
from tests.pipeline.contacts.records import LEG as CUSTOMER_LEG
from tests.system.model import required as model
from tests.system.model.histories import calls, list_versions
from tests.system.model.scene import TASK, Scene
from tests.system.model.showing import START
from tests.system.model.verdicts import ListVersion

SOME = settings(max_examples=examples(200), deadline=None)
HOUR = 60 * 60 * 1_000


_LISTS = (("ann@example.com", "bob@example.com"), ("*",), ("team:gold", "!queue:legal"), ())


@st.composite
def changing_lists(draw: st.DrawFn) -> tuple[ListVersion, ...]:
    """Versions of the list that change the monitored agents during the call."""
    times = draw(st.lists(st.integers(0, 60_000), min_size=1, max_size=5, unique=True))
    switches = st.sampled_from([True] * 5 + [False])
    return tuple(
        ListVersion(n, START + at, draw(st.sampled_from(_LISTS)), draw(switches), draw(switches))
        for n, at in enumerate([-HOUR, *sorted(times)], 1)
    )


@SOME
@given(calls(), list_versions() | changing_lists(), st.data())
def test_required_time_is_the_models(
    scene: Scene, versions: tuple[ListVersion, ...], data: st.DataObject
) -> None:
    """For any call, with events in any order, late and repeated: the same spans, and the same
    `required_ms` in the contact."""
    call = _delivered(scene, data)
    opened_at = data.draw(st.none() | st.integers(START, START + 120_000))
    now = max((at for _, at in scene.known), default=START) + data.draw(
        st.sampled_from([0, 500, HOUR])
    )
    expected = model.required(scene.known, TASK, versions, now, opened_at)
    if call is None:
        assert expected == []
        return
    found = required(call, view(call), history(versions), opened_at, now)
    assert expected == list(found)

    state = contact_state.fold(contact_state.empty(TASK), call, now)
    if opened_at is not None:
        opened = MediaStreamOpened("MZ1", "CA1", TASK, None, 1, "g", 1, opened_at)
        state = contact_state.fold(state, opened, now)
    made = contact(state, history(versions), now)
    assert (0 if made is None else made.required_ms) == sum(end - start for start, end in expected)


@SOME
@given(calls(), list_versions())
def test_required_time_lies_within_what_can_be_recorded(
    scene: Scene, versions: tuple[ListVersion, ...]
) -> None:
    """Spans are in order and apart, begin with a worker on the call, and end before it does; an
    internal call is never required."""
    product = Product(TASK, ())
    for event, arrived_at in scene.known:
        product.deliver(arrived_at, event, arrived_at)
    if product.call is None or product.seen is None:
        return
    seen = product.seen
    found = required(product.call, seen, history(versions), None, START + 24 * HOUR)
    edges = [at for span in found for at in span]
    assert edges == sorted(set(edges))
    assert not (found and seen.direction not in ("inbound", "outbound"))
    accepted = [s.started_at for s in seen.sessions if s.started_at is not None]
    assert all(start >= min(accepted) for start, _ in found)
    if seen.definitive_end is not None:
        assert all(end <= seen.definitive_end for _, end in found)


def _delivered(scene: Scene, data: st.DataObject) -> Call | None:
    product = Product(TASK, ())
    numbers = range(len(scene.known))
    order = data.draw(st.permutations(numbers))
    order += data.draw(st.lists(st.sampled_from(order), max_size=5)) if order else []
    for number in order:
        event, arrived_at = scene.known[number]
        product.deliver(arrived_at, event, arrived_at)
    return product.call


ANN = reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000)
BOB = reservation(2, "bob", created=29_500, accepted=40_000, wrapup=60_000)
EVE = reservation(3, "eve", created=0, accepted=500, wrapup=70_000)


def spans(
    made: Call,
    policies: PolicyHistory = HISTORY,
    streamed_at: int | None = None,
    now: int = 100_000,
) -> list[tuple[int, int]]:
    """The required time in ms after noon."""
    at = None if streamed_at is None else NOON + streamed_at
    found = required(made, view(made), policies, at, NOON + now)
    return [(start - NOON, end - NOON) for start, end in found]


def test_a_monitored_agents_part_is_required() -> None:
    """From accepting to leaving; of an active call up to now; nothing of an unmonitored agent."""
    assert [(2_000, 30_000)] == spans(call(ANN, completed=31_000))
    on = reservation(1, "ann", created=1_000, accepted=2_000)
    assert [(2_000, 9_000)] == spans(call(on), now=9_000)
    assert [] == spans(call(EVE, completed=71_000))
    assert [] == spans(call(ANN, completed=31_000, direction="internal"))
    assert [] == spans(call(ANN, completed=31_000, direction=None))


def test_the_time_without_the_agents_leg_is_not_required() -> None:
    """The agent lost the leg, and came back on another one: the session is one, the required time
    two spans. If the agent does not come back, there is no waiting time."""
    on = reservation(1, "ann", created=1_000, accepted=2_000)
    worker = {"label": Fact(ANN.sid, 0, 0, "e")}
    left = {**worker, "presence": Fact("left", 0, NOON + 10_000, "e")}
    first = Leg("CA" + "1" * 32, left, {"joined": NOON + 2_000})
    second = Leg("CA" + "2" * 32, worker, {"joined": NOON + 40_000})
    made = replace(call(on), legs=(first,))
    assert [(2_000, 10_000)] == spans(made)
    made = replace(made, legs=(first, second))
    assert [(2_000, 10_000), (40_000, 100_000)] == spans(made)
    over = replace(call(reservation(1, "ann", created=1_000, accepted=2_000, wrapup=60_000)))
    assert [(2_000, 10_000), (40_000, 60_000)] == spans(replace(over, legs=(first, second)))
    state = contact_state.fold(contact_state.empty(TASK), replace(over, legs=(first, second)), NOON)
    shown = contact(state, HISTORY, NOON + 70_000)
    assert shown is not None
    assert [(NOON + 2_000, NOON + 60_000)] == [(s.started_at, s.ended_at) for s in shown.sessions]


def test_the_time_between_two_monitored_agents_is_required() -> None:
    """Bob is being called when Ann leaves: it is one span. A later call begins another."""
    assert [(2_000, 60_000)] == spans(call(ANN, BOB, completed=61_000))
    late = reservation(2, "bob", created=30_500, accepted=40_000, wrapup=60_000)
    assert [(2_000, 30_000), (40_000, 60_000)] == spans(call(ANN, late, completed=61_000))


def test_an_agent_who_does_not_answer_is_not_waited_for_longer_than_ten_minutes() -> None:
    """Bob's phone was ringing when Ann left, and nothing more is known of Bob."""
    bob = reservation(2, "bob", created=29_500)
    assert [(2_000, 629_500)] == spans(call(ANN, bob), now=2_000_000)


@pytest.mark.parametrize(
    ("milestones", "end"), [({}, 31_000), ({"completed": 30_200}, 30_200), ({"wrapup": 1}, 31_000)]
)
def test_a_transfer_under_way_is_required_for_a_second(
    milestones: dict[str, int], end: int
) -> None:
    """Ann began a transfer and left; no other party is being called yet. When the task is
    done, no transfer is awaited any more."""
    begun = Transfer("TT1", {}, {"initiated": NOON + 29_900})
    made = derived(replace(call(ANN, **milestones), transfers=(begun,)))
    assert [(2_000, end)] == spans(made)


def test_bridging_begins_nothing() -> None:
    """Ann was not on the list during the call; Ann is added while Bob's phone rings."""
    lists = [(1, -60_000, ("bob@example.com",)), (2, 30_500, ("*",))]
    policies = PolicyHistory.of(
        RecordingPolicy(n, 0, NOON + at, entries, True, True) for n, at, entries in lists
    )
    assert [(40_000, 60_000)] == spans(call(ANN, BOB, completed=61_000), policies)


def test_only_the_list_in_force_at_the_time_counts() -> None:
    """Ann comes off the list, and on again."""
    lists = [(1, -60_000, True), (2, 5_000, False), (3, 20_000, True)]
    policies = PolicyHistory.of(
        RecordingPolicy(n, 0, NOON + at, POLICY.entries if on else (), True, True)
        for n, at, on in lists
    )
    assert [(2_000, 5_000), (20_000, 30_000)] == spans(call(ANN, completed=31_000), policies)
    off = PolicyHistory.of([replace(POLICY, record_inbound=False)])
    assert [] == spans(call(ANN, completed=31_000), off)


OUT = call(ANN, direction="outbound", facts={"customer_call_sid": CUSTOMER_LEG}, completed=31_000)


@pytest.mark.parametrize(
    ("made", "streamed_at", "expected"),
    [
        (OUT, None, []),
        (OUT, 6_000, [(6_000, 30_000)]),
        (
            replace(OUT, milestones={**OUT.milestones, "customer-joined": NOON + 8_000}),
            9_000,
            [(8_000, 30_000)],
        ),
        (
            call(ANN, direction="outbound", facts={"customer_joined": "CA9"}, completed=31_000),
            None,
            [(2_000, 30_000)],
        ),
    ],
)
def test_an_outbound_call_that_rings_is_not_required(
    made: Call, streamed_at: int | None, expected: list[tuple[int, int]]
) -> None:
    """From the customer's answer; else from the first media stream; else not at all."""
    assert expected == spans(made, streamed_at=streamed_at)


def test_an_inbound_call_without_evidence_of_its_customer_is_not_required() -> None:
    """No call SID, no leg, no media stream; a stream is evidence enough."""
    made = call(ANN, completed=31_000)
    facts = {name: fact for name, fact in made.facts.items() if name != "customer_call_sid"}
    made = replace(made, facts=facts)
    assert evidence(made, view(made), None) is None
    assert [] == spans(made)
    assert [(7_000, 30_000)] == spans(made, streamed_at=7_000)


def test_a_name_that_counts_later_makes_the_rest_of_the_call_required() -> None:
    """Learnt in another call of the same worker: from its time on, until the worker leaves."""
    worker = Fact("WK1", 0, NOON, "e")
    uma = reservation(1, "uma", created=0, accepted=1_000, wrapup=40_000)
    version = call(replace(uma, facts={**uma.facts, "worker_sid": worker}), completed=40_000)
    known = PolicyHistory.of([POLICY])
    for at in (21_000, 60_000):
        name = WorkerIdentity("email", "ann@example.com", NOON, NOON + at)
        known.workers.put(Worker("WK1", (name,), NOON))
        spans = required(version, view(version), known, None, NOON + 90_000)
        assert spans == (((NOON + 21_000, NOON + 40_000),) if at == 21_000 else ())


def test_required_time_ends_with_the_monitored_agent_if_another_worker_stays() -> None:
    """The unmonitored worker keeps no recording."""
    assert [(2_000, 30_000)] == spans(call(ANN, EVE, completed=71_000))


def test_a_lost_leg_during_a_transfer_is_required_for_a_second() -> None:
    """As if the agent had left; the agent comes back later."""
    on = reservation(1, "ann", created=1_000, accepted=2_000)
    worker = {"label": Fact(ANN.sid, 0, 0, "e")}
    left = {**worker, "presence": Fact("left", 0, NOON + 10_000, "e")}
    first = Leg("CA" + "1" * 32, left, {"joined": NOON + 2_000})
    second = Leg("CA" + "2" * 32, worker, {"joined": NOON + 40_000})
    begun = Transfer("TT1", {}, {"initiated": NOON + 9_900})
    made = replace(call(on), legs=(first, second), transfers=(begun,))
    assert [(2_000, 11_000), (40_000, 100_000)] == spans(made)
