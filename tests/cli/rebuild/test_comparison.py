"""Rebuilt states of the tracker, compared with the tracker's own core."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.tracker import TrackerCore
from cli.rebuild.comparison import Folding, Published, TableVerdict, compared, is_within, rebuilt
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS, MARKED_MS, Kept
from pipeline.calls.merge import LONGEST_MS
from schemas.codec import encode
from schemas.records import Call, CtiEvent, ForgottenCall
from schemas.topics import CALLS
from tests.examples import examples
from tests.pipeline.calls.histories import T0, TASK, Story, histories

KEY = TASK.encode()


class Tracker:
    """The tracker's core with its state, its versions on `calls`, and their times."""

    def __init__(self) -> None:
        self.core = TrackerCore()
        self.state: Kept | None = None
        self.published: list[tuple[Call, int]] = []

    def take(self, event: CtiEvent, at: int) -> None:
        step = self.core.on_record(TASK, self.state, event, at)
        self._done(step, at)

    def tick(self, at: int) -> None:
        if self.state is not None:
            self._done(self.core.on_tick(TASK, self.state, at), at)

    def _done(self, step: object, at: int) -> None:
        self.state = step.state  # type: ignore[attr-defined]
        outputs = step.outputs  # type: ignore[attr-defined]
        self.published += [(o.record, at) for o in outputs if o.topic is CALLS]


def made(
    events: list[tuple[CtiEvent, int]], committed: int, tracker: Tracker, now: int
) -> tuple[Kept | None, Kept | None, str | None]:
    """Return the state of the first `committed` events, the rebuilt state, and the doubt."""
    folding = Folding()
    for event, at in events[:committed]:
        folding.take(KEY, encode(event), at)
    ahead = folding.ahead()
    for event, at in events[committed:]:
        ahead.take(KEY, encode(event), at)
    published = Published()
    for call, at in tracker.published:
        published.take(KEY, encode(call), at)
    committed_state = folding.states.get(TASK)
    found = rebuilt(TASK, committed_state, ahead.states.get(TASK), published.call(TASK), now)
    return committed_state, found.state, found.doubt


_steps = st.lists(st.integers(0, 3 * 60 * 60 * 1000), min_size=40, max_size=40)


@settings(max_examples=examples(80), deadline=None)
@given(histories(), _steps, st.booleans())
def test_a_stopped_tracker_has_the_same_state(
    events: list[CtiEvent], steps: list[int], ticking: bool
) -> None:
    """The rebuilt state is the same byte for byte, for all events and times, if every event is
    committed."""
    tracker, now, arrivals = Tracker(), T0, []
    for event, step in zip(events, steps, strict=False):
        now += step
        if ticking:
            tracker.tick(now)
        arrivals.append((event, now))
        tracker.take(event, now)
    tracker.tick(now)
    committed_state, state, doubt = made(arrivals, len(arrivals), tracker, now)
    assert doubt is None
    assert (tracker.state and encode(tracker.state)) == (state and encode(state))
    table = tracker.state and encode(tracker.state)
    assert TableVerdict.SAME is compared(KEY, table, committed_state, state, now)


@settings(max_examples=examples(80), deadline=None)
@given(histories(), st.data())
def test_a_killed_tracker_continues_without_going_back(
    events: list[CtiEvent], data: st.DataObject
) -> None:
    """The last events were handled and are not committed: the rebuilt state is that of the latest
    version, and applying those events again makes no version other than the published ones."""
    committed = data.draw(st.integers(0, len(events)))
    handled = data.draw(st.integers(committed, len(events)))
    tracker = Tracker()
    arrivals = [(event, T0 + number) for number, event in enumerate(events)]
    for event, at in arrivals[:handled]:
        tracker.take(event, at)
    table = None if tracker.state is None else encode(tracker.state)
    committed_state, state, doubt = made(arrivals, committed, tracker, T0 + len(events))
    assert doubt is None
    assert is_within(tracker.state, state)
    verdict = compared(KEY, table, committed_state, state, T0 + len(events))
    assert verdict in (TableVerdict.SAME, TableVerdict.BEHIND)
    again = Tracker()
    again.state = state
    for event, at in arrivals[committed:]:
        again.take(event, at)
    known = {call.revision for call, _ in tracker.published}
    assert not known & {call.revision for call, _ in again.published}
    complete = Tracker()
    for event, at in arrivals:
        complete.take(event, at)
    assert is_within(complete.state, again.state)
    assert is_within(again.state, complete.state)


