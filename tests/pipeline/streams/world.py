"""A world around the stream manager's reconciler: an adapter, Twilio and gateways that do what they
like, and then, when asked, behave."""

from collections import deque
from dataclasses import dataclass, field, replace

from pipeline.streams.names import stream_name
from pipeline.streams.reconcile import Demand, changes, reconcile
from pipeline.streams.state import answered, closed, gateway_started, opened, unknown_call
from schemas.records import (
    CallStreams,
    CommandAnswered,
    GatewayStarted,
    MediaStreamChanged,
    MediaStreamClosed,
    MediaStreamOpened,
    StartDuplicateStream,
    StopDuplicateStream,
)

TASK = "WT" + "a" * 32
LEG = "CA" + "b" * 32
WANTED = Demand(
    desired=True, reason="started: monitored agent", policy_version=1, call_sid=LEG,
    direction="inbound",
)  # fmt: skip
UNWANTED = replace(WANTED, desired=False, reason="stopped: last monitored agent left")

Event = MediaStreamOpened | MediaStreamClosed | CommandAnswered | GatewayStarted


@dataclass
class Socket:
    """A media stream that a gateway has."""

    stream_sid: str
    generation: int
    name: str
    gateway: str
    epoch: int


@dataclass
class World:
    """Everything outside the reconciler, and its state."""

    demand: Demand = UNWANTED
    now: int = 1_000_000
    state: CallStreams = field(default_factory=lambda: unknown_call(TASK))
    commands: deque[StartDuplicateStream | StopDuplicateStream] = field(default_factory=deque)
    events: deque[tuple[str, Event]] = field(default_factory=deque)
    told: list[MediaStreamChanged] = field(default_factory=list)
    sockets: dict[str, Socket] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=lambda: {"g1": 1, "g2": 1})
    issued: list[StartDuplicateStream | StopDuplicateStream] = field(default_factory=list)
    made: int = 0

    # The reconciler

    def look(self) -> None:
        """The reconciler looks at what it knows."""
        self._settle(self.state)

    def tick(self, ms: int) -> None:
        """Time passes."""
        self.now += ms
        self.look()

    def hear(self) -> None:
        """The next event reaches the reconciler."""
        if self.events:
            self.apply(self.events.popleft()[1])

    def apply(self, event: Event) -> None:
        """The event reaches the reconciler."""
        match event:
            case MediaStreamOpened():
                after = opened(self.state, event, self.now)
            case MediaStreamClosed():
                after = closed(self.state, event, self.now)
            case CommandAnswered():
                after = answered(self.state, event, self.now)
            case GatewayStarted():
                after = gateway_started(self.state, event)
        self._settle(after)

    def _settle(self, after: CallStreams) -> None:
        before = self.state
        self.state, commands = reconcile(after, self.demand, self.now)
        self.commands.extend(commands)
        self.issued.extend(commands)
        self.told.extend(changes(before, self.state, self.now))

    # Adapter and Twilio

    def carry_out(self, outcome: str = "done", *, answer: bool = True, socket: bool = True) -> None:
        """The adapter takes the next command; Twilio does it, or not, and says so, or not."""
        if not self.commands:
            return
        command = self.commands.popleft()
        stream_sid = None
        if isinstance(command, StartDuplicateStream):
            if self.now >= command.expires_at:
                outcome = "expired"
            elif outcome == "done":
                stream_sid = self._start(command, socket=socket)
        elif outcome == "done":
            self._stop(command)
        if answer:
            self.events.append(("adapter", _answer(command, outcome, stream_sid, self.now)))

    def _start(self, command: StartDuplicateStream, *, socket: bool) -> str | None:
        name = stream_name(TASK, LEG, command.generation)
        if any(s.name == name for s in self.sockets.values()):
            return None  # a conflict: there is one of this name
        return self.open_socket(command.generation, socket=socket)

    def open_socket(self, generation: int, *, socket: bool = True, gateway: str = "g1") -> str:
        """Twilio opens a media stream, and its socket where a gateway takes it."""
        self.made += 1
        stream_sid = f"MZ{self.made:032x}"
        if socket:
            name = stream_name(TASK, LEG, generation)
            epoch = self.epochs[gateway]
            self.sockets[stream_sid] = Socket(stream_sid, generation, name, gateway, epoch)
            self.events.append(
                (gateway, MediaStreamOpened(
                    stream_sid, LEG, TASK, name, generation, gateway, epoch, self.now
                ))
            )  # fmt: skip
        return stream_sid

    def _stop(self, command: StopDuplicateStream) -> None:
        for socket in list(self.sockets.values()):
            named = command.stream_sid is None and socket.name == command.name
            if named or socket.stream_sid == command.stream_sid:
                self.close(socket.stream_sid, "stop")

    def close(self, stream_sid: str, reason: str) -> None:
        """A socket ends."""
        s = self.sockets.pop(stream_sid)
        self.events.append(
            (s.gateway, MediaStreamClosed(
                s.stream_sid, LEG, TASK, s.name, s.generation, s.gateway, s.epoch, self.now,
                reason, "", 0, 0, 0,
            ))
        )  # fmt: skip

    def kill_gateway(self, gateway: str) -> None:
        """A gateway dies with its sockets and with what it had not told yet, and comes up again."""
        self.sockets = {k: s for k, s in self.sockets.items() if s.gateway != gateway}
        self.events = deque(e for e in self.events if e[0] != gateway)
        self.epochs[gateway] += 1
        self.events.append((gateway, GatewayStarted(gateway, self.epochs[gateway], self.now)))

    # Peace

    def behave(self, seconds: int) -> None:
        """From now on everybody does what is asked, for so long."""
        for _ in range(seconds):
            for _ in range(200):
                if not self.commands and not self.events:
                    break
                self.carry_out()
                self.hear()
            self.tick(1_000)

    def of_state(self, state: str) -> list[str | None]:
        """The SIDs of the media streams that the reconciler takes to be in that state."""
        return [m.stream_sid for m in self.state.media_streams if m.state == state]


def _answer(
    command: StartDuplicateStream | StopDuplicateStream,
    outcome: str,
    stream_sid: str | None,
    now: int,
) -> CommandAnswered:
    start = isinstance(command, StartDuplicateStream)
    done = start and outcome == "done"
    return CommandAnswered(
        command_id=command.command_id,
        task_sid=TASK,
        generation=command.generation,
        command="start" if start else "stop",
        outcome=outcome,
        call_sid=LEG if done else None,
        stream_sid=stream_sid,
        name=stream_name(TASK, LEG, command.generation) if done else None,
        code=None,
        detail=outcome,
        attempts=1,
        at=now,
    )
