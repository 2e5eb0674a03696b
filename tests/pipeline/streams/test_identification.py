"""The ends of legs that nothing identifies: when Twilio is asked for them, and the effects."""

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pytest

from pipeline.calls.lifetime import hear_fetched
from pipeline.calls.merge import Folded, fold
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.identification import MAX_ATTEMPTS, UNIDENTIFIED_MS
from pipeline.streams.manager import Next, is_at_rest, on_record, on_tick
from pipeline.streams.verification import OWN_LEG
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FetchLeg,
    FindConference,
    LegFetched,
    MediaStreamChanged,
    MediaStreamOpened,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
    Worker,
    WorkerIdentity,
)
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    outbound,
    worker_sid,
)
from tests.pipeline.streams.calls import listed
from tests.pipeline.streams.world import HISTORY

ANN, AGAIN, BOSS = leg_sid("ann"), leg_sid("again"), leg_sid("boss")
OURS = "+15559990000"

_T = TypeVar("_T")


class Manager:
    """The stream manager and the tracker of one call."""

    def __init__(self, history: PolicyHistory = HISTORY) -> None:
        self.history = history
        self.call: Call | None = None
        self.state: CallStreams | None = None
        self.told: list[object] = []
        self._handled = 0

    def hear(self, story: Story, at: int) -> "Manager":
        """The events that the story has more than before, at `at` ms after T0."""
        for event in story.events[self._handled :]:
            outcome = fold(self.call, event)
            if isinstance(outcome, Folded):
                self.call = outcome.call
        self._handled = len(story.events)
        return self._version(at)

    def _version(self, at: int) -> "Manager":
        assert self.call is not None
        return self._take(on_record(TASK, self.state, self.call, self.history, T0 + at))

    def answer(
        self,
        at: int,
        question: FetchLeg,
        to: str | None,
        start: str = OURS,
        label: str | None = None,
    ) -> "Manager":
        """The adapter's answer; `to` None: Twilio did not say."""
        answer = CommandAnswered(
            question.command_id, TASK, 0, "fetch", "unknown" if to is None else "done",
            question.call_sid, None, None, None, "", 1, T0 + at, start, to, "outbound-api", label,
        )  # fmt: skip
        self._take(on_record(TASK, self.state, answer, self.history, T0 + at))
        for told in self.of(LegFetched):
            heard = hear_fetched(self.call, told, T0 + at)
            assert isinstance(heard.state, Call)
            self.call = heard.state
            self._version(at)
        return self

    def listed(self, at: int, question: FindConference) -> "Manager":
        """Twilio lists a conference."""
        answer = listed(question, T0 + at)
        return self._take(on_record(TASK, self.state, answer, self.history, T0 + at))

    def started(self, at: int, start: StartDuplicateStream, leg: str) -> "Manager":
        """The adapter started the media stream on that leg."""
        answer = CommandAnswered(
            start.command_id, TASK, start.generation, "start", "done", leg, "MZ1", "n", None, "",
            1, T0 + at,
        )  # fmt: skip
        return self._take(on_record(TASK, self.state, answer, self.history, T0 + at))

    def tick(self, at: int) -> "Manager":
        """Time passes."""
        assert self.state is not None
        return self._take(on_tick(self.state, self.history, T0 + at))

    def _take(self, step: Next) -> "Manager":
        self.state, self.told = step.state, [*step.told]
        return self

    def of(self, kind: type[_T]) -> list[_T]:
        """What the latest step told, of that class."""
        return [told for told in self.told if isinstance(told, kind)]


