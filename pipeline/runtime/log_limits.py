"""Limits on repeated log lines. Without them, a library that retries ten times a second on every
partition would write thousands of lines a minute and hide the others."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECONDS = 10.0
MOST, MOST_OF_LIBRARIES = 20, 2
"""The most warnings or errors of one kind within `SECONDS`: of our code, and of libraries."""
_OURS = frozenset({"agents", "console", "gateway", "infra", "pipeline", "schemas"})
_NUMBERS = re.compile(r"\d+")

Kind = tuple[str, int, str]
"""Logger, level, and the message without its numbers and arguments."""


@dataclass(slots=True)
class _Window:
    began: float
    passed: int = 0
    left_out: int = 0


class Repetitions:
    """Counts messages by kind."""

    def __init__(self) -> None:
        self._windows: dict[Kind, _Window] = {}
        self._looked_at = 0.0

    def passes(self, kind: Kind, now: float) -> bool:
        """Return whether to write a message of that kind. It is counted either way."""
        window = self._windows.setdefault(kind, _Window(now))
        most = MOST if kind[0].split(".")[0] in _OURS else MOST_OF_LIBRARIES
        if window.passed < most:
            window.passed += 1
            return True
        window.left_out += 1
        return False

    def over(self, now: float) -> Iterator[tuple[Kind, int]]:
        """Begin again with every kind after `SECONDS`. Yield each kind with left-out messages,
        and their number."""
        if now - self._looked_at < 1.0:
            return
        self._looked_at = now
        for kind, window in [*self._windows.items()]:
            if now - window.began >= SECONDS:
                del self._windows[kind]
                if window.left_out:
                    yield kind, window.left_out


def kind_of(record: logging.LogRecord) -> Kind:
    """Return the kind of a record, from structlog or from the standard library."""
    message = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return record.name, record.levelno, _NUMBERS.sub("#", str(message))


class LimitedHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes at most `MOST` warnings and errors of one kind within `SECONDS`, then the number of
    the others. Other levels are not limited."""

    def __init__(self, stream: object, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._repetitions = Repetitions()
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        now = self._clock()
        for (name, level, message), count in self._repetitions.over(now):
            text = f"{count} more like: {message}"
            super().emit(logging.LogRecord(name, level, "", 0, text, None, None))
        is_limited = logging.WARNING <= record.levelno < logging.CRITICAL
        if not is_limited or self._repetitions.passes(kind_of(record), now):
            super().emit(record)
