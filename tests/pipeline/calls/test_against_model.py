"""The product's calls, decisions and contacts equal those of the independent model, whatever comes
when. A longer search is `--hypothesis-profile=long --timeout=0`."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.view import CallView
from pipeline.contacts import contact as contacts
from pipeline.contacts import state as contact_state
from pipeline.policy.decide import Decision
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import Contact
from tests.examples import examples
from tests.pipeline.calls.replay import Product, history
from tests.system.model.histories import Run, calls, list_versions, runs
from tests.system.model.scene import TASK, Scene
from tests.system.model.showing import line
from tests.system.model.story import Session, Story, story
from tests.system.model.verdicts import ListVersion, Verdict, changes_of, timeline, was_monitored

LATER = 2_000_000_000_000
SOME = settings(max_examples=examples(200), deadline=None)
FEW = settings(SOME, max_examples=examples(100))


@SOME
@given(calls(), st.data())
def test_any_order_and_repetition_gives_the_models_call(scene: Scene, data: st.DataObject) -> None:
    """Of all that is known, the product says what the model says, in whatever order it came."""
    product = Product(TASK, ())
    for number in data.draw(_orders(len(scene.known))):
        event, arrived_at = scene.known[number]
        product.deliver(arrived_at, event, arrived_at)

    assert _of_model(story(scene.known, TASK)) == _of_product(product.seen)


@SOME
@given(runs())
def test_each_decision_is_the_models(run: Run) -> None:
    """After each event, and whenever time changes something, call and decision are the model's for
    the events known by then; and the published decisions are the model's too."""
    found = timeline(run.deliveries, TASK, run.versions)
    product, coming = Product(TASK, run.versions), list(run.deliveries)
    for moment in found:
        while coming and coming[0][0] <= moment.at:
            product.deliver(*coming.pop(0))
        product.pass_time(moment.at)
        assert _of_model(moment.story) == _of_product(product.seen)
        if (decision := product.decision(moment.at)) is not None:
            assert moment.verdict == _verdict(decision)
    assert [(at, word) for at, word, _ in changes_of(found)] == product.decisions


@SOME
@given(calls(), list_versions())
def test_the_contact_is_the_models(scene: Scene, versions: tuple[ListVersion, ...]) -> None:
    """Times, parties, sessions with their monitored agents, state and outcome."""
    product = Product(TASK, versions)
    for event, arrived_at in scene.known:
        product.deliver(arrived_at, event, arrived_at)
    made = _contact(product, history(versions))
    model = story(scene.known, TASK)

    if model is None or model.state in ("forming", "ignored"):
        assert made is None
        return
    assert made is not None
    assert (
        model.direction or "inbound", model.customer, model.queue, model.started_at,
        model.ended_at, model.state, model.outcome(),
    ) == (
        made.direction, made.customer, made.queue, made.started_at,
        made.ended_at, made.state, made.outcome,
    )  # fmt: skip
    assert [
        (
            s.reservation_sid,
            s.extension,
            was_monitored(versions, s, LATER),
            s.started_at,
            s.ended_at,
        )
        for s in model.sessions
    ] == [
        (s.reservation_sid, s.extension, s.monitored, s.started_at, s.ended_at)
        for s in made.sessions
    ]


@FEW
@given(runs())
def test_a_supervisor_neither_starts_nor_keeps_a_recording(run: Run) -> None:
    """Without listening supervisors, the product decides the same, at the same moments (a new
    version of the list is noticed with the next event, or at the next tick without an event)."""
    with_them, without = (Product(TASK, run.versions) for _ in range(2))
    for at, event, arrived_at in run.deliveries:
        with_them.deliver(at, event, arrived_at)
        if not any(leg in line(event, at) for leg in run.supervisors):
            without.deliver(at, event, arrived_at)
        else:
            with_them.pass_time(at)  # their events may bring no version, and so decide nothing
            without.pass_time(at)
    assert without.decisions == with_them.decisions


@FEW
@given(runs())
def test_what_must_never_be_recorded_is_not(run: Run) -> None:
    """Internal calls, and calls that never have a monitored agent, are not recorded. Once all
    events are known, no recording continues after the last monitored agent left, except during a
    transfer to another."""
    product = Product(TASK, run.versions)
    for delivery in run.deliveries:
        product.deliver(*delivery)
    final = story([(event, at) for _, event, at in run.deliveries], TASK)
    recorded = any(word == "record" for _, word in product.decisions)

    if final is None or not any(was_monitored(run.versions, s, LATER) for s in final.sessions):
        assert not recorded
    if final is not None and final.direction == "internal":
        assert not recorded
    if final is not None and final.state == "ended" and run.deliveries:
        decision = product.decision(LATER)
        assert decision is not None
        assert not decision.record


@st.composite
def _orders(draw: st.DrawFn, events: int) -> list[int]:
    order = draw(st.permutations(range(events)))
    return order + draw(st.lists(st.sampled_from(order), max_size=5)) if order else []


def _contact(product: Product, versions: PolicyHistory) -> Contact | None:
    state = contact_state.empty(TASK)
    if product.call is not None:
        state = contact_state.fold(state, product.call, LATER)
    return contacts.contact(state, versions, LATER)


def _verdict(decision: Decision) -> Verdict:
    return Verdict(decision.record, decision.begins, decision.kind, decision.policy_version)


def _leg(direction: str | None, call_sid: str | None) -> str | None:
    """Return the customer's leg. An internal call has none that matters: it is never recorded."""
    return None if direction == "internal" else call_sid


def _of_model(found: Story | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "state": found.state,
        "direction": found.direction,
        "customer": found.customer,
        "leg": _leg(found.direction, found.customer_leg),
        "queue": found.queue,
        "started": found.started_at,
        "over": found.over_at,
        "ended": found.ended_at,
        "answered": found.answered,
        "never answered": found.never_answered,
        "sessions": found.sessions,
        "connections": found.connections,
    }


def _of_product(seen: CallView | None) -> dict[str, object] | None:
    if seen is None:
        return None
    return {
        "state": seen.state,
        "direction": seen.direction,
        "customer": seen.customer,
        "leg": _leg(seen.direction, seen.customer_call_sid),
        "queue": seen.queue,
        "started": seen.started_at,
        "over": seen.definitive_end,
        "ended": seen.ended_at,
        "answered": seen.answered,
        "never answered": seen.never_answered,
        "sessions": tuple(
            Session(
                s.reservation_sid, s.worker_sid, s.extension, s.team, s.queue,
                s.created_at, s.started_at, s.ended_at,
            )
            for s in seen.sessions
        ),
        "connections": {c.reservation_sid: c.state for c in seen.connections},
    }  # fmt: skip