def running(leg: str = ANN, label: str | None = None) -> tuple[Story, Manager]:
    """An inbound call that Ann has taken, and whose customer is streamed."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    story.participant("join", 2_000, CUSTOMER_LEG)
    story.participant("join", 2_000, leg, ParticipantLabel=label)
    manager = Manager().hear(story, 2_500)
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T0 + 2_600)
    manager._take(on_record(TASK, manager.state, opened, HISTORY, T0 + 2_600))
    return story, manager


def test_an_agent_who_comes_back_on_an_unlabelled_leg_is_recorded_again() -> None:
    """The leg leaves: stop, with that reason. Another one joins: its ends are asked for at once.
    They are the agent's: the same session continues, and a new recording of the customer starts."""
    story, manager = running(label=worker_sid("ann"))
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    [stop] = manager.of(RecordingDecided)
    assert ("stop", True) == (stop.decision, "the leg of ann@example.com is gone" in stop.reason)
    assert [CUSTOMER_LEG] == [s.call_sid for s in manager.of(StopDuplicateStream)]

    manager.hear(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    assert (AGAIN, []) == (question.call_sid, manager.of(StartDuplicateStream))

    manager.answer(95_200, question, "client:ann_40example_2Ecom")
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]
    assert [(CUSTOMER_LEG, 2)] == [
        (s.call_sid, s.generation) for s in manager.of(StartDuplicateStream)
    ]
    assert [] == manager.tick(200_000).of(FetchLeg)


