"""What surrounds the stream manager: sockets, gateways, and the answers of the adapter."""

from dataclasses import dataclass

from agents.faust_runner.backlog import Backlog
from pipeline.streams.names import stream_name
from schemas.records import (
    CallStreams,
    CommandAnswered,
    FindConference,
    ManagedStream,
    MediaStreamClosed,
    MediaStreamOpened,
    StartDuplicateStream,
    StopDuplicateStream,
    VerifyLeg,
)
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK

Command = StartDuplicateStream | StopDuplicateStream | FindConference | VerifyLeg


@dataclass
class Socket:
    """A media stream that a gateway has; `mute_since`: no frame comes any more."""

    stream_sid: str
    generation: int
    name: str
    gateway: str
    epoch: int
    mute_since: int | None = None

    def opened(self, now: int) -> MediaStreamOpened:
        """Return the gateway's report of the beginning."""
        return MediaStreamOpened(
            self.stream_sid, CUSTOMER_LEG, TASK, self.name, self.generation, self.gateway,
            self.epoch, now,
        )  # fmt: skip

    def closed(self, now: int, reason: str) -> MediaStreamClosed:
        """Return the gateway's report of the end."""
        return MediaStreamClosed(
            self.stream_sid, CUSTOMER_LEG, TASK, self.name, self.generation, self.gateway,
            self.epoch, now, reason, "", 0, 0, 0,
        )  # fmt: skip


@dataclass
class GatewayDouble:
    """A gateway process. If it is not `connected`, it is cut off from Kafka, and continues."""

    epoch: int = 1
    up: bool = True
    connected: bool = True


@dataclass(frozen=True)
class Deed:
    """What Twilio and the adapter make of a command: whether it is `done`, what the adapter says
    (None: nothing), whether a started media stream's socket opens at once, and what Twilio says of
    the leg."""

    done: bool = True
    outcome: str | None = "done"
    code: int | None = None
    attempts: int = 1
    socket: bool = True
    verified: str = "confirmed"


NO_FAULT = Deed()


class Hurried(Backlog):
    """Whether records are of a backlog, or read again after a restart, is set by the test."""

    on = False
    reread = False

    def is_worked_off(self) -> bool:
        """So it is now."""
        return self.on

    def is_reread(self) -> bool:
        """Return the value that the test set."""
        return self.reread


def transitions(
    before: CallStreams | None, after: CallStreams | None
) -> set[tuple[str | None, str]]:
    """Return the state before (None: a new media stream) and the state after of each media stream
    with a changed state."""
    known = {identity(m): m.state for m in before.media_streams} if before else {}
    now = {identity(m): m.state for m in after.media_streams} if after else {}
    return {(known.get(key), state) for key, state in now.items() if known.get(key) != state}


def identity(media_stream: ManagedStream) -> tuple[int, str | None]:
    generation = media_stream.generation
    return generation, None if generation else media_stream.stream_sid


def looked_up(command: FindConference | VerifyLeg, outcome: str, now: int) -> CommandAnswered:
    is_find = isinstance(command, FindConference)
    kind, call_sid = ("find", None) if is_find else ("verify", command.call_sid)
    return CommandAnswered(
        command.command_id, TASK, command.generation, kind, outcome, call_sid,
        None, None, None, outcome, 1, now,
    )  # fmt: skip


def answer(
    command: Command, outcome: str, stream_sid: str | None, deed: Deed, now: int
) -> CommandAnswered:
    start = isinstance(command, StartDuplicateStream)
    done = start and outcome == "done"
    name = stream_name(TASK, CUSTOMER_LEG, command.generation)
    return CommandAnswered(
        command_id=command.command_id,
        task_sid=TASK,
        generation=command.generation,
        command="start" if start else "stop",
        outcome=outcome,
        call_sid=CUSTOMER_LEG if done else None,
        stream_sid=stream_sid,
        name=name if done else None,
        code=deed.code,
        detail=outcome,
        attempts=deed.attempts,
        at=now,
    )
