"""Attributes alone never end the recording of a monitored agent on the call."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.stream_manager import StreamsCore
from agents.tracker import TrackerCore
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    CtiEvent,
    FindConference,
    GatewayAlive,
    MediaStreamOpened,
    RecordingDecided,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
)
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    outbound,
    worker_attributes,
    worker_sid,
)
from tests.pipeline.streams.calls import listed

OWN, FOREIGN = leg_sid("own"), leg_sid("foreign")
LINES = ("ann@example.com", "team:blue", worker_sid("ann").lower(), "worker:ann")

_SIDS = st.sampled_from([CUSTOMER_LEG, OWN, FOREIGN, "CA1", "", None])
_TARGETS = st.sampled_from(["client:bob", "CLIENT:x", "+15557770000", "sip:a@b", "", None])
_FLAGS = st.sampled_from([True, "true", "TRUE", False, 1, None])
_ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "internal": _FLAGS,
        "client_call": _FLAGS,
        "to": _TARGETS,
        "outbound_to": _TARGETS,
        "from": _TARGETS,
        "direction": st.sampled_from(["inbound", "outbound", "internal", "", None, 7]),
        "call_sid": _SIDS,
        "conference": st.none()
        | st.fixed_dictionaries(
            {"participants": st.fixed_dictionaries({"customer": _SIDS, "worker": _SIDS})}
        ),
        "taskChannelUniqueName": st.just("chat"),
        "task_queue_name": st.just("legal"),
        "queue": st.just("legal"),
        "reservation_status": st.just("completed"),
    },
)
_WORKERS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["nobody@x.com", "", None, "bob@example.com"]),
        "contact_uri": st.sampled_from(["client:nobody", "+15550100", "", None]),
        "full_name": st.just("Nobody"),
        "team_name": st.sampled_from(["red", "", None]),
        "roles": st.just(["supervisor"]),
    },
)


@st.composite
def _rewritten(draw: st.DrawFn) -> tuple[list[CtiEvent], list[CtiEvent]]:
    """A call that ann has accepted, and events that rewrite attributes, in any order."""
    story = draw(st.sampled_from([inbound, outbound]))()
    story.reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    begun = list(story.events)
    original = story.attributes
    for number in range(draw(st.integers(1, 6))):
        at = 3_000 + 1_000 * number
        story.attributes = original | draw(_ATTRIBUTES)
        if draw(st.booleans()):
            story.task("updated", at)
        else:
            worker = json.dumps(worker_attributes("ann", **draw(_WORKERS)))
            story.reservation("accepted", at, "ann", worker_attributes=worker)
    return begun, draw(st.permutations(story.events[len(begun) :]))


class Running:
    """Tracker and stream manager of one call, with an adapter that obeys every command."""

    def __init__(self, *lines: str) -> None:
        policy = RecordingPolicy(1, 0, 0, ("!queue:legal", *lines), True, True)
        self._tracker, self._manager = TrackerCore(), StreamsCore(PolicyHistory.of([policy]))
        self._call: Any = None
        self._state: CallStreams | None = None
        self.now = T0
        self.outputs: list[object] = []

    def deliver(self, events: list[CtiEvent]) -> None:
        """Deliver the events, and let a second pass after each."""
        for event in events:
            self.now = max(self.now + 1, event.arrived_at)
            step = self._tracker.on_record(TASK, self._call, event, self.now)
            self._call = step.state
            for output in step.outputs:
                if isinstance(output.record, Call):
                    self._take(output.record)
            self.now += 1_000
            if self._state is not None:
                alive = GatewayAlive("g", 1, self.now)
                self._apply(self._manager.on_broadcast(TASK, self._state, alive, self.now))
                self._apply(self._manager.on_tick(TASK, self._state, self.now))

    def _take(self, record: object) -> None:
        self._apply(self._manager.on_record(TASK, self._state, record, self.now))

    def _apply(self, step: Any) -> None:
        self._state = step.state
        records = list(dict.fromkeys(output.record for output in step.outputs))
        self.outputs += records
        for record in records:
            if isinstance(record, StartDuplicateStream):
                self._start(record)
            if isinstance(record, FindConference):
                self._take(listed(record, self.now))

    def _start(self, command: StartDuplicateStream) -> None:
        leg = command.call_sid or CUSTOMER_LEG
        answer = CommandAnswered(
            command.command_id, TASK, command.generation, "start", "done", leg,
            f"MZ{command.generation}", "n", None, "", 1, self.now,
        )  # fmt: skip
        self._take(answer)
        opened = MediaStreamOpened(
            f"MZ{command.generation}", leg, TASK, "n", command.generation, "g", 1, self.now
        )
        self._take(opened)


@settings(max_examples=examples(150), deadline=None)
@given(_rewritten(), st.sampled_from(LINES))
def test_attributes_alone_never_end_a_recording(
    rewritten: tuple[list[CtiEvent], list[CtiEvent]], line: str
) -> None:
    """Neither a task's nor a worker's, whatever they say and in whatever order they come; and the
    media stream stays on the leg that it was started on."""
    begun, later = rewritten
    running = Running(line)
    running.deliver(begun)
    running.deliver(later)

    decisions = [t.decision for t in running.outputs if isinstance(t, RecordingDecided)]
    starts = [t for t in running.outputs if isinstance(t, StartDuplicateStream)]
    assert decisions == ["record"]
    assert not [t for t in running.outputs if isinstance(t, StopDuplicateStream)]
    assert len(starts) == 1
    assert starts[0].call_sid in (CUSTOMER_LEG, None)


@settings(max_examples=examples(60), deadline=None)
@given(_rewritten())
def test_a_leg_that_attributes_name_later_is_never_started_unasked(
    rewritten: tuple[list[CtiEvent], list[CtiEvent]],
) -> None:
    """Whenever the call's start is decided, by whatever is known then: the command names the leg
    that the task had from the beginning, or none."""
    begun, later = rewritten
    accepted = replace(begun[-1], arrived_at=later[-1].arrived_at)
    running = Running("ann@example.com")
    running.deliver([*begun[:-1], *later[:-1], accepted, later[-1]])
    starts = [t for t in running.outputs if isinstance(t, StartDuplicateStream)]
    assert {start.call_sid for start in starts} <= {CUSTOMER_LEG, None}


def test_ann_is_identified_by_a_story() -> None:
    """The stories above begin a recording: otherwise nothing would be shown."""
    for story in (inbound(), outbound()):
        story.reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
        running = Running("ann@example.com")
        running.deliver(story.events)
        assert [t for t in running.outputs if isinstance(t, StartDuplicateStream)], Story
