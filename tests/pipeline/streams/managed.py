"""A call with its manager and an adapter, for tests."""

from typing import TypeVar

from pipeline.calls.lifetime import apply_fetched
from pipeline.calls.merge import Folded, fold
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.manager import Next, on_record, on_tick
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FetchLeg,
    FindConference,
    LegFetched,
    StartDuplicateStream,
)
from tests.pipeline.calls.histories import (
    T0,
    TASK,
    Story,
    leg_sid,
)
from tests.pipeline.streams.calls import listed
from tests.pipeline.streams.world import HISTORY

ANN, AGAIN, BOSS = leg_sid("ann"), leg_sid("again"), leg_sid("boss")
OURS = "+15559990000"

T = TypeVar("T")


class Manager:
    """The stream manager and the tracker of one call."""

    def __init__(self, history: PolicyHistory = HISTORY) -> None:
        self.history = history
        self.call: Call | None = None
        self.state: CallStreams | None = None
        self.outputs: list[object] = []
        self._handled = 0

    def receive(self, story: Story, at: int) -> "Manager":
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
        for record in self.of(LegFetched):
            received = apply_fetched(self.call, record, T0 + at)
            assert isinstance(received.state, Call)
            self.call = received.state
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
        self.state, self.outputs = step.state, [*step.outputs]
        return self

    def of(self, kind: type[T]) -> list[T]:
        """Return the outputs of the latest step that are of that class."""
        return [record for record in self.outputs if isinstance(record, kind)]
