"""Track the steps of a retriever's work that may hang: on a disk, on the recordings store, on
Kafka. Requests to Twilio are not tracked, because they have their own limits and may wait for
permits."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class WorkStep:
    """A step under way. `moved_at`: time of its last progress (s)."""

    number: int
    what: str
    moved_at: float


class WorkSteps:
    """The steps under way, of all attempts and of the loop. `clock`: a monotonic clock (s)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._steps: dict[int, WorkStep] = {}

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[], None]]:
        """Mark that `what` is under way in this block. Call the function that it yields after each
        progress, from any thread; after the block it does nothing."""
        step = WorkStep(next(self._numbers), what, self._clock())

        def moved() -> None:
            step.moved_at = self._clock()

        self._steps[step.number] = step
        try:
            yield moved
        finally:
            del self._steps[step.number]

    def slowest(self) -> tuple[str, object]:
        """Return the step that has made no progress for longest (empty if there is none), and a
        value that differs after its next progress. This lets `end_if_stuck` notice a step that
        hangs while others progress."""
        step = min(self._steps.values(), key=lambda step: step.moved_at, default=None)
        return ("", None) if step is None else (step.what, (step.number, step.moved_at))
