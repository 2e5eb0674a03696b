"""What carrying out a Twilio command needs besides Twilio: delays, a count of what was tried, and a
memory of what this process did."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from agents.twilio_client import TwilioError
from schemas.records import CommandAnswered, StartDuplicateStream, StopDuplicateStream

Command = StartDuplicateStream | StopDuplicateStream
K = TypeVar("K")
V = TypeVar("V")

REMEMBERED = 10_000


def wall_clock() -> int:
    """Now, in ms."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class BackOff:
    """Delays that grow by `factor` from `first` to `most` seconds, each jittered down to half."""

    first: float
    most: float
    factor: float = 2.0
    _next: float = field(default=0.0, init=False)

    def delay(self) -> float:
        """The next delay."""
        self._next = min(self.most, self._next * self.factor) if self._next else self.first
        return self._next * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


@dataclass(slots=True)
class Effort:
    """One command under way: the requests made for it, and how the last one went."""

    attempts: int = 0
    code: int | None = None
    detail: str = ""

    def failed(self, error: TwilioError) -> None:
        """The last request failed."""
        self.code, self.detail = error.code or error.status or None, str(error)

    def went(self, detail: str) -> None:
        """The last request did not fail."""
        self.code, self.detail = None, detail

    def answer(
        self,
        command: Command,
        outcome: str,
        now: int,
        *,
        call_sid: str | None = None,
        stream_sid: str | None = None,
        name: str | None = None,
    ) -> CommandAnswered:
        """The command's answer."""
        return CommandAnswered(
            command_id=command.command_id,
            task_sid=command.task_sid,
            generation=command.generation,
            command="start" if isinstance(command, StartDuplicateStream) else "stop",
            outcome=outcome,
            call_sid=call_sid,
            stream_sid=stream_sid,
            name=name,
            code=self.code,
            detail=self.detail,
            attempts=self.attempts,
            at=now,
        )


class Remembered(Generic[K, V]):
    """A bounded memory: what was not touched for longest goes first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()
        self._most = most

    def get(self, key: K) -> V | None:
        """What is remembered, if anything."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Remembers it."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What this process did about a media stream: the legs it asked to stream, and what came."""

    legs: tuple[str, ...] = ()
    call_sid: str | None = None
    stream_sid: str | None = None
    done: bool = False


class Knowledge:
    """What this process did about each media stream."""

    def __init__(self) -> None:
        self._known: Remembered[tuple[str, int], Known] = Remembered()

    def of(self, command: Command) -> Known | None:
        """What was done about the command's media stream; None: no start of it was seen."""
        return self._known.get((command.task_sid, command.generation))

    def seen(self, command: StartDuplicateStream) -> None:
        """A start came. Even if it asks nothing, its stop then need not search."""
        self._change(command, lambda known: known)

    def requested(self, command: StartDuplicateStream, leg: str) -> None:
        """The leg is about to be asked for."""
        self._change(
            command, lambda known: replace(known, legs=tuple(dict.fromkeys((*known.legs, leg))))
        )

    def started(self, command: StartDuplicateStream, leg: str, stream_sid: str | None) -> None:
        """Twilio streams the leg."""
        self._change(command, lambda k: replace(k, call_sid=leg, stream_sid=stream_sid, done=True))

    def _change(self, command: Command, change: Callable[[Known], Known]) -> None:
        key = command.task_sid, command.generation
        self._known.put(key, change(self._known.get(key) or Known()))
