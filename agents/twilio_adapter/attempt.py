"""The state of a Twilio command under way: its delays, its count of requests, and this process's
memory of earlier requests."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.conference_search import FIND
from pipeline.streams.identification import FETCH
from pipeline.streams.marks import Participant
from pipeline.streams.verification import VERIFY
from pipeline.twilio.errors import BEFORE
from pipeline.twilio.sids import SidKind, is_invalid
from schemas.records import (
    CommandAnswered,
    FetchLeg,
    FindConference,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
    VerifyLeg,
)

K = TypeVar("K")
V = TypeVar("V")

_NAMES: dict[type[StreamCommand], str] = {
    StartDuplicateStream: "start",
    StopDuplicateStream: "stop",
    FindConference: FIND,
    VerifyLeg: VERIFY,
    FetchLeg: FETCH,
}
_URGENCY: dict[type[StreamCommand], int] = {
    StopDuplicateStream: 0,
    StartDuplicateStream: 1,
    FindConference: 1,
    VerifyLeg: 2,
    FetchLeg: 2,
}
CONFLICT = 409
REMEMBERED = 10_000
MAX_LISTED = 20
"""An answer lists at most this many legs of a conference."""


@dataclass(slots=True)
class BackOff:
    """Delays that grow by `factor` from `first` to `most` seconds, each jittered down to half."""

    first: float
    most: float
    factor: float = 2.0
    _next: float = field(default=0.0, init=False)

    def delay(self) -> float:
        """Return the next delay (s)."""
        self._next = min(self.most, self._next * self.factor) if self._next else self.first
        return self._next * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret

    def reset(self) -> None:
        """Begin with the first delay again."""
        self._next = 0.0


class Lane(Protocol):
    """The call's other commands, as far as they matter to the command being carried out."""

    def is_overtaken(self, command: StartDuplicateStream) -> bool:
        """Return whether a later command makes this one pointless."""
        ...

    def wake(self) -> None:
        """End the current `pause`, or else the next one."""
        ...

    async def pause(self, seconds: float) -> None:
        """Return after that time, or at once if woken or if another command of the call
        arrives."""
        ...


@dataclass(slots=True)
class Effort:
    """One command under way: the requests made for it, and the result of the last one.

    `until` is when it is given up, in ms of `now`, the log's clock. The request gate sees it as the
    caller. The delays before a request is repeated: `asking` for a leg that is expected soon,
    `absent` for a leg that has most likely ended, `resting` after errors.
    """

    command: StreamCommand
    lane: Lane
    until: int
    now: Callable[[], int]
    attempts: int = 0
    probes: int = 0
    code: int | None = None
    detail: str = ""
    refusals: int = 0
    listed_call_sids: tuple[str, ...] = ()
    asking: BackOff = field(default_factory=lambda: BackOff(0.3, 1.0, 1.4))
    absent: BackOff = field(default_factory=lambda: BackOff(0.5, 20.0))
    resting: BackOff = field(default_factory=lambda: BackOff(0.1, 2.0, 1.8))

    @property
    def name(self) -> str:
        """The call's task SID: the name of the caller."""
        return self.command.task_sid

    @property
    def urgency(self) -> tuple[int, int]:
        """Sort key, lowest first. Stops come first: recording too much is worse than losing audio,
        and stops are quick. Then the newest start: its call has lost the least
        audio. Then questions about legs that are streamed already."""
        return _URGENCY[type(self.command)], -self.command.issued_at

    def patience(self) -> float:
        """Return for how many more seconds the command is worth trying."""
        command = self.command
        if isinstance(command, StartDuplicateStream) and self.lane.is_overtaken(command):
            return 0.0
        return (self.until - self.now()) / 1000

    def wake(self) -> None:
        """End the current `pause`."""
        self.lane.wake()

    async def pause(self, seconds: float) -> None:
        """Return after that time, or earlier if woken."""
        await self.lane.pause(seconds)

    async def rest(self, seconds: float) -> None:
        """Return after that time, or as soon as the command is no longer worth trying."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := min(end - loop.time(), self.patience())) > 0:
            await self.pause(left)

    def listed(self, participants: Sequence[Participant]) -> None:
        """Note the participants that Twilio lists in the task's conference."""
        legs = (p.call_sid for p in participants if not p.coaching)
        self.listed_call_sids = tuple(legs)[:MAX_LISTED]

    def failed(self, error: TwilioError) -> None:
        """Note that the last request failed."""
        self.code, self.detail = error.code or error.status or None, str(error)

    def went(self, detail: str) -> None:
        """Note that the last request did not fail. Twilio answers: the next error is a new one, and
        its repetition waits for the shortest time."""
        self.code, self.detail = None, detail
        self.resting.reset()

    def believed(self, detail: str, error: TwilioError) -> None:
        """Note that the last request failed in a way that suggests that an earlier one succeeded.
        Status 409 means just that. Any other refusal may be a real one, so its code is kept."""
        self.failed(error)
        self.code = None if error.status == CONFLICT else self.code
        self.detail = f"{detail} ({error})"

    def succeeded(self, detail: str) -> None:
        """Note that the last request succeeded. `code` and the rest of the detail keep describing
        the failed request before it, because they explain why the command took long."""
        self.detail = f"{detail}{BEFORE}{self.detail}" if self.detail else detail

    def waited(self, trouble: TwilioError | None) -> None:
        """Note that no request could be sent because of this trouble with Twilio."""
        if trouble is not None:
            self.failed(trouble)

    def answer(
        self,
        outcome: str,
        *,
        call_sid: str | None = None,
        stream_sid: str | None = None,
        name: str | None = None,
    ) -> CommandAnswered:
        """Return the command's answer."""
        command = self.command
        return CommandAnswered(
            command_id=command.command_id,
            task_sid=command.task_sid,
            generation=command.generation,
            command=_NAMES[type(command)],
            outcome=outcome,
            call_sid=call_sid,
            stream_sid=stream_sid,
            name=name,
            code=self.code,
            detail=self.detail,
            attempts=self.attempts,
            at=self.now(),
            listed_call_sids=self.listed_call_sids,
        )


