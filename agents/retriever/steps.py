"""The steps of a retriever's work that may hang: on a disk, on the recordings store, on Kafka.
Requests to Twilio are none, since they have limits of their own and may wait for permits."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class WorkSteps:
    """The steps under way, of all attempts and of the loop. `clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._steps: dict[int, tuple[float, str]] = {}

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[], None]]:
        """Mark that `what` is under way in this block. Call the function that it yields after each
        progress, from any thread."""
        number = next(self._numbers)

        def moved() -> None:
            self._steps[number] = self._clock(), what

        moved()
        try:
            yield moved
        finally:
            del self._steps[number]

    def slowest(self) -> tuple[str, object]:
        """Return the step that has made no progress for longest (empty: there is none), and a value
        that differs after its next progress. For `end_if_stuck`: one that hangs is seen although
        others move."""
        if not self._steps:
            return "", None
        number, (at, what) = min(list(self._steps.items()), key=lambda item: item[1][0])
        return what, (number, at)
