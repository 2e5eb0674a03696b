"""The stream manager: decides which calls are recorded, and starts and stops their media streams.

The decisions are pure (`pipeline/streams/manager.py`). This module connects them to the topics.
"""

import asyncio

import structlog

from agents.faust_runner.backlog import Backlog
from agents.faust_runner.core import Output, Step
from agents.faust_runner.role import Partitions, RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from agents.policy_publisher import PolicyPublisher
from agents.policy_topic import PolicyReader, reading_policy
from agents.policy_writer import TRANSACTIONAL_ID
from agents.stream_metrics import StreamMetrics
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.recovery.wanted import CaptureMode
from pipeline.runtime.kafka_watch import until_usable
from pipeline.runtime.log_clock import LogClock, log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.streams import manager
from pipeline.streams.gateway_liveness import Gateways
from pipeline.streams.noting import Seen
from pipeline.twilio.check_tasks import is_check_task
from schemas.records import (
    Call,
    CallAlias,
    CallStreams,
    CommandAnswered,
    GatewayAlive,
    GatewayStarted,
    LegFetched,
    MediaStreamChanged,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingDecided,
    StreamCommand,
)
from schemas.topics import (
    CALL_ALIASES,
    CALLS,
    CTI_RESOLVED,
    GATEWAYS_ALIVE,
    MEDIA,
    POLICY,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    WORKERS,
)

log = structlog.get_logger(__name__)

SPEC = RoleSpec(
    name=Role.STREAM_MANAGER,
    sources=(CALLS, STREAM_EVENTS, GATEWAYS_ALIVE),
    targets=(STREAM_COMMANDS, STREAM_EVENTS, MEDIA, CTI_RESOLVED, CALL_ALIASES),
)


class StreamsCore:
    """The stream manager's core, with the interface that the runner expects. `starts`: whether
    media streams are started. If not, the core only decides, and stops media streams that were
    started under an earlier setting."""

    def __init__(
        self, history: PolicyHistory, backlog: Backlog | None = None, *, starts: bool = True
    ) -> None:
        self._history = history
        self._backlog = backlog
        self._starts = starts
        self._gateways = Gateways()
        self._early: dict[str, tuple[manager.Own, ...]] = {}
        """Own records that were read again, after a restart, before those that led to them."""

    def on_record(
        self, key: str, state: CallStreams | None, record: object, now: int
    ) -> Step[CallStreams]:
        """Handle a record of `calls` or `stream.events`. Ignore records of test calls."""
        if is_check_task(key):
            return Step(state)
        match record:
            case MediaStreamOpened() | MediaStreamClosed():
                self._gateways.note_alive(record.gateway, record.epoch)
            case CommandAnswered() | Call():
                pass
            case RecordingDecided() | MediaStreamChanged():
                self._early[key] = (*self._early.get(key, ()), record)
                return self._step(key, self._with_own(key, manager.Next(state)))
            case _:
                return Step(state)
        return self._asked(key, state, record, now)

    def on_broadcast(
        self, key: str, state: CallStreams, record: object, now: int
    ) -> Step[CallStreams]:
        """Handle the start of a gateway, which concerns each call of the partition, or note a
        gateway's sign of life, which the next tick takes into account. Gateways of earlier releases
        write their signs of life to `stream.events`."""
        match record:
            case GatewayStarted(gateway, epoch):
                self._gateways.note_alive(gateway, epoch)
                return self._asked(key, state, record, now)
            case GatewayAlive(gateway, epoch):
                self._gateways.note_alive(gateway, epoch)
        return Step(state)

    def _with_own(self, key: str, following: manager.Next) -> manager.Next:
        """Return the step with those own records that its state explains. The others are tried
        again after the next version of the call, and for the last time once all is read."""
        outputs, state = following.outputs, following.state
        for record in sorted(self._early.get(key, ()), key=lambda record: record.at):
            if state is None:
                break
            again = manager.on_own(
                state, record, self._history,
                gateways=self._gateways, starts=self._starts, reread=self._is_reread(),
            )  # fmt: skip
            state, outputs = again.state, (*outputs, *again.outputs)
        if not self._is_reread():
            self._early.pop(key, None)
        return manager.Next(state, outputs)

    def on_tick(self, key: str, state: CallStreams, now: int) -> Step[CallStreams]:
        """Handle the passage of time."""
        if self.wants_broadcasts(state):
            self._gateways.ticked(now)
        if key in self._early and not self._is_reread():
            before = self._with_own(key, manager.Next(state))
            if before.state is not state:
                return self._step(key, before)
        following = manager.on_tick(
            state, self._history, now,
            gateways=self._gateways, hasty=self._is_hasty(), reread=self._is_reread(),
        )  # fmt: skip
        return self._step(key, following)

    def _asked(
        self, key: str, state: CallStreams | None, record: Seen, now: int
    ) -> Step[CallStreams]:
        following = manager.on_record(
            key, state, record, self._history, now,
            gateways=self._gateways, hasty=self._is_hasty(), reread=self._is_reread(),
        )  # fmt: skip
        if key in self._early and (isinstance(record, Call) or not self._is_reread()):
            following = self._with_own(key, following)
        return self._step(key, following)

    def _step(self, key: str, following: manager.Next) -> Step[CallStreams]:
        outputs = [output for record in following.outputs for output in _outputs(key, record)]
        return Step(following.state, tuple(outputs))

    def _is_hasty(self) -> bool:
        """Return whether no media stream may be started now."""
        if not self._starts:
            return True
        return self._backlog is not None and self._backlog.is_worked_off()

    def _is_reread(self) -> bool:
        """Return whether the partition is read again after a restart."""
        return self._backlog is not None and self._backlog.is_reread()

    def wakes_at(self, state: CallStreams) -> int | None:
        """Return 0 (every tick) while the call is in progress; afterwards the time (ms) at which
        the state is forgotten."""
        if not manager.is_at_rest(state):
            return 0
        return manager.forgotten_at(state)

    def wants_broadcasts(self, state: CallStreams) -> bool:
        """Return whether the call is in progress."""
        return not manager.is_at_rest(state)


