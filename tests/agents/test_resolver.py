"""The resolver's core as the runner sees it."""

from dataclasses import replace

from agents.faust_runner.core import Output, Refusal, Step
from agents.metrics import EVENTS_LET_GO, EVENTS_RESOLVED
from agents.resolver import ResolverCore, count
from agents.tracker import TrackerCore
from pipeline.calls.aliases import MOST_WAITING, WAITING_MS
from schemas.records import CallAlias, CallAliasState, CtiEvent, Worker, WorkerIdentity, WorkerSeen
from schemas.topics import CTI_RESOLVED, WORKERS, WORKERS_SEEN
from tests.agents.counted import CountedCore
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story, inbound, worker_sid

ALIAS = CallAlias(CUSTOMER_LEG, TASK, T0)


def callback(number: int = 0) -> CtiEvent:
    """A call's status callback: it names no task."""
    [event] = Story().call_status("completed", 9_000, CUSTOMER_LEG, FriendlyName=None).events
    return replace(event, event_id=f"EV{number}")


def test_the_resolver_takes_only_what_has_a_leg_and_no_task() -> None:
    """All other events are the tracker's, or are ignored."""
    core = ResolverCore()
    [created] = inbound().events
    odd = replace(callback(), type="com.twilio.voice.insights.call-summary.complete")

    assert Step(None) == core.on_record(TASK, None, created, T0)
    assert Step(None) == core.on_record("/source", None, replace(created, task_sid=None), T0)
    assert Step(None) == core.on_record(CUSTOMER_LEG, None, odd, T0)
    assert Step(None) == core.on_record(TASK, None, callback(), T0)


def test_the_resolver_publishes_under_the_task() -> None:
    """Waiting events are published once the alias arrives, later ones at once."""
    core = ResolverCore()
    found = replace(callback(), task_sid=TASK)

    waiting = core.on_record(CUSTOMER_LEG, None, callback(), T0)
    resolved = core.on_record(CUSTOMER_LEG, waiting.state, ALIAS, T0 + 1)
    later = core.on_record(CUSTOMER_LEG, resolved.state, callback(1), T0 + 2)

    assert () == waiting.outputs
    assert (Output(CTI_RESOLVED, TASK, found),) == resolved.outputs
    assert (Output(CTI_RESOLVED, TASK, replace(found, event_id="EV1")),) == later.outputs
    assert () == core.on_record(CUSTOMER_LEG, resolved.state, ALIAS, T0 + 2).outputs


def test_the_resolver_counts_events_passed_on_and_dropped() -> None:
    """A leg's alias passes on the events that waited; a leg forgotten without it drops them."""
    core, others = CountedCore(ResolverCore(), count), "CA" + "8" * 32
    passed_on, dropped = EVENTS_RESOLVED._value.get(), EVENTS_LET_GO._value.get()
    state = core.on_record(CUSTOMER_LEG, None, callback(), T0).state
    state = core.on_record(CUSTOMER_LEG, state, ALIAS, T0 + 1).state
    core.on_record(CUSTOMER_LEG, state, callback(1), T0 + 2)
    assert passed_on + 2 == EVENTS_RESOLVED._value.get()

    waiting = core.on_record(others, None, replace(callback(), call_sid=others), T0).state
    core.on_tick(others, waiting, T0 + WAITING_MS - 1)
    assert dropped == EVENTS_LET_GO._value.get()
    core.on_tick(others, waiting, T0 + WAITING_MS)
    assert dropped + 1 == EVENTS_LET_GO._value.get()


def test_the_resolver_refuses_what_finds_no_room() -> None:
    """An event that finds no space becomes a dead letter; waiting events stay."""
    core = ResolverCore()
    state: CallAliasState | None = None
    for number in range(MOST_WAITING):
        state = core.on_record(CUSTOMER_LEG, state, callback(number), T0).state

    step = core.on_record(CUSTOMER_LEG, state, callback(MOST_WAITING), T0)

    why = f"{MOST_WAITING} events of {CUSTOMER_LEG} already wait for its task"
    assert Step(state, refused=Refusal("too-many-waiting", why)) == step


def test_the_resolver_lets_go_what_waited_in_vain() -> None:
    """Four hours after the latest of its leg."""
    core = ResolverCore()
    state = core.on_record(CUSTOMER_LEG, None, callback(), T0).state
    assert state is not None
    assert T0 + WAITING_MS == core.wakes_at(state)
    assert Step(state) == core.on_tick(CUSTOMER_LEG, state, T0 + WAITING_MS - 1)
    assert Step(None) == core.on_tick(CUSTOMER_LEG, state, T0 + WAITING_MS)


def test_the_names_of_a_worker_are_published_once_in_ten_minutes() -> None:
    """Each reservation repeats them; another call of the same worker adds nothing."""
    core = TrackerCore()
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    sightings: list[Output] = []
    for now in (T0, T0 + 60_000, T0 + 11 * 60_000):
        state = None
        for event in story.events:
            step = core.on_record(TASK, state, event, now)
            state = step.state
            sightings += [o for o in step.outputs if o.topic == WORKERS_SEEN]

    assert [worker_sid("ann")] * 2 == [output.key for output in sightings]
    assert isinstance(sightings[0].record, WorkerSeen)


def test_the_resolver_gathers_the_names_of_a_worker() -> None:
    """Each change is put on `workers`, whole; a worker is never forgotten."""
    core, ann = ResolverCore(), worker_sid("ann")
    first, second = (
        WorkerSeen(ann, TASK, (WorkerIdentity("email", email, T0, 0),), T0)
        for email in ("ann@example.com", "new@example.com")
    )
    step = core.on_record(ann, None, first, T0)
    assert [Output(WORKERS, ann, step.state)] == list(step.outputs)
    again = core.on_record(ann, step.state, first, T0 + 5)
    assert Step(step.state) == again

    after = core.on_record(ann, step.state, second, T0 + 9)
    assert isinstance(after.state, Worker)
    assert ["ann@example.com", "new@example.com"] == [i.value for i in after.state.identities]
    assert core.wakes_at(after.state) is None
    assert Step(after.state) == core.on_tick(ann, after.state, T0 + 10**12)
