"""The period of the stream that all bridges of a checkpoint name read, and the end of a replay."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge import jobs
from bridge.jobs import JobContext, Live, Replay, ReplayFailed, check_start, live, period_text
from bridge.leases import Leases
from pipeline.kinesis.lineage import ShardPlan
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import Incarnation
from pipeline.runtime.settings import Settings, SettingsError
from schemas.codec import decode, encode
from schemas.records import BridgePeriod
from tests.bridge.tables import NOW, STREAM, Topic, checkpoint, checkpoints_on, period, place

RFC = "2027-01-15T08:00:00Z"
"""The time `NOW`."""


class Writer:
    """Fences other writers, writes to the topic, and notes the steps."""

    def __init__(self, topic: Topic, steps: list[str], of: Any) -> None:
        self._topic = topic
        self._steps = steps
        self._of = of

    async def start(self) -> None:
        self._steps.append("fence")

    async def write(self, messages: tuple[()], record: BridgePeriod) -> None:
        assert () == messages
        self._steps.append("write")
        self._topic.write(self._of, record)

    async def close(self) -> None:
        self._steps.append("close")


class JobRig:
    """A context on a topic. `has_lease`: this process has the lease of the period."""

    def __init__(self, patch: pytest.MonkeyPatch, *, has_lease: bool = True) -> None:
        self.topic = Topic()
        self.steps: list[str] = []
        self._patch = patch
        self._has_lease = has_lease

    def __enter__(self) -> JobContext:
        self._table = checkpoints_on(self.topic)
        checkpoints = self._table.__enter__()

        async def caught_up(*_: int) -> None:
            self.steps.append("read")
            for records in self.topic.partitions.values():
                for key, value in records:
                    checkpoints._apply(key, value)

        self._patch.setattr(checkpoints, "caught_up", caught_up)
        self._patch.setattr(
            jobs, "ShardWriter", lambda _, of, __: Writer(self.topic, self.steps, of)
        )
        for records in self.topic.partitions.values():
            for key, value in records:
                checkpoints._apply(key, value)
        leases = cast("Leases", SimpleNamespace(has=lambda _: self._has_lease))
        return JobContext(Settings(instance="b-0"), checkpoints, leases, lambda: NOW)

    def __exit__(self, *error: object) -> None:
        self._table.__exit__(None, None, None)

    def periods(self) -> list[BridgePeriod]:
        """Return the periods on the topic."""
        records = [decode(v) for each in self.topic.partitions.values() for _, v in each if v]
        return [each for each in records if isinstance(each, BridgePeriod)]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> JobRig:
    """A context with the lease."""
    return JobRig(monkeypatch)


async def test_a_live_bridge_reads_the_whole_stream_by_default(rig: JobRig) -> None:
    """Nothing has to be agreed on."""
    with rig as context:
        assert ALWAYS == await Live().period(context, STREAM)
    assert [] == rig.periods()


@pytest.mark.parametrize(("start", "begins_at"), [("latest", NOW - 7), (RFC, NOW)])
async def test_the_start_of_a_new_stream_is_agreed_on_before_it_is_read(
    rig: JobRig, start: str, begins_at: int
) -> None:
    """`latest` is the time at which the process was started. First other writers are fenced, then
    their records read, and then the period written."""
    with rig as context:
        assert Period(begins_at) == await Live(start, NOW - 7).period(context, STREAM)
        assert ["read", "fence", "read", "write", "close"] == rig.steps
        [written] = rig.periods()
        assert (begins_at, None, "b-0", "live") == (
            written.begins_at, written.ends_at, written.instance, written.name,
        )  # fmt: skip
        later = Live(start, NOW + 99)
        assert Period(begins_at) == await later.period(context, STREAM)
    assert 1 == len(rig.periods())


async def test_a_period_that_another_process_wrote_meanwhile_counts(
    rig: JobRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written between the first look and the fencing."""

    async def start(self: Writer) -> None:
        rig.topic.write(place(""), period(place(""), 5))

    monkeypatch.setattr(Writer, "start", start)
    with rig as context:
        assert Period(5) == await Live("latest", NOW).period(context, STREAM)
    assert 1 == len(rig.periods())


