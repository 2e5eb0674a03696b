"""A replay of a period long past, behind the bridge: the tracker, the stream manager and the
consolidator get its events once more, days later, with any state that they still have."""

from hypothesis import example, given
from hypothesis import strategies as st

from agents.stream_manager import StreamsCore
from agents.tracker import TrackerCore
from pipeline.calls.lifetime import Kept
from pipeline.contacts.contact import contact
from pipeline.contacts.state import empty, fold
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    Call,
    Contact,
    ContactState,
    CtiEvent,
    RecordingDecided,
    RecordingPolicy,
    StartDuplicateStream,
)
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, histories, inbound
from tests.pipeline.contacts.records import completed, started

FORGOTTEN_AFTER_MS = 4 * 60 * 60 * 1000
MARKED_MS = 24 * 60 * 60 * 1000
HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, ("ann@example.com",), True, True)])
DAY_MS = 24 * 60 * 60 * 1000
ENDED = T0 + 60_000

STORY = (
    inbound()
    .reservation("created", 1_000, "ann")
    .reservation("accepted", 2_000, "ann")
    .participant("join", 2_500, CUSTOMER_LEG, ParticipantLabel="customer")
    .conference_end(50_000)
    .reservation("completed", 55_000, "ann")
    .task("completed", 60_000)
).events

periods = st.tuples(st.integers(0, len(STORY)), st.integers(0, len(STORY)))


def tracked(
    events: list[CtiEvent], state: Kept | None, late: int
) -> tuple[list[Call], Kept | None]:
    """Return the versions that the tracker publishes for events that reach it `late` ms after they
    arrived in Kinesis, and its final state."""
    core, found = TrackerCore(), list[Call]()
    for event in events:
        step = core.on_record(TASK, state, event, event.arrived_at + late)
        state = step.state
        found += [o.record for o in step.outputs if isinstance(o.record, Call)]
    return found, state


def managed(versions: list[Call], now: int) -> list[object]:
    """Return the records that the stream manager publishes for these versions, and for the seconds
    after each, if it has no state of the call."""
    core, state, published = StreamsCore(HISTORY), None, list[object]()
    for number, version in enumerate(versions):
        at = now + number * 5_000
        step = core.on_record(TASK, state, version, at)
        published += [output.record for output in step.outputs]
        if step.state is not None:
            ticked = core.on_tick(TASK, step.state, at + 4_000)
            published += [output.record for output in ticked.outputs]
            step = ticked
        state = step.state
    return published


def consolidated(state: ContactState, records: list[Call], now: int) -> ContactState:
    """The contact's state after these."""
    for record in records:
        state = fold(state, record, now)
    return state


def made(state: ContactState) -> Contact:
    """The contact."""
    found = contact(state, HISTORY, ENDED + 4 * DAY_MS)
    assert found is not None
    return found


def test_as_it_happens_the_call_is_streamed() -> None:
    """The story is one that starts a media stream while it happens: else nothing is shown here."""
    versions, _ = tracked(STORY, None, 0)
    published = managed(versions, T0 + 3_000)
    assert [] != [each for each in published if isinstance(each, StartDuplicateStream)]


@given(periods, st.integers(0, 10 * DAY_MS))
@example((0, len(STORY)), FORGOTTEN_AFTER_MS)
def test_a_call_that_is_remembered_has_no_new_versions(period: tuple[int, int], late: int) -> None:
    """While the call, or its mark, is there, a repetition of any of its events changes nothing."""
    _, state = tracked(STORY, None, 0)
    late = late % (FORGOTTEN_AFTER_MS + MARKED_MS - 60_000)
    assert [] == tracked(STORY[slice(*period)], state, late)[0]


@given(periods, st.integers(0, 10 * DAY_MS))
@example((0, 3), 0)
def test_a_call_that_is_over_for_good_is_never_streamed(period: tuple[int, int], more: int) -> None:
    """Once the mark is gone, its beginning opens the call again, and its end may be outside of the
    period: no start is commanded, and no decision is made."""
    late = FORGOTTEN_AFTER_MS + MARKED_MS + more
    versions, _ = tracked(STORY[slice(*period)], None, late)
    assert [] == managed(versions, T0 + late)


@given(histories(), st.integers(0, 10 * DAY_MS))
def test_no_history_is_ever_streamed(events: list[CtiEvent], more: int) -> None:
    """Other calls with a last event as old are not streamed either."""
    latest = max(event.arrived_at for event in events) + 200_000
    versions, _ = tracked(events, None, FORGOTTEN_AFTER_MS + MARKED_MS + more)
    published = managed(versions, latest + FORGOTTEN_AFTER_MS + MARKED_MS + more)
    assert [] == [
        each for each in published if isinstance(each, StartDuplicateStream | RecordingDecided)
    ]


@given(periods)
def test_a_contact_loses_nothing(period: tuple[int, int]) -> None:
    """The saved state is recalled and merged: if any part of its events is repeated, the contact
    keeps its recordings, sessions and end."""
    versions, _ = tracked(STORY, None, 0)
    state = consolidated(empty(TASK), versions, ENDED)
    state = fold(state, started(1, T0 + 3_000), ENDED)
    state = fold(state, completed(1, T0 + 3_000, T0 + 50_000), ENDED)
    again, _ = tracked(STORY[slice(*period)], None, 3 * DAY_MS)
    after = consolidated(state, again, ENDED + 3 * DAY_MS)
    before = made(state)
    assert 1 == len(before.recordings)
    contents = [(c.recordings, c.sessions, c.ended_at, c.state) for c in (before, made(after))]
    assert contents[0] == contents[1]