def _outputs(key: str, record: manager.OutputRecord) -> tuple[Output, ...]:
    """Return the records to publish. A decision is published on `media` too, in order with the
    audio: only its position there decides which audio is kept."""
    if isinstance(record, StreamCommand):
        return (Output(STREAM_COMMANDS, key, record),)
    match record:
        case LegFetched():
            return (Output(CTI_RESOLVED, key, record),)
        case CallAlias():
            return (Output(CALL_ALIASES, record.call_sid, record),)
        case RecordingDecided():
            return Output(STREAM_EVENTS, key, record), Output(MEDIA, key, record)
        case MediaStreamChanged():
            return (Output(STREAM_EVENTS, key, record),)


async def _in_force(history: PolicyHistory, clock: LogClock) -> None:
    """Return once the latest version is in force. At the first start, no call is then decided
    without a list."""
    wait_ms = history.latest.effective_at - clock.now()
    if wait_ms > 0:
        await asyncio.sleep(wait_ms / 1000)


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the stream manager until `stop` is set. It also publishes the monitored list."""
    async with log_clock(settings, health) as clock:
        await until_usable(
            settings,
            health,
            reads=[POLICY, WORKERS],
            writes=[POLICY],
            transactional_ids=[TRANSACTIONAL_ID],
        )
        await clock.settled(stop)
        if stop.is_set():
            return
        async with reading_policy(settings, health, with_workers=True) as reader:
            await _manage(settings, health, stop, clock, reader)


async def _manage(
    settings: Settings,
    health: Health,
    stop: asyncio.Event,
    clock: LogClock,
    reader: PolicyReader,
) -> None:
    publisher = PolicyPublisher(settings, reader, health, clock.now)
    if not reader.history.latest.version:
        # The first start. 1. Publish the file's list. 2. Read it from the topic. 3. Wait until it
        # is in force. Only then decide. Later the list in force applies until the next one does:
        # a restart does not wait for a change of the file.
        await publisher.begin()
        await reader.catch_up()
    await _in_force(reader.history, clock)
    backlog = Backlog(clock.seconds)
    starts = settings.capture is not CaptureMode.POST_CALL
    core = StreamsCore(reader.history, backlog, starts=starts)

    async def follow(_: Partitions) -> None:
        await reader.follow()

    async def publish(_: Partitions) -> None:
        await publisher.watch()

    parts = RoleParts(
        core=core,
        rules=lambda now: reader.history.at(now).version,
        broadcasts=core,
        observe=StreamMetrics(starts=starts).observe,
        backlog=backlog,
        companions=(follow, publish),
    )
    await run_table_role(settings, health, stop, SPEC, parts, clock=clock)
