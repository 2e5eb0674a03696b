"""What a bridge is run for: to carry the stream for ever, or to carry a period of it once more.

Either way all processes under a checkpoint name read the same period of it, whenever they start:
where it is not the whole stream it stands on the checkpoint topic, as a `BridgePeriod`, before the
first shard is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.checkpoints import Checkpoints, partition_of
from bridge.leases import Leases
from bridge.transactions import ShardWriter
from pipeline.kinesis.lineage import Plan
from pipeline.kinesis.messages import Limits
from pipeline.kinesis.pacing import LIVE_SHARE, REPLAY_SHARE, Share
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import LIVE, Incarnation, Place
from pipeline.runtime.settings import LATEST, PREFIX, TRIM_HORIZON, Settings, SettingsError
from pipeline.times import moment, rfc3339
from schemas.records import BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

CLOCK_ERROR_MS = 60 * 60_000
"""How wrong this machine's clock may be. A time later than that is refused before Kafka, and with
it the log's clock, can be reached."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an errand needs of the bridge. `now`: the log's clock, ms."""

    settings: Settings
    checkpoints: Checkpoints
    leases: Leases
    now: Callable[[], int]


class Errand(Protocol):
    """What a bridge is run for."""

    @property
    def name(self) -> str:
        """The checkpoint name."""

    @property
    def share(self) -> Share:
        """What it may take of a shard's throughput."""

    async def period(self, desk: Desk, incarnation: Incarnation) -> Period | None:
        """What is read of the stream; None: another process is to say so, ask again when a
        checkpoint has come. Raises what Kafka does, and `SettingsError`."""

    def is_done(self, plan: Plan, incarnation: Incarnation) -> bool:
        """Whether nothing is left to do. Raises `ReplayFailed`."""


class ReplayFailed(RuntimeError):
    """A replay cannot go on; why."""


@dataclass(frozen=True, slots=True)
class Live:
    """The stream, for ever; from where FLEXCAPTURE_KINESIS_START says when it is first met."""

    start: str = TRIM_HORIZON
    asked_at: int = 0
    """When this process was started (ms): `latest` is what comes after that, also of a stream that
    is made later still."""
    name: str = LIVE
    share: Share = LIVE_SHARE

    async def period(self, desk: Desk, incarnation: Incarnation) -> Period | None:
        """See `Errand`. Of a stream that is being bridged what can be read of the checkpoints is
        enough: who wrote a shard's had written the period before. A process that comes after one
        that was killed must not wait for that one's transaction to time out."""
        place = Place(incarnation.kinesis_stream, incarnation.created_at, "", self.name)
        begun = desk.checkpoints.begun(incarnation, self.name)
        if not begun:
            await desk.checkpoints.caught_up(*range(BRIDGE_CHECKPOINTS.partitions))
        if (known := desk.checkpoints.period(place)) is not None:
            return Period(known.begins_at, known.ends_at)
        if (
            begun
            or desk.checkpoints.met(place.kinesis_stream, self.name)
            or self.start == TRIM_HORIZON
        ):
            return ALWAYS
        if not desk.leases.has(place):
            return None
        return await agreed(desk, place, lambda: Period(begins_at=self._begins_at()))

    def _begins_at(self) -> int:
        return self.asked_at if self.start == LATEST else moment(self.start)

    def is_done(self, plan: Plan, incarnation: Incarnation) -> bool:  # noqa: ARG002 - never
        """Never."""
        return False


@dataclass(slots=True)
class Replay:
    """What Kinesis took from `begins_at` to `ends_at` (None: until now), once more."""

    name: str
    begins_at: int
    ends_at: int | None
    share: Share = REPLAY_SHARE
    found: Period | None = None
    """What is replayed, once that is certain."""
    _of: Incarnation | None = None
    _plan: Plan | None = None
    _checkpoints: Checkpoints | None = None

    async def period(self, desk: Desk, incarnation: Incarnation) -> Period | None:
        """See `Errand`. One that was begun under this name must have been of the same period."""
        place = Place(incarnation.kinesis_stream, incarnation.created_at, "", self.name)
        wanted = Period(self.begins_at, desk.now() if self.ends_at is None else self.ends_at)
        self.found = await agreed(desk, place, lambda: wanted)
        self._of, self._checkpoints = incarnation, desk.checkpoints
        same_end = self.ends_at is None or self.ends_at == self.found.ends_at
        if self.begins_at != self.found.begins_at or not same_end:
            raise SettingsError(
                f"--checkpoint-name {self.name}: under this name {told(self.found)} was replayed; "
                "take another name for another period"
            )
        return self.found

    def is_done(self, plan: Plan, incarnation: Incarnation) -> bool:
        """See `Errand`: once every shard is carried to the period's end."""
        if self._of is not None and incarnation != self._of:
            raise ReplayFailed("the Kinesis stream was deleted and made again meanwhile")
        self._plan = plan
        return bool(plan.done) and not plan.readable and not plan.waiting

    def progress(self) -> str:
        """How far it is, for people."""
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


async def agreed(desk: Desk, place: Place, wanted: Callable[[], Period]) -> Period:
    """The period that stands on the checkpoint topic for `place` (one without a shard); `wanted`
    is written there if there is none. Raises `TimeoutError` or `KafkaError`."""
    # As with a shard: 1, nobody else can write it from here on; 2, so this is the last word.
    writer = ShardWriter(desk.settings, place, Limits())
    try:
        await writer.start()
        await desk.checkpoints.caught_up(partition_of(place))
        known = desk.checkpoints.period(place)
        if known is not None:
            return Period(known.begins_at, known.ends_at)
        period = wanted()
        record = BridgePeriod(
            name=place.name,
            kinesis_stream=place.kinesis_stream,
            stream_created_at=place.created_at,
            begins_at=period.begins_at,
            ends_at=period.ends_at,
            at=desk.now(),
            instance=desk.settings.instance,
        )
        await writer.write((), record)
        return period
    finally:
        await writer.close()


def live(settings: Settings, now: int) -> Live:
    """Return the live bridge's errand. `now`: log time in ms. Raise `SettingsError` if the
    configured start is in the future."""
    check_start(settings, now)
    return Live(settings.kinesis_start, now)


def check_start(settings: Settings, latest_now: int) -> None:
    """Raise `SettingsError` if FLEXCAPTURE_KINESIS_START is later than `latest_now` (ms)."""
    start = settings.kinesis_start
    if start not in (LATEST, TRIM_HORIZON) and moment(start) > latest_now:
        raise SettingsError(f"{PREFIX}KINESIS_START: {start} is still to come")


def told(period: Period) -> str:
    """For people."""
    begins, ends = period.begins_at, period.ends_at
    since = "the beginning" if begins is None else rfc3339(begins)
    return f"{since} to {'now' if ends is None else rfc3339(ends)}"
