"""The tracker's metrics: the counts of a step of the core."""

from dataclasses import replace

from prometheus_client import Counter

from agents.metrics import (
    CALL_VERSIONS,
    CALLS_FORGOTTEN,
    CALLS_SWEPT,
    CONTRADICTIONS,
    EVENTS_IGNORED,
    EVENTS_REPEATED,
)
from agents.tracker import TrackerCore
from agents.tracker_metrics import TrackerMetrics
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS, LONGEST_MS, Kept
from schemas.records import CtiEvent
from schemas.states import CallState
from tests.agents.counted import CountedCore
from tests.pipeline.calls.histories import T0, TASK, Story, inbound


class Counted:
    """A call in a core with its steps counted."""

    def __init__(self) -> None:
        self.core = CountedCore(TrackerCore(), TrackerMetrics().observe)
        self.state: Kept | None = None

    def take(self, *events: CtiEvent) -> None:
        """Handle events when they arrive."""
        for event in events:
            self.state = self.core.on_record(TASK, self.state, event, event.arrived_at).state

    def tick(self, now: int) -> None:
        """Handle a tick."""
        assert self.state is not None
        self.state = self.core.on_tick(TASK, self.state, now).state


def number(counter: Counter) -> float:
    """Return the value of a counter."""
    value: float = counter._value.get()
    return value


def rewritten() -> Story:
    """An attribute is rewritten, and repeated by every later event."""
    story = inbound()
    story.attributes = story.attributes | {"internal": True}
    return story.task("updated", 1_000).task("updated", 2_000)


def test_contradictions_are_counted_once() -> None:
    """Repetitions by further events do not count."""
    counter = CONTRADICTIONS.labels("direction")
    before = number(counter)
    Counted().take(*rewritten().events)
    assert before + 1 == number(counter)


def test_a_repeated_event_counts_as_repeated_only() -> None:
    """It makes no version."""
    versions, repeated = CALL_VERSIONS.labels("pending"), number(EVENTS_REPEATED)
    counted, [event] = Counted(), inbound().events
    counted.take(event)
    before = number(versions)
    counted.take(event, event)
    assert (before, repeated + 2) == (number(versions), number(EVENTS_REPEATED))


def test_an_event_without_content_is_counted_with_its_reason() -> None:
    """So that an unknown type is noticed."""
    counter = EVENTS_IGNORED.labels("unknown-type")
    before = number(counter)
    [event] = inbound().events
    counted = Counted()
    counted.take(replace(event, type="org.other.thing"))
    assert (None, before + 1) == (counted.state, number(counter))


def test_ticks_count_a_sweep_and_a_forgotten_call() -> None:
    """Each once; the last tick, which drops the mark, counts nothing."""
    swept, forgotten, versions = CALLS_SWEPT, CALLS_FORGOTTEN, CALL_VERSIONS.labels(CallState.ENDED)
    before = number(swept), number(forgotten), number(versions)
    counted = Counted()
    counted.take(*inbound().reservation("accepted", 20, "ann").events)
    for at in (LONGEST_MS - 1, LONGEST_MS, LONGEST_MS + FORGOTTEN_AFTER_MS, 10**12):
        counted.tick(T0 + at)
    assert counted.state is None
    after = number(swept), number(forgotten), number(versions)
    assert tuple(value + 1 for value in before) == after


def test_a_rebuild_counts_nothing() -> None:
    """A core does not count by itself."""
    before, core, state = number(EVENTS_REPEATED), TrackerCore(), None
    [event] = inbound().events
    for _ in range(3):
        state = core.on_record(TASK, state, event, event.arrived_at).state
    assert before == number(EVENTS_REPEATED)
