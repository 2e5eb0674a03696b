"""Calls with a conference that must be looked up, for tests."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.streams.manager import OutputRecord, on_record, on_tick
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FindConference,
    Leg,
    MediaStreamChanged,
    StartDuplicateStream,
)
from tests.pipeline.streams.calls import ANN, TASK, call, facts, later, listed, reservation
from tests.pipeline.streams.world import HISTORY

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)
CALLBACK = call(ACTIVE, customer_call_sid=None)


@dataclass
class Search:
    """A manager, and an adapter that answers at once: there is no conference (`outcome`)."""

    version: Call = CALLBACK
    outcome: str | None = "no-conference"
    now: int = T
    state: CallStreams | None = None
    asked: list[int] = field(default_factory=list)
    outputs: list[OutputRecord] = field(default_factory=list)

    def see(self, version: Call | None = None) -> None:
        """A version of the call comes."""
        self.version = version or self.version
        step = on_record(TASK, self.state, self.version, HISTORY, self.now)
        self._take(step.state, step.outputs)

    def tick(self, ms: int = 1_000) -> None:
        """Time passes."""
        self.now += ms
        assert self.state is not None
        step = on_tick(self.state, HISTORY, self.now)
        self._take(step.state, step.outputs)

    def receive(self, answer: CommandAnswered) -> None:
        """The adapter answers."""
        step = on_record(TASK, self.state, answer, HISTORY, self.now)
        self._take(step.state, step.outputs)

    def sign(self, number: int) -> None:
        """An event shows another leg."""
        leg = Leg(f"CA{number:032x}", facts(), {"joined": self.now})
        self.see(later(self.version, legs=(*self.version.legs, leg)))

    def pass_time(self, seconds: int) -> None:
        """With a tick a second."""
        for _ in range(seconds):
            self.tick()

    def of(self, kind: type) -> list[OutputRecord]:
        """The outputs of that kind."""
        return [record for record in self.outputs if isinstance(record, kind)]

    def _take(self, state: CallStreams | None, outputs: Iterable[OutputRecord]) -> None:
        self.state = state
        self.outputs += outputs
        for each in outputs:
            if isinstance(each, FindConference):
                self.asked.append(self.now)
                if self.outcome is not None:
                    self.receive(listed(each, self.now, self.outcome))


def answer(start: StartDuplicateStream, outcome: str, detail: str) -> CommandAnswered:
    return CommandAnswered(
        start.command_id, TASK, start.generation, "start", outcome, None, None, None, None, detail,
        1, start.issued_at,
    )  # fmt: skip


def changed(search: Search) -> list[MediaStreamChanged]:
    """The changes of media streams."""
    return [record for record in search.outputs if isinstance(record, MediaStreamChanged)]