def a_call(*steps: str) -> list[CtiEvent]:
    story = Story().task("created", 0)
    for number, step in enumerate(steps):
        story.reservation(step, 1_000 * (number + 1), "ann")
    return story.events


def test_versions_that_are_not_on_calls_are_reported() -> None:
    """Expired, or lost: the state is what the events say."""
    tracker = Tracker()
    arrivals = [(event, T0) for event in a_call("created", "accepted")]
    for event, at in arrivals:
        tracker.take(event, at)
    latest = tracker.state
    tracker.published.clear()
    _, state, doubt = made(arrivals, len(arrivals), tracker, T0)
    assert latest == state
    assert doubt is not None


def test_events_and_versions_that_contradict_each_other_are_both_kept() -> None:
    """If events or versions are missing, everything that is left is kept, the revision is that of
    `calls`, and the contradiction is reported."""
    events = a_call("created", "accepted", "wrapup")
    tracker = Tracker()
    for event in events[:3]:
        tracker.take(event, T0)
    arrivals = [(event, T0) for event in events]
    _, state, doubt = made(arrivals, len(arrivals), tracker, T0)
    assert isinstance(state, Call)
    assert (tracker.published[-1][0].revision, "ended") == (
        state.revision,
        state.connections[0].state,
    )
    assert doubt == "its events say more than its versions on calls"
    _, state, doubt = made(arrivals[:1], 1, tracker, T0)
    assert isinstance(state, Call)
    assert "active" == state.connections[0].state
    assert doubt == "its versions on calls say more than its events"


def test_time_passes_while_no_tracker_runs() -> None:
    """A call that ended long ago is forgotten, and a day later its mark is too. A call without an
    end waits for the tracker to close it."""
    events = [(event, T0) for event in a_call("created", "accepted", "wrapup")]
    tracker = Tracker()
    for event, at in events:
        tracker.take(event, at)
    table = encode(tracker.state)
    later = T0 + FORGOTTEN_AFTER_MS + 60_000
    committed_state, state, _ = made(events, len(events), tracker, later)
    assert isinstance(state, ForgottenCall)
    assert TableVerdict.SAME is compared(KEY, table, committed_state, state, later)
    assert made(events, len(events), tracker, later + MARKED_MS)[1] is None
    going_on = Tracker()
    for event, at in events[:-1]:
        going_on.take(event, at)
    much_later = T0 + LONGEST_MS + 60_000
    state = made(events[:-1], len(events) - 1, going_on, much_later)[1]
    assert going_on.state == state


def test_what_is_wrong_in_a_table_is_seen() -> None:
    """Lost keys, garbage, unknown keys, old versions, and numbers that are behind are detected."""
    events = [(event, T0) for event in a_call("created", "accepted")]
    tracker = Tracker()
    for event, at in events:
        tracker.take(event, at)
    committed_state, wanted, _ = made(events, len(events), tracker, T0)
    assert isinstance(wanted, Call)
    earlier, (other, _) = tracker.published[0][0], tracker.published[1]
    assert TableVerdict.MISSING is compared(KEY, None, committed_state, wanted, T0)
    assert TableVerdict.OTHER is compared(KEY, b"\x00", committed_state, wanted, T0)
    assert TableVerdict.OTHER is compared(KEY, encode(earlier), committed_state, wanted, T0)
    assert TableVerdict.OTHER is compared(
        KEY, encode(replace(wanted, revision=1)), committed_state, wanted, T0
    )
    assert TableVerdict.EXTRA is compared(b"\xff", encode(other), None, None, T0)
    assert TableVerdict.EXTRA is compared(KEY, encode(wanted), None, None, T0)
