"""The work of a bridge: copy the Kinesis stream for ever, or copy a period of it once more.

All processes under a checkpoint name read the same period of the stream, whenever they start.
Unless that is the whole stream, the period is written to the checkpoint topic as a `BridgePeriod`
before the first shard is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.checkpoints import Checkpoints, checkpoint_partition
from bridge.leases import Leases
from bridge.transactions import ShardWriter
from pipeline.kinesis.lineage import ShardPlan
from pipeline.kinesis.messages import SizeLimits
from pipeline.kinesis.pacing import LIVE_SHARE, REPLAY_SHARE, Share
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import LIVE, Incarnation, Place
from pipeline.runtime.setting_values import LATEST, TRIM_HORIZON
from pipeline.runtime.settings import PREFIX, Settings, SettingsError
from pipeline.times import moment, rfc3339
from schemas.records import BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

CLOCK_ERROR_MS = 60 * 60_000
"""How far this machine's clock may be behind. A configured start later than that is refused at
once; the exact check follows when Kafka, and with it the log's clock, can be reached."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """The parts of the bridge that its job uses. `now` returns log time in ms."""

    settings: Settings
    checkpoints: Checkpoints
    leases: Leases
    now: Callable[[], int]


class BridgeJob(Protocol):
    """The work of a bridge: `Live` or `Replay`."""

    @property
    def name(self) -> str:
        """The checkpoint name."""

    @property
    def share(self) -> Share:
        """The part of a shard's throughput that it may use."""

    async def period(self, context: JobContext, incarnation: Incarnation) -> Period | None:
        """Return the period of the stream to read. None: another process has to write it; ask
        again after the next checkpoint. Raise Kafka's errors, and `SettingsError`."""

    def is_done(self, plan: ShardPlan, incarnation: Incarnation) -> bool:
        """Return whether all work is done. Raise `ReplayFailed`."""


class ReplayFailed(RuntimeError):
    """A replay cannot continue. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Live:
    """Copy the stream for ever. FLEXCAPTURE_KINESIS_START is the start of a stream that is new."""

    start: str = TRIM_HORIZON
    asked_at: int = 0
    """When this process was started (ms). `latest` means everything after that, also of a stream
    that is created later."""
    name: str = LIVE
    share: Share = LIVE_SHARE

    async def period(self, context: JobContext, incarnation: Incarnation) -> Period | None:
        """See `BridgeJob`. If the stream is being bridged already, the readable checkpoints are
        enough: the period was written before the first checkpoint of a shard. A process that
        replaces a killed one must not wait until that one's transaction times out."""
        place = Place(incarnation.kinesis_stream, incarnation.created_at, "", self.name)
        begun = context.checkpoints.begun(incarnation, self.name)
        if not begun:
            await context.checkpoints.caught_up(*range(BRIDGE_CHECKPOINTS.partitions))
        if (known := context.checkpoints.period(place)) is not None:
            return Period(known.begins_at, known.ends_at)
        if (
            begun
            or context.checkpoints.met(place.kinesis_stream, self.name)
            or self.start == TRIM_HORIZON
        ):
            return ALWAYS
        if not context.leases.has(place):
            return None
        return await agreed(context, place, lambda: Period(begins_at=self._begins_at()))

    def _begins_at(self) -> int:
        return self.asked_at if self.start == LATEST else moment(self.start)

    def is_done(self, plan: ShardPlan, incarnation: Incarnation) -> bool:  # noqa: ARG002 - never
        """Return False: the live bridge has no end."""
        return False


@dataclass(slots=True)
class Replay:
    """Copy the records that Kinesis received from `begins_at` to `ends_at` (ms; None: until now)
    once more."""

    name: str
    begins_at: int
    ends_at: int | None
    share: Share = REPLAY_SHARE
    found: Period | None = None
    """The period that is replayed, once it is known."""
    _of: Incarnation | None = None
    _plan: ShardPlan | None = None
    _checkpoints: Checkpoints | None = None

    async def period(self, context: JobContext, incarnation: Incarnation) -> Period | None:
        """See `BridgeJob`. Raise `SettingsError` if another period was begun under this name."""
        place = Place(incarnation.kinesis_stream, incarnation.created_at, "", self.name)
        wanted = Period(self.begins_at, context.now() if self.ends_at is None else self.ends_at)
        self.found = await agreed(context, place, lambda: wanted)
        self._of, self._checkpoints = incarnation, context.checkpoints
        same_end = self.ends_at is None or self.ends_at == self.found.ends_at
        if self.begins_at != self.found.begins_at or not same_end:
            raise SettingsError(
                f"--checkpoint-name {self.name}: this name belongs to a replay of "
                f"{period_text(self.found)}; take another name for another period"
            )
        return self.found

    def is_done(self, plan: ShardPlan, incarnation: Incarnation) -> bool:
        """See `BridgeJob`. True once every shard is copied to the period's end."""
        if self._of is not None and incarnation != self._of:
            raise ReplayFailed("the Kinesis stream was deleted and created again meanwhile")
        self._plan = plan
        return bool(plan.done) and not plan.readable and not plan.waiting

    def progress(self) -> str:
        """Return a text about the replay's progress."""
        if self._plan is None or self._checkpoints is None or self._of is None:
            return "not begun"
        plan, of = self._plan, self._of
        every = len(plan.done | plan.readable | plan.waiting)
        found = self._checkpoints.of_stream(of.kinesis_stream).items()
        reached = [
            checkpoint.arrived_at
            for place, checkpoint in found
            if place.name == self.name and not checkpoint.finished and checkpoint.arrived_at
        ]
        where = f", the others at {rfc3339(min(reached))} or later" if reached else ""
        return f"{len(plan.done)} of {every} shards done{where}"


async def agreed(context: JobContext, place: Place, wanted: Callable[[], Period]) -> Period:
    """Return the period on the checkpoint topic for `place` (one without a shard). If it has none,
    write the one that `wanted` returns. Raise `TimeoutError` or `KafkaError`."""
    # The order matters, as with a shard. 1: fence all other writers of this period. 2: then read
    # their records, which cannot change any more.
    writer = ShardWriter(context.settings, place, SizeLimits())
    try:
        await writer.start()
        await context.checkpoints.caught_up(checkpoint_partition(place))
        known = context.checkpoints.period(place)
        if known is not None:
            return Period(known.begins_at, known.ends_at)
        period = wanted()
        record = BridgePeriod(
            name=place.name,
            kinesis_stream=place.kinesis_stream,
            stream_created_at=place.created_at,
            begins_at=period.begins_at,
            ends_at=period.ends_at,
            at=context.now(),
            instance=context.settings.instance,
        )
        await writer.write((), record)
        return period
    finally:
        await writer.close()


def live(settings: Settings, now: int) -> Live:
    """Return the live bridge's job. `now`: log time in ms. Raise `SettingsError` if the configured
    start is in the future."""
    check_start(settings, now)
    return Live(settings.kinesis_start, now)


def check_start(settings: Settings, latest_now: int) -> None:
    """Raise `SettingsError` if FLEXCAPTURE_KINESIS_START is later than `latest_now` (ms)."""
    start = settings.kinesis_start
    if start not in (LATEST, TRIM_HORIZON) and moment(start) > latest_now:
        raise SettingsError(f"{PREFIX}KINESIS_START: {start} is in the future")


def period_text(period: Period) -> str:
    """Return the period as a text for messages."""
    begins, ends = period.begins_at, period.ends_at
    since = "the beginning" if begins is None else rfc3339(begins)
    return f"{since} to {'now' if ends is None else rfc3339(ends)}"