async def test_only_the_process_with_the_lease_writes_the_period(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others ask again."""
    rig = JobRig(monkeypatch, has_lease=False)
    with rig as context:
        assert await Live("latest", NOW).period(context, STREAM) is None
    assert ["read"] == rig.steps


@pytest.mark.parametrize("created_at", [STREAM.created_at, 1])
async def test_a_start_is_for_streams_that_are_new(rig: JobRig, created_at: int) -> None:
    """A stream that was read before, or of which an earlier incarnation was, is read on from its
    checkpoints or from its beginning. If this one was, its readable checkpoints are enough."""
    before = place("s", created_at)
    rig.topic.write(before, checkpoint(before))
    with rig as context:
        assert ALWAYS == await Live("latest", NOW).period(context, STREAM)
    assert ([] if created_at == STREAM.created_at else ["read"]) == rig.steps


@pytest.mark.parametrize(
    ("start", "is_refused"), [("latest", False), ("trim-horizon", False), (RFC, True)]
)
def test_a_start_in_the_future_is_refused(start: str, is_refused: bool) -> None:
    """The error names the setting. A start that is past is accepted."""
    settings = Settings(kinesis_start=start)
    check_start(settings, NOW)
    if is_refused:
        with pytest.raises(SettingsError, match="KINESIS_START"):
            live(settings, NOW - 1)
    assert Live(settings.kinesis_start, NOW) == live(settings, NOW)


def test_a_live_bridge_has_no_end() -> None:
    """Also if every shard is closed."""
    everything = ShardPlan(frozenset(), frozenset(), frozenset({"s"}))
    assert not Live().is_done(everything, STREAM)


async def test_all_processes_of_a_replay_copy_the_same_period(rig: JobRig) -> None:
    """The end is agreed on when the first one starts. Another period needs another name."""
    with rig as context:
        found = await Replay("again", 5, None).period(context, STREAM)
        assert Period(5, NOW) == found
        rig.topic.write(place("", name="again"), period(place("", name="again"), 5, 9))
        context.checkpoints._apply(place("", name="again").key, None)
        assert Period(5, 9) == await Replay("again", 5, None).period(context, STREAM)
        for begins_at, ends_at in ((6, None), (5, 8)):
            with pytest.raises(SettingsError, match="--checkpoint-name again"):
                await Replay("again", begins_at, ends_at).period(context, STREAM)


async def test_a_replay_is_done_when_every_shard_is(rig: JobRig) -> None:
    """A stream that was created again meanwhile is an error: its records are others."""
    replay = Replay("again", 5, 9)
    assert "not begun" == replay.progress()
    read, waiting, none = frozenset({"a"}), frozenset({"b"}), frozenset[str]()
    with rig as context:
        await replay.period(context, STREAM)
        assert not replay.is_done(ShardPlan(none, none, none), STREAM)
        assert not replay.is_done(ShardPlan(read, waiting, frozenset({"c"})), STREAM)
        for name, finished, at in (("a", False, NOW), ("c", True, 5), ("d", False, NOW + 60_000)):
            of = place(name, name="again")
            context.checkpoints._apply(
                of.key, encode(checkpoint(of, finished=finished, arrived_at=at))
            )
        live_one = place("a")
        context.checkpoints._apply(live_one.key, encode(checkpoint(live_one, arrived_at=1)))
        assert f"1 of 3 shards done, the others at {RFC[:-1]}" in replay.progress()
        assert replay.is_done(ShardPlan(none, none, read), STREAM)
    with pytest.raises(ReplayFailed):
        replay.is_done(ShardPlan(none, none, read), Incarnation("flex-events", 9))


def test_a_period_as_a_text() -> None:
    """Open ends have words."""
    assert "the beginning to now" == period_text(ALWAYS)
    assert f"{RFC[:-1]}" in period_text(Period(NOW, NOW))
