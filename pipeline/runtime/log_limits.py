"""Limits on repeated log lines: a library that tries again ten times a second, on every partition,
would otherwise write thousands of lines a minute and hide the rest."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECONDS = 10.0
MOST, MOST_OF_LIBRARIES = 20, 2
"""So many warnings or errors of one kind pass in `SECONDS`."""
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
        """Return whether a message of that kind is to be written; it is counted either way."""
        window = self._windows.setdefault(kind, _Window(now))
        most = MOST if kind[0].split(".")[0] in _OURS else MOST_OF_LIBRARIES
        if window.passed < most:
            window.passed += 1
            return True
        window.left_out += 1
        return False

    def over(self, now: float) -> Iterator[tuple[Kind, int]]:
        """Begin anew for every kind whose time is over; yield those of which messages were left
        out, and how many."""
        if now - self._looked_at < 1.0:
            return
        self._looked_at = now
        for kind, window in [*self._windows.items()]:
            if now - window.began >= SECONDS:
                del self._windows[kind]
                if window.left_out:
                    yield kind, window.left_out


def kind_of(record: logging.LogRecord) -> Kind:
    """Return the kind of a record, structlog's or the standard library's."""
    message = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return record.name, record.levelno, _NUMBERS.sub("#", str(message))


class LimitedHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes warnings and errors of one kind at most `MOST` times in `SECONDS`, then how many more
    there were. Other levels pass."""

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
