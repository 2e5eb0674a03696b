"""The ends of legs that no event identifies: the times of the requests to Twilio, and the
effects."""

from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.manager import is_at_rest, on_record
from schemas.records import (
    FetchLeg,
    MediaStreamOpened,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
    Worker,
    WorkerIdentity,
)
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    worker_sid,
)
from tests.pipeline.streams.managed import AGAIN, ANN, BOSS, OURS, Manager
from tests.pipeline.streams.world import HISTORY

MAX_ATTEMPTS = 10
UNIDENTIFIED_MS = 2_000


def running(leg: str = ANN, label: str | None = None) -> tuple[Story, Manager]:
    """An inbound call that Ann has taken, with the customer's leg streamed."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    story.participant("join", 2_000, CUSTOMER_LEG)
    story.participant("join", 2_000, leg, ParticipantLabel=label)
    manager = Manager().receive(story, 2_500)
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T0 + 2_600)
    manager._take(on_record(TASK, manager.state, opened, HISTORY, T0 + 2_600))
    return story, manager


def test_an_agent_that_comes_back_on_an_unlabelled_leg_is_recorded_again() -> None:
    """The leg leaves: stop, with that reason. Another one joins: its ends are requested at once.
    They are the agent's: the same session continues, and a new recording of the customer starts."""
    story, manager = running(label=worker_sid("ann"))
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    [stop] = manager.of(RecordingDecided)
    assert ("stop", True) == (stop.decision, "the leg of ann@example.com is gone" in stop.reason)
    assert [CUSTOMER_LEG] == [s.call_sid for s in manager.of(StopDuplicateStream)]

    manager.receive(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    assert (AGAIN, []) == (question.call_sid, manager.of(StartDuplicateStream))

    manager.answer(95_200, question, "client:ann_40example_2Ecom")
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]
    assert [(CUSTOMER_LEG, 2)] == [
        (s.call_sid, s.generation) for s in manager.of(StartDuplicateStream)
    ]
    assert [] == manager.tick(200_000).of(FetchLeg)


def test_a_leg_at_another_end_is_looked_up_once_and_is_not_the_agent() -> None:
    """A supervisor or an outside party; nothing is recorded."""
    story, manager = running(label=worker_sid("ann"))
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    manager.receive(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    manager.answer(95_200, question, "+15550333")
    assert [] == [*manager.of(RecordingDecided), *manager.of(StartDuplicateStream)]
    for at in range(96_000, 200_000, 1_000):
        manager.tick(at)
        assert [] == [*manager.of(FetchLeg), *manager.of(StartDuplicateStream)]


def test_a_label_that_only_twilio_lists_identifies_the_agent() -> None:
    """The event that the leg joined had none, and its end is not the agent's contact URI."""
    story, manager = running(label=worker_sid("ann"))
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    manager.receive(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    assert {"client:ann@example.com", "tel:15550001111"} <= set(question.known_ends)
    manager.answer(95_200, question, "client:page-77", label=worker_sid("ann"))
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]


def test_the_ends_of_the_first_leg_are_looked_up_if_no_event_names_them() -> None:
    """After a delay, because an event may name them. Once the leg is known to be the agent's, so is
    its end."""
    story, manager = running()
    assert [] == manager.of(FetchLeg)
    assert [] == manager.tick(2_000 + UNIDENTIFIED_MS - 1).of(FetchLeg)
    [question] = manager.tick(2_000 + UNIDENTIFIED_MS + 500).of(FetchLeg)
    assert ANN == question.call_sid
    manager.answer(5_000, question, "client:ann_40example_2Ecom")
    assert [] == manager.of(RecordingDecided)
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    assert ["stop"] == [d.decision for d in manager.of(RecordingDecided)]


def test_legs_that_events_identify_are_not_looked_up() -> None:
    """The usual call costs no request."""
    story, manager = running(label=worker_sid("ann"))
    story.participant("join", 9_000, BOSS, Coaching="true")
    story.call_status("answered", 9_000, leg_sid("out"), To="+15550333")
    manager.receive(story, 9_100)
    for at in range(10_000, 60_000, 5_000):
        assert [] == manager.tick(at).of(FetchLeg)


def test_legs_of_unmonitored_workers_are_not_looked_up() -> None:
    """Nor after the call."""
    story = inbound().reservation("created", 1_000, "zoe").reservation("accepted", 2_000, "zoe")
    manager = Manager().receive(story.participant("join", 2_000, AGAIN), 2_500)
    assert [] == manager.tick(9_000).of(FetchLeg)
    story, manager = running()
    manager.receive(story.participant("leave", 3_000, CUSTOMER_LEG), 3_100)
    assert [] == manager.tick(9_000).of(FetchLeg)


def test_a_lookup_without_an_answer_is_repeated_at_growing_intervals() -> None:
    """The number of requests is limited; afterwards no step is pending once the call is over."""
    story, manager = running()
    asked: list[int] = []
    for at in range(4_000, 600_000, 500):
        for question in manager.tick(at).of(FetchLeg):
            asked.append(at)
            manager.answer(at + 100, question, None)
    assert MAX_ATTEMPTS == len(asked)
    pauses = [b - a for a, b in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert 30_000 <= max(pauses) <= 31_000
    manager.receive(story.participant("leave", 600_000, CUSTOMER_LEG), 600_100)
    assert manager.state is not None
    assert is_at_rest(replace(manager.state, media_streams=()))


def test_a_query_with_a_lost_answer_is_repeated_until_the_call_is_over() -> None:
    """It keeps no state of a call that is over."""
    story, manager = running()
    assert 1 == len(manager.tick(5_000).of(FetchLeg))
    assert 1 == len(manager.tick(12_000).of(FetchLeg))
    manager.receive(story.participant("leave", 13_000, CUSTOMER_LEG), 13_100)
    assert manager.state is not None
    assert () == manager.state.fetches


def test_a_worker_is_known_by_the_ends_that_other_calls_named() -> None:
    """The contact URI of the task's reservation is another than the one that was dialed."""
    history = PolicyHistory.of([HISTORY.at(T0)])
    identity = WorkerIdentity("contact", "+15550177", 0, 0)
    history.workers.put(Worker(worker_sid("ann"), (identity,), 0))
    story, _ = running(label=worker_sid("ann"))
    manager = Manager(history).receive(story, 2_500)
    manager.receive(story.participant("leave", 30_000, ANN), 30_100)
    story.call_status("answered", 95_000, AGAIN, From=OURS, To="+15550177")
    manager.receive(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    manager.answer(95_200, question, "+1 (555) 0177")
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]


@pytest.mark.parametrize("repeat", [1, 3])
def test_an_answer_that_is_read_again_changes_nothing(repeat: int) -> None:
    """The tracker gets the record again, and its call stays the same."""
    _, manager = running()
    [question] = manager.tick(5_000).of(FetchLeg)
    manager.answer(5_100, question, "client:ann_40example_2Ecom")
    call, state = manager.call, manager.state
    for _ in range(repeat):
        manager.answer(5_100, question, "client:ann_40example_2Ecom")
    assert (call, state) == (manager.call, manager.state)