class Remembered(Generic[K, V]):
    """A bounded memory that drops the entry least recently put."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()
        self._most = most

    def get(self, key: K) -> V | None:
        """Return the remembered value, or None."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember the value; drop the oldest entries beyond the bound."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Known:
    """This process's requests for a media stream: the legs that it asked Twilio to stream, the
    legs among them that Twilio certainly refused, and the result."""

    legs: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    call_sid: str | None = None
    stream_sid: str | None = None
    done: bool = False


class Knowledge:
    """This process's requests for each media stream."""

    def __init__(self) -> None:
        self._known: Remembered[tuple[str, int], Known] = Remembered()

    def of(self, command: StreamCommand) -> Known | None:
        """Return the requests for the command's media stream; None: no start of it was seen."""
        return self._known.get((command.task_sid, command.generation))

    def seen(self, command: StartDuplicateStream) -> None:
        """Note a start command. Even if no request is sent for it, its stop need not search."""
        self._change(command, lambda known: known)

    def requested(self, command: StartDuplicateStream, leg: str) -> bool:
        """Note that Twilio is about to be asked to stream the leg. Return whether it was asked
        before, so that the leg may be streamed already."""
        known = self.of(command) or Known()
        before = leg in known.legs and leg not in known.refused
        legs = tuple(dict.fromkeys((*known.legs, leg)))
        refused = tuple(other for other in known.refused if other != leg)
        self._change(command, lambda known: replace(known, legs=legs, refused=refused))
        return before

    def refused(self, command: StartDuplicateStream, leg: str) -> None:
        """Note that the leg is certainly not streamed."""
        self._change(command, lambda known: replace(known, refused=(*known.refused, leg)))

    def started(self, command: StartDuplicateStream, leg: str, stream_sid: str | None) -> None:
        """Note that Twilio streams the leg."""
        self._change(command, lambda k: replace(k, call_sid=leg, stream_sid=stream_sid, done=True))

    def _change(self, command: StreamCommand, change: Callable[[Known], Known]) -> None:
        key = command.task_sid, command.generation
        self._known.put(key, change(self._known.get(key) or Known()))


def without_invalid_sids(command: StreamCommand) -> tuple[StreamCommand, tuple[SidKind, ...]]:
    """Return the command without its invalid call and stream SIDs, and the kinds of all invalid
    SIDs in it. An invalid task SID stays: it is the key of the answer."""
    invalid: list[SidKind] = []
    if is_invalid(SidKind.TASK, command.task_sid):
        invalid.append(SidKind.TASK)
    if isinstance(command, FindConference):
        return command, tuple(invalid)
    if is_invalid(SidKind.CALL, command.call_sid):
        invalid.append(SidKind.CALL)
        if isinstance(command, VerifyLeg | FetchLeg):
            command = replace(command, call_sid="")
        else:
            command = replace(command, call_sid=None)
    if isinstance(command, StopDuplicateStream) and is_invalid(
        SidKind.MEDIA_STREAM, command.stream_sid
    ):
        invalid.append(SidKind.MEDIA_STREAM)
        command = replace(command, stream_sid=None)
    return command, tuple(invalid)
