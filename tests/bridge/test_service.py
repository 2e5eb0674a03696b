"""A bridge decides which shards it copies, and follows the stream, the leases and the period."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from bridge.service import LIST_SECONDS, STOP_SECONDS
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from pipeline.kinesis.lineage import Shard
from pipeline.kinesis.period import Period
from pipeline.kinesis.shard_ref import Incarnation
from tests.bridge.bridging import OTHER, Carrier, Job, Scene, play
from tests.bridge.tables import STREAM

PARENT, CHILD = Shard("p", closed=True), Shard("c", parents=("p",))


def test_a_child_is_read_after_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as its parent is finished, by this process or another one."""

    async def scene(s: Scene) -> None:
        assert ["o", "p"] == s.running()
        assert {"p": True, "o": False} == {c.place.shard_id: c.closed for c in Carrier.all}
        s.table.finish(PARENT)
        await asyncio.sleep(0.1)
        assert ["c", "o"] == s.running()
        assert {} == s.health.reasons

    made = play(
        Job(), scene, monkeypatch, lambda s: setattr(s.kinesis, "listed", (PARENT, CHILD, OTHER))
    )
    assert ([], True, True) == (made.running(), made.table.is_stopped, made.kinesis.is_closed)


def test_only_shards_with_a_lease_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of which the lease is gone is stopped, and one that came is begun."""

    async def scene(s: Scene) -> None:
        assert ["o"] == s.running()
        s.group.give("o")
        await asyncio.sleep(0.1)
        assert [] == s.running()
        s.group.give()
        await asyncio.sleep(LIST_SECONDS)
        assert ["o"] == s.running()

    play(Job(), scene, monkeypatch)


def test_new_shards_are_found_by_the_next_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few seconds, and at once when a shard has ended: its children may be there."""

    async def scene(s: Scene) -> None:
        s.kinesis.listed = (OTHER, Shard("n"))
        await asyncio.sleep(LIST_SECONDS)
        assert ["n", "o"] == s.running()
        s.kinesis.listed = (OTHER, Shard("n"), Shard("child", parents=("n",)))
        s.table.done.add("n")
        next(c for c in Carrier.all if c.place.shard_id == "n").ended.set()
        await asyncio.sleep(0.6)
        assert ["child", "o"] == s.running()

    play(Job(), scene, monkeypatch)


def test_nothing_is_read_before_the_period_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Kafka does not answer, health says so. None: another process has to write it."""
    job = Job(KafkaConnectionError("away"), None, Period(5))

    async def scene(s: Scene) -> None:
        assert "not known yet" in s.health.reasons["period"]
        await asyncio.sleep(1)
        assert ({}, []) == (s.health.reasons, s.running())
        await asyncio.sleep(LIST_SECONDS)
        assert ["o"] == s.running()
        assert [Period(5)] == [c.period for c in Carrier.all]

    play(job, scene, monkeypatch)


def test_a_stream_that_is_created_again_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shards are read from their own beginning, although they have the same ids."""

    async def scene(s: Scene) -> None:
        s.kinesis.incarnation_now = Incarnation(STREAM.kinesis_stream, 9)
        await asyncio.sleep(LIST_SECONDS + 1)
        running = [c.place.created_at for c in Carrier.all if c.is_running]
        assert [9] == running

    play(Job(), scene, monkeypatch)


def test_one_failed_listing_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests may be throttled. Two of them are, and the shards are still read."""

    async def scene(s: Scene) -> None:
        s.kinesis.error = KinesisUnavailable("throttled")
        await asyncio.sleep(LIST_SECONDS)
        assert {} == s.health.reasons
        await asyncio.sleep(2)
        assert "throttled" in s.health.reasons["kinesis"]
        assert ["o"] == s.running()
        s.kinesis.error = None
        await asyncio.sleep(2)
        assert {} == s.health.reasons

    play(Job(), scene, monkeypatch)


def test_a_stream_that_is_absent_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is created."""

    async def scene(s: Scene) -> None:
        assert "no such stream" in s.health.reasons["kinesis"]
        assert [] == s.running()
        s.kinesis.error = None
        await asyncio.sleep(2)
        assert ({}, ["o"]) == (s.health.reasons, s.running())
        s.kinesis.error = StreamAbsent("deleted")
        await asyncio.sleep(LIST_SECONDS + 1)
        assert [] == s.running()

    play(
        Job(), scene, monkeypatch,
        lambda s: setattr(s.kinesis, "error", StreamAbsent("no such stream")),
    )  # fmt: skip


def test_a_bridge_ends_when_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with shards that do not end: they are cancelled after a while."""
    job = Job()

    async def scene(s: Scene) -> None:
        Carrier.all[0].hangs = True
        began = asyncio.get_running_loop().time()
        job.is_over = True
        s.group.give()
        while s.running():  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - began <= STOP_SECONDS + 0.2

    assert play(job, scene, monkeypatch).bridge.done
