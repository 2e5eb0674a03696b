"""A gateway with a lower epoch than an earlier one: its clock was set back, or two processes share
a name."""

from collections import deque
from dataclasses import dataclass, field

from agents.stream_manager import StreamsCore
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    CallStreams,
    CommandAnswered,
    GatewayAlive,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
)
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

T = 1_000_000


@dataclass
class Scene:
    """The stream manager, with a Twilio and a gateway that respond at once."""

    epoch: int
    greater_epoch: int
    core: StreamsCore = field(
        default_factory=lambda: StreamsCore(
            PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
        )
    )
    state: CallStreams | None = None
    starts: int = 0
    stops: int = 0
    running: set[str] = field(default_factory=set)

    def take(self, record: object, now: int) -> None:
        """A record of `calls` or `stream.events`, and all that follows from it."""
        records = deque([record])
        while records:
            step = self.core.on_record(TASK, self.state, records.popleft(), now)
            self.state = step.state
            for output in step.outputs:
                records += self._done(output.record, now)

    def second(self, now: int) -> None:
        """A second passes, in which both epochs are announced."""
        assert self.state is not None
        for epoch in (self.greater_epoch, self.epoch):
            self.core.on_broadcast(TASK, self.state, GatewayAlive("g1", epoch, now), now)
        step = self.core.on_tick(TASK, self.state, now)
        self.state = step.state
        for output in step.outputs:
            for record in self._done(output.record, now):
                self.take(record, now)

    def _done(self, command: object, now: int) -> list[object]:
        match command:
            case StartDuplicateStream(command_id=identity, generation=generation):
                self.starts += 1
                sid = f"MZ{generation}"
                self.running.add(sid)
                opened = MediaStreamOpened(
                    sid, CUSTOMER_LEG, TASK, None, generation, "g1", self.epoch, now
                )
                return [_answer(identity, generation, "start", sid, now), opened]
            case StopDuplicateStream(command_id=identity, generation=generation):
                self.stops += 1
                sid = f"MZ{generation}"
                self.running.discard(sid)
                closed = MediaStreamClosed(
                    *(sid, CUSTOMER_LEG, TASK, None, generation, "g1", self.epoch, now),
                    *("stop", "", 1, 50, 0),
                )
                return [_answer(identity, generation, "stop", sid, now), closed]
        return []


def _answer(identity: str, generation: int, command: str, sid: str, now: int) -> CommandAnswered:
    return CommandAnswered(
        identity, TASK, generation, command, "done", CUSTOMER_LEG, sid, None, None, "", 1, now
    )


def _minute(epoch: int, greater_epoch: int) -> Scene:
    """A call in progress for a minute; it begins ten seconds after the gateway's sign of life."""
    scene = Scene(epoch, greater_epoch)
    scene.take(call(reservation("other@example.com", created=T)), T)
    for now in range(T, T + 10_000, 1_000):
        scene.second(now)
    begins = T + 10_000
    active = call(reservation(ANN, created=begins, accepted=begins), revision=2)
    scene.take(active, begins)
    for now in range(begins, begins + 60_000, 1_000):
        scene.second(now)
    return scene


def test_what_it_takes_in_is_stopped_and_pauses_between_starts_grow() -> None:
    """Not a start every second and never a stop: then a second media stream would run for each."""
    scene = _minute(epoch=40, greater_epoch=100)
    assert 2 <= scene.starts <= 12
    assert scene.starts - 1 <= scene.stops <= scene.starts
    assert len(scene.running) <= 1


def test_a_gateway_with_the_greatest_epoch_is_left_alone() -> None:
    """Records of earlier epochs that are still read do not matter."""
    scene = _minute(epoch=100, greater_epoch=40)
    assert (1, 0, {"MZ1"}) == (scene.starts, scene.stops, scene.running)
