"""The surroundings of the stream manager: Kafka, an adapter, Twilio and gateways that fail at
random, and, on request, work without faults. Only the manager is the real one."""

from collections import deque
from dataclasses import dataclass, field, replace

from agents.faust_runner.core import Step
from agents.stream_manager import StreamsCore
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams import manager
from pipeline.streams.names import stream_name
from pipeline.streams.noting import Seen
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FindConference,
    GatewayAlive,
    GatewayStarted,
    ManagedStream,
    MediaStreamChanged,
    RecordingDecided,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
    VerifyLeg,
)
from schemas.topics import MEDIA
from tests.pipeline.streams.call_double import CallDouble
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK
from tests.pipeline.streams.surroundings import (
    NO_FAULT,
    Command,
    Deed,
    GatewayDouble,
    Hurried,
    Socket,
    answer,
    looked_up,
    transitions,
)

HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
SOURCES = ("calls", "manager", "adapter", "g1", "g2")
NO_MEDIA_MS = 5_000

Record = Seen | manager.Own


@dataclass
class World(CallDouble):
    """Everything outside the manager, its core, and its state. `history`: the monitored agents.

    Published records wait in `coming`, by their source; `handled` are the records that the manager
    got, and `saved` is its table after each step, with the number of records until then.
    """

    history: PolicyHistory = field(default_factory=lambda: HISTORY)
    state: CallStreams | None = None
    hurried: Hurried = field(default_factory=lambda: Hurried(lambda: 0.0))
    core: StreamsCore = field(init=False)
    changed: bool = False
    on_call: bool = True
    coming: dict[str, deque[tuple[int, Record]]] = field(
        default_factory=lambda: {source: deque() for source in SOURCES}
    )
    handled: list[tuple[int, Record]] = field(default_factory=list)
    saved: list[tuple[int, CallStreams | None]] = field(default_factory=list)
    commands: deque[Command] = field(default_factory=deque)
    issued: list[StartDuplicateStream | StopDuplicateStream] = field(default_factory=list)
    asked: list[VerifyLeg | FindConference] = field(default_factory=list)
    transitions: set[tuple[str | None, str]] = field(default_factory=set)
    changes: list[MediaStreamChanged] = field(default_factory=list)
    decided: list[RecordingDecided] = field(default_factory=list)
    sockets: dict[str, Socket] = field(default_factory=dict)
    unopened: list[tuple[str, int]] = field(default_factory=list)
    gateways: dict[str, GatewayDouble] = field(
        default_factory=lambda: {"g1": GatewayDouble(), "g2": GatewayDouble()}
    )
    made: int = 0
    crashed_at: int = 0
    settled: bool = True
    """Whether a tick passed since the last crash: it settles the records that were only noted."""

    def __post_init__(self) -> None:
        self.core = StreamsCore(self.history, self.hurried)

    # Kafka and the manager

    def _publish(self, source: str, record: Record) -> None:
        self.coming[source].append((self.now, record))

    def deliver(self, source: str | None = None) -> bool:
        """The next record of the source reaches the manager; without one the oldest that waits."""
        waiting = [s for s in SOURCES if self.coming[s] and self._is_delivered(s)]
        if source is None:
            source = min(waiting, key=lambda s: self.coming[s][0][0], default=None)
        if source is None or source not in waiting:
            return False
        at, record = self.coming[source].popleft()
        self.hurried.reread = self.hurried.reread and self._waits_since_crash()
        self.handle(at, record)
        return True

    def _waits_since_crash(self) -> bool:
        """Return whether records wait that were on the topics when the manager crashed."""
        return any(w and w[0][0] <= self.crashed_at for w in self.coming.values())

    def deliver_all(self) -> None:
        """All waiting records reach the manager."""
        while self.deliver():
            pass

    def handle(self, at: int, record: Record) -> None:
        """The manager handles the record."""
        self.handled.append((at, record))
        if isinstance(record, GatewayStarted):
            self._broadcast(record, at)
        else:
            self._take(self.core.on_record(TASK, self.state, record, at))

    def _broadcast(self, record: GatewayStarted | GatewayAlive, at: int) -> None:
        if self.state is not None and self.core.wants_broadcasts(self.state):
            self._take(self.core.on_broadcast(TASK, self.state, record, at))

    def tick(self, ms: int = 1_000) -> None:
        """Time passes: connected gateways publish signs of life, and silent sockets are closed."""
        self.now += ms
        self.hurried.reread, self.settled = False, True
        for name, gateway in self.gateways.items():
            if gateway.up and gateway.connected:
                self._broadcast(GatewayAlive(name, gateway.epoch, self.now), self.now)
        for socket in list(self.sockets.values()):
            if socket.mute_since is not None and self.now >= socket.mute_since + NO_MEDIA_MS:
                self.close(socket.stream_sid, "no-media")
        if self.state is None:
            return
        wakes_at = self.core.wakes_at(self.state)
        if self.changed or (wakes_at is not None and wakes_at <= self.now):
            step = self.core.on_tick(TASK, self.state, self.now)
            self._take(step)
            self.changed = False

    def _take(self, step: Step[CallStreams]) -> None:
        self.changed = self.changed or step.state is not self.state
        self.transitions |= transitions(self.state, step.state)
        self.state = step.state
        self.saved.append((len(self.handled), self.state))
        for record in (output.record for output in step.outputs if output.topic is not MEDIA):
            if isinstance(record, FindConference | VerifyLeg):
                self.asked.append(record)
            if isinstance(record, StartDuplicateStream | StopDuplicateStream):
                self.issued.append(record)
            if isinstance(record, Command):
                self.commands.append(record)
                continue
            self._publish("manager", record)
            if isinstance(record, MediaStreamChanged):
                self.changes.append(record)
            if isinstance(record, RecordingDecided):
                self.decided.append(record)

    def crash(self, back: int, *, calls_first: bool) -> None:
        """The manager dies and starts with its table from `back` steps ago. It reads the later
        records again, those of two topics in any order, and does not see the earlier ticks
        again."""
        kept = self.saved[: max(0, len(self.saved) - back)]
        self.saved = kept
        position, self.state = kept[-1] if kept else (0, None)
        self.core, self.changed = StreamsCore(self.history, self.hurried), True
        again = self.handled[position:]
        del self.handled[position:]
        self.crashed_at, self.settled = self.now, False
        again.sort(key=lambda r: isinstance(r[1], Call) != calls_first)
        for number, (at, record) in enumerate(again, 1):
            self.hurried.reread = number < len(again) or self._waits_since_crash()
            self.handle(at, record)

    # Adapter and Twilio

    def carry_out(self, deed: Deed = NO_FAULT) -> None:
        """The adapter takes the next command."""
        if self.commands:
            self.do(self.commands.popleft(), deed)

    def do(self, command: Command, deed: Deed) -> None:
        """Twilio carries out the request, or not, and the adapter reports so, or not."""
        stream_sid = None
        outcome = deed.outcome
        if isinstance(command, FindConference | VerifyLeg):
            if outcome is not None:
                self._publish("adapter", self._answered(command, deed))
            return
        if isinstance(command, StartDuplicateStream):
            if not self.on_call:
                deed = Deed(done=False, outcome="expired", code=21220, attempts=3)
                outcome = deed.outcome
            if deed.done:
                stream_sid = self._start(command, opens=deed.socket)
        elif deed.done:
            self._stop(command)
        if outcome is not None:
            sid = stream_sid if outcome == "done" else None
            self._publish("adapter", answer(command, outcome, sid, deed, self.now))

    def _answered(self, command: FindConference | VerifyLeg, deed: Deed) -> CommandAnswered:
        if deed.outcome != "done":
            return looked_up(command, "unknown", self.now)
        if isinstance(command, VerifyLeg):
            return looked_up(command, deed.verified, self.now)
        return looked_up(command, "listed" if self.on_call else "no-conference", self.now)

    def _start(self, command: StartDuplicateStream, *, opens: bool) -> str | None:
        name = stream_name(TASK, CUSTOMER_LEG, command.generation)
        if any(s.name == name for s in self.sockets.values()):
            return None  # a conflict: there is one of this name
        self.made += 1
        stream_sid = f"MZ{self.made:032x}"
        up = [name for name, gateway in self.gateways.items() if gateway.up]
        if opens and up:
            self.open_socket(stream_sid, command.generation, up[0])
        else:
            self.unopened.append((stream_sid, command.generation))
        return stream_sid

    def open_socket(self, stream_sid: str, generation: int, gateway: str) -> None:
        """The media stream reaches a gateway."""
        if not self.gateways[gateway].up:
            return
        name, epoch = stream_name(TASK, CUSTOMER_LEG, generation), self.gateways[gateway].epoch
        self.sockets[stream_sid] = Socket(stream_sid, generation, name, gateway, epoch)
        self._publish(gateway, self.sockets[stream_sid].opened(self.now))

    def _stop(self, command: StopDuplicateStream) -> None:
        for socket in list(self.sockets.values()):
            named = command.stream_sid is None and socket.name == command.name
            if named or socket.stream_sid == command.stream_sid:
                self.close(socket.stream_sid, "stop")

    def close(self, stream_sid: str, reason: str) -> None:
        """A socket ends, and its gateway reports it."""
        socket = self.sockets.pop(stream_sid)
        self._publish(socket.gateway, socket.closed(self.now, reason))

    def hang_up(self) -> None:
        """The customer's leg ends without an event."""
        self.on_call = False
        for stream_sid in list(self.sockets):
            self.close(stream_sid, "stop")

    # Gateways

    def _is_delivered(self, source: str) -> bool:
        return source not in self.gateways or self.gateways[source].connected

    def kill(self, gateway: str, *, back: bool = True) -> None:
        """A gateway dies with its sockets and its unpublished reports."""
        self.sockets = {k: s for k, s in self.sockets.items() if s.gateway != gateway}
        self.coming[gateway].clear()
        self.gateways[gateway] = replace(self.gateways[gateway], up=False, connected=True)
        if back:
            self.come_up(gateway)

    def come_up(self, gateway: str) -> None:
        """It starts again."""
        if not self.gateways[gateway].up:
            self.gateways[gateway] = GatewayDouble(self.gateways[gateway].epoch + 1)
            epoch = self.gateways[gateway].epoch
            self._publish(gateway, GatewayStarted(gateway, epoch, self.now))

    # Peace

    def calm(self) -> None:
        """From now on no process is cut off or hurried, and a gateway accepts media streams."""
        self.hurried.on = False
        for gateway in self.gateways.values():
            gateway.connected = True
        if not any(gateway.up for gateway in self.gateways.values()):
            self.come_up("g2")

    def behave(self, seconds: int) -> None:
        """Adapter and Twilio carry out every command, for this number of seconds."""
        for _ in range(seconds):
            for _ in range(200):
                if not self.commands and not self.deliver():
                    break
                self.carry_out()
                self.deliver()
            self.tick()

    def of_state(self, state: str) -> list[str | None]:
        """The SIDs of the media streams that are in this state, according to the manager."""
        return [m.stream_sid for m in self.media_streams if m.state == state]

    @property
    def media_streams(self) -> tuple[ManagedStream, ...]:
        """The media streams that the manager knows."""
        return () if self.state is None else self.state.media_streams
