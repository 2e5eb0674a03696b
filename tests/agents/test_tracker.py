"""The cores of tracker and resolver: published and refused records."""

from dataclasses import replace

from agents.faust_runner.core import Output, Step
from agents.resolver import ResolverCore
from agents.tracker import TrackerCore
from pipeline.calls.contested import Contested, contested_legs
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS, MARKED_MS
from pipeline.calls.merge import LONGEST_MS
from schemas.records import Call, CallAlias, CtiEvent, ForgottenCall, LegFetched
from schemas.topics import CALL_ALIASES, CALLS, Topic
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story, inbound, worker_sid

ALIAS = CallAlias(CUSTOMER_LEG, TASK, T0)


def topics(step: Step[object]) -> list[Topic]:
    """Return the topics of the step's outputs."""
    return [output.topic for output in step.outputs]


def tracked(events: list[CtiEvent]) -> Call:
    """The state after these events."""
    state = None
    for event in events:
        state = TrackerCore().on_record(TASK, state, event, event.arrived_at).state
    assert isinstance(state, Call)
    return state


def callback(number: int = 0) -> CtiEvent:
    """A call's status callback: it names no task."""
    [event] = Story().call_status("completed", 9_000, CUSTOMER_LEG, FriendlyName=None).events
    return replace(event, event_id=f"EV{number}")


def test_a_version_is_published_with_the_legs_that_it_names_first() -> None:
    """Each leg once; the same step again comes out the same."""
    created, updated = inbound().task("updated", 1_000).events

    first = TrackerCore().on_record(TASK, None, created, T0 + 60)
    again = TrackerCore().on_record(TASK, None, created, T0 + 60)

    assert isinstance(first.state, Call)
    assert first == again
    assert (
        Output(CALLS, TASK, first.state),
        Output(CALL_ALIASES, CUSTOMER_LEG, ALIAS),
    ) == first.outputs
    assert T0 + 60 == first.state.latest_arrival_at
    assert [CALLS] == topics(TrackerCore().on_record(TASK, first.state, updated, T0 + 1_060))


def test_an_event_without_task_is_the_resolvers() -> None:
    """The tracker does not look at it."""
    assert Step(None) == TrackerCore().on_record(CUSTOMER_LEG, None, callback(), T0)


def test_an_event_of_a_forgotten_call_is_refused() -> None:
    """An event of a forgotten call is refused, even before the tick that forgets the call."""
    call = tracked(inbound().task("canceled", 5_000).events)
    due = T0 + 5_050 + FORGOTTEN_AFTER_MS
    [created] = inbound().events

    step = TrackerCore().on_record(TASK, call, created, due)

    assert ForgottenCall(TASK, T0 + 5_000, due) == step.state
    assert step.refused is not None
    assert ("too-late", []) == (step.refused.reason, topics(step))


def test_ticks_sweep_forget_and_drop() -> None:
    """Each at the time of `wakes_at`, and none earlier."""
    core = TrackerCore()
    story = inbound().reservation("created", 10, "ann").reservation("accepted", 20, "ann")
    call = tracked(story.events)
    swept_at = T0 + LONGEST_MS

    assert swept_at == core.wakes_at(call)
    assert Step(call) == core.on_tick(TASK, call, swept_at - 1)
    swept = core.on_tick(TASK, call, swept_at)
    assert (Output(CALLS, TASK, swept.state),) == swept.outputs
    assert isinstance(swept.state, Call)
    forgotten = core.on_tick(TASK, swept.state, swept_at + FORGOTTEN_AFTER_MS)
    mark = ForgottenCall(TASK, swept_at, swept_at + FORGOTTEN_AFTER_MS)
    assert Step(mark) == forgotten
    assert mark.forgotten_at + MARKED_MS == core.wakes_at(mark)
    assert Step(None) == core.on_tick(TASK, mark, mark.forgotten_at + MARKED_MS)


def test_a_leg_that_another_task_names_is_reported_to_both_calls() -> None:
    """The resolver informs both tasks; the tracker keeps it with the leg, once."""
    core, other = ResolverCore(), "WT" + "b" * 32
    first = core.on_record(CUSTOMER_LEG, None, ALIAS, T0)
    step = core.on_record(CUSTOMER_LEG, first.state, CallAlias(CUSTOMER_LEG, other, T0 + 5), T0 + 5)
    assert {TASK: other, other: TASK} == {o.key: o.record.other_task_sid for o in step.outputs}

    contested = next(o.record for o in step.outputs if o.key == TASK)
    call = tracked(inbound().events)
    after = TrackerCore().on_record(TASK, call, contested, T0 + 9)
    assert isinstance(after.state, Call)
    assert {CUSTOMER_LEG: Contested(named=(other,))} == contested_legs(after.state)
    assert call.revision + 1 == after.state.revision
    again = TrackerCore().on_record(TASK, after.state, contested, T0 + 9)
    assert Step(after.state, ignored="repeated") == again
    assert TrackerCore().on_record(TASK, None, contested, T0 + 9).state is None


def test_the_ends_of_a_leg_are_a_version_of_the_call() -> None:
    """They are published once; for a call that is not known, or forgotten, they have no effect."""
    state = tracked(inbound().reservation("accepted", 1_000, "ann").events)
    leg = "CA" + "9" * 32
    ends = LegFetched(
        leg, TASK, "+15559990000", "client:x", "outbound-api", None, worker_sid("ann"), T0
    )
    step = TrackerCore().on_record(TASK, state, ends, T0 + 2_000)
    assert isinstance(step.state, Call)
    assert [CALLS, CALL_ALIASES] == topics(step)
    [known] = [each for each in step.state.legs if each.call_sid == leg]
    assert {"from": "+15559990000", "to": "client:x", "owner": worker_sid("ann")}.items() <= {
        name: fact.value for name, fact in known.facts.items()
    }.items()

    again = TrackerCore().on_record(TASK, step.state, ends, T0 + 3_000)
    assert ([], step.state.legs) == (topics(again), again.state and again.state.legs)  # type: ignore[union-attr]
    gone = ForgottenCall(TASK, None, T0)
    assert gone == TrackerCore().on_record(TASK, gone, ends, T0 + 4_000).state
    assert None is TrackerCore().on_record(TASK, None, ends, T0 + 4_000).state