def test_a_leg_at_another_end_is_asked_for_once_and_is_not_the_agent() -> None:
    """A supervisor or an outside party; nothing is recorded."""
    story, manager = running(label=worker_sid("ann"))
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    manager.hear(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    manager.answer(95_200, question, "+15550333")
    assert [] == [*manager.of(RecordingDecided), *manager.of(StartDuplicateStream)]
    for at in range(96_000, 200_000, 1_000):
        manager.tick(at)
        assert [] == [*manager.of(FetchLeg), *manager.of(StartDuplicateStream)]


def test_a_label_that_only_twilio_lists_identifies_the_agent() -> None:
    """The event that the leg joined had none, and its end is not the agent's contact URI."""
    story, manager = running(label=worker_sid("ann"))
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    manager.hear(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    assert {"client:ann@example.com", "tel:15550001111"} <= set(question.known_ends)
    manager.answer(95_200, question, "client:page-77", label=worker_sid("ann"))
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]


def test_the_ends_of_the_first_leg_are_asked_for_if_no_event_names_them() -> None:
    """After a while: an event may. Once it is known to be the agent's, its leaving is."""
    story, manager = running()
    assert [] == manager.of(FetchLeg)
    assert [] == manager.tick(2_000 + UNIDENTIFIED_MS - 1).of(FetchLeg)
    [question] = manager.tick(2_000 + UNIDENTIFIED_MS + 500).of(FetchLeg)
    assert ANN == question.call_sid
    manager.answer(5_000, question, "client:ann_40example_2Ecom")
    assert [] == manager.of(RecordingDecided)
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    assert ["stop"] == [d.decision for d in manager.of(RecordingDecided)]


def test_legs_that_events_identify_are_not_asked_for() -> None:
    """The usual call costs no request."""
    story, manager = running(label=worker_sid("ann"))
    story.participant("join", 9_000, BOSS, Coaching="true")
    story.call_status("answered", 9_000, leg_sid("out"), To="+15550333")
    manager.hear(story, 9_100)
    for at in range(10_000, 60_000, 5_000):
        assert [] == manager.tick(at).of(FetchLeg)


def test_no_leg_is_asked_for_whose_worker_is_not_monitored() -> None:
    """Nor after the call."""
    story = inbound().reservation("created", 1_000, "zoe").reservation("accepted", 2_000, "zoe")
    manager = Manager().hear(story.participant("join", 2_000, AGAIN), 2_500)
    assert [] == manager.tick(9_000).of(FetchLeg)
    story, manager = running()
    manager.hear(story.participant("leave", 3_000, CUSTOMER_LEG), 3_100)
    assert [] == manager.tick(9_000).of(FetchLeg)


def test_an_answer_that_does_not_come_is_asked_for_again_ever_more_slowly() -> None:
    """At most so often; then the call is at rest once it is over."""
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
    manager.hear(story.participant("leave", 600_000, CUSTOMER_LEG), 600_100)
    assert manager.state is not None
    assert is_at_rest(replace(manager.state, media_streams=()))


def test_a_question_whose_answer_is_lost_is_repeated_until_the_call_is_over() -> None:
    """It keeps no state of a call that is over."""
    story, manager = running()
    assert 1 == len(manager.tick(5_000).of(FetchLeg))
    assert 1 == len(manager.tick(12_000).of(FetchLeg))
    manager.hear(story.participant("leave", 13_000, CUSTOMER_LEG), 13_100)
    assert manager.state is not None
    assert () == manager.state.fetches


def test_a_worker_is_known_by_the_ends_that_other_calls_named() -> None:
    """The contact URI of the task's reservation is another than the one that was dialed."""
    history = PolicyHistory.of([HISTORY.at(T0)])
    identity = WorkerIdentity("contact", "+15550177", 0, 0)
    history.workers.put(Worker(worker_sid("ann"), (identity,), 0))
    story, _ = running(label=worker_sid("ann"))
    manager = Manager(history).hear(story, 2_500)
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    story.call_status("answered", 95_000, AGAIN, From=OURS, To="+15550177")
    manager.hear(story.participant("join", 95_000, AGAIN), 95_100)
    [question] = manager.of(FetchLeg)
    manager.answer(95_200, question, "+1 (555) 0177")
    assert ["record"] == [d.decision for d in manager.of(RecordingDecided)]


def test_a_streamed_leg_that_turns_out_to_be_the_agents_own_is_stopped() -> None:
    """The adapter took it for the customer's. It is not streamed again."""
    story = outbound().reservation("accepted", 200, "ann")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    story.task("updated", 1_000).participant("join", 2_000, ANN)
    manager = Manager().hear(story, 2_100)
    [find] = manager.of(FindConference)
    [start] = manager.listed(2_200, find).of(StartDuplicateStream)
    manager.started(2_300, start, ANN)
    [question] = manager.tick(4_100).of(FetchLeg)
    manager.answer(4_200, question, "client:ann_40example_2Ecom", start=CUSTOMER)
    assert OWN_LEG.text in [c.reason for c in manager.of(MediaStreamChanged)]
    [start] = manager.of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks
    assert ANN.lower() in start.worker_marks


def test_the_agents_own_leg_is_not_streamed_because_attributes_named_it_late() -> None:
    """It is in the conference, without label or ends: the adapter looks the customer's leg up, and
    nothing marks the agent's as that."""
    story = inbound().task("created", 0, task_attributes='{"direction": "inbound"}')
    story.events.pop(0)
    story.attributes = {"direction": "inbound"}
    story.reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.attributes["conference"] = {"participants": {"customer": ANN}}
    story.task("updated", 1_000).participant("join", 2_000, ANN)
    manager = Manager().hear(story, 2_100)
    assert manager.of(StartDuplicateStream) == []
    [find] = manager.of(FindConference)
    [start] = manager.listed(2_200, find).of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks


@pytest.mark.parametrize("repeat", [1, 3])
def test_an_answer_that_is_read_again_changes_nothing(repeat: int) -> None:
    """The tracker is told again, and its call stays the same."""
    _, manager = running()
    [question] = manager.tick(5_000).of(FetchLeg)
    manager.answer(5_100, question, "client:ann_40example_2Ecom")
    call, state = manager.call, manager.state
    for _ in range(repeat):
        manager.answer(5_100, question, "client:ann_40example_2Ecom")
    assert (call, state) == (manager.call, manager.state)


def test_the_agents_own_leg_labelled_customer_is_not_streamed() -> None:
    """A label is free text. The conference is asked for the customer's leg, and Twilio for the ends
    of the agent's, so that its leaving is the agent's absence and not the call's end."""
    story = outbound().reservation("created", 100, "ann").reservation("accepted", 200, "ann")
    story.participant("join", 300, ANN, ParticipantLabel="customer")
    manager = Manager().hear(story, 400)
    [find] = manager.of(FindConference)
    [start] = manager.listed(450, find).of(StartDuplicateStream)
    assert start.call_sid is None
    assert ANN.lower() not in start.customer_marks

    [question] = manager.tick(300 + UNIDENTIFIED_MS + 500).of(FetchLeg)
    assert ANN == question.call_sid
    manager.answer(3_000, question, "client:ann_40example_2Ecom")
    manager.hear(story.participant("join", 9_000, leg_sid("c")), 9_100)
    manager.hear(story.participant("leave", 30_000, ANN), 30_100)
    assert manager.call is not None
    assert "active" == manager.call.state
    [stop] = manager.of(RecordingDecided)
    assert ("stop", True) == (stop.decision, "the leg of ann@example.com is gone" in stop.reason)
