"""The checkpoint topic as a table: the latest record of each place, and how far it was read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bridge.checkpoints import LONGEST_WAIT_S, Blocked, Checkpoints, checkpoint_partition
from pipeline.kinesis.shard_ref import Incarnation
from schemas.codec import Undecodable
from tests.bridge.tables import STREAM, Topic, checkpoint, checkpoints_on, period, place
from tests.virtual_time import virtually

SHARD, WHOLE = place("shardId-1"), place("")


def play(topic: Topic, scene: Callable[[Checkpoints], Awaitable[None]]) -> list[int]:
    """Run a scene on a table that follows the topic. Return how often it had news."""
    news: list[int] = []

    async def run() -> None:
        with checkpoints_on(topic, lambda: news.append(1)) as table:
            await table.start()
            following = asyncio.create_task(table.run())
            await scene(table)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await table.stop()

    virtually(run())
    return news


def test_the_latest_record_of_a_place_counts() -> None:
    """A record without a value deletes it."""
    topic = Topic()
    topic.write(SHARD, checkpoint(SHARD, at=1))
    topic.write(SHARD, latest := checkpoint(SHARD, at=2))
    topic.write(place("gone"), checkpoint(place("gone")))
    topic.write(place("gone"), None)
    topic.write(WHOLE, agreed := period(WHOLE, 5, 9))

    async def scene(table: Checkpoints) -> None:
        await table.readable()
        assert (latest, None) == (table.get(SHARD), table.get(place("gone")))
        assert agreed == table.period(WHOLE)
        topic.write(WHOLE, None)
        await table.caught_up(checkpoint_partition(WHOLE))
        assert table.period(WHOLE) is None

    play(topic, scene)


def test_records_of_other_names_and_incarnations_are_apart() -> None:
    """A stream that was created again is another one; so is another checkpoint name."""
    topic, old, replay = Topic(), place("s", created_at=1), place("s", name="replay")
    for each in (old, replay):
        topic.write(each, checkpoint(each, finished=True))
    topic.write(place("", name="other"), period(place("", name="other")))

    async def scene(table: Checkpoints) -> None:
        await table.readable()
        assert (False, True) == (table.begun(STREAM, "live"), table.begun(STREAM, "replay"))
        assert table.begun(Incarnation("flex-events", 1), "live")
        assert (frozenset(), {"s"}) == (
            table.finished(STREAM, "live"), table.finished(STREAM, "replay"),
        )  # fmt: skip
        names = ("live", "replay", "other", "none")
        assert [True, True, True, False] == [table.met("flex-events", name) for name in names]
        assert not table.met("another", "live")
        assert {old, replay} == set(table.of_stream("flex-events"))
        assert [place("", name="other")] == list(table.periods_of("flex-events"))
        assert {"flex-events"} == table.streams()

    play(topic, scene)


def test_finished_shards_and_periods_are_news() -> None:
    """Children may be read then. Other checkpoints are no news: they come all the time."""
    topic = Topic()
    topic.write(SHARD, checkpoint(SHARD))
    topic.write(SHARD, checkpoint(SHARD, finished=True))
    topic.write(WHOLE, period(WHOLE))
    assert 2 == len(play(topic, lambda table: table.readable()))


def test_a_take_over_waits_for_an_open_transaction() -> None:
    """Its records may be committed: without them, events would be written twice. Other processes
    need not wait for it."""
    topic = Topic()
    number = topic.write(SHARD, checkpoint(SHARD, at=1))
    topic.stable[number] = 1
    topic.write(SHARD, latest := checkpoint(SHARD, at=2))

    async def scene(table: Checkpoints) -> None:
        loop = asyncio.get_running_loop()
        await table.readable()
        assert table.get(SHARD) == checkpoint(SHARD, at=1)
        loop.call_later(5, topic.stable.clear)
        began = loop.time()
        await table.caught_up(checkpoint_partition(SHARD))
        assert loop.time() - began == pytest.approx(5, abs=0.3)
        assert latest == table.get(SHARD)

    play(topic, scene)


def test_a_transaction_that_does_not_end_blocks_the_take_over() -> None:
    """The error names the partition."""
    topic = Topic()
    number = topic.write(SHARD, checkpoint(SHARD))
    topic.stable[number] = 0

    async def scene(table: Checkpoints) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Blocked, match=rf"\[{number}\]"):
            await table.caught_up(number)
        waited = asyncio.get_running_loop().time() - began
        assert waited == pytest.approx(LONGEST_WAIT_S, abs=0.1)

    play(topic, scene)


def test_the_topic_is_polled_quickly_only_while_a_reader_waits() -> None:
    """A take-over must not wait for the idle poll."""
    topic = Topic()

    async def scene(table: Checkpoints) -> None:
        await asyncio.sleep(1)
        idle = set(topic.eager)
        topic.eager.clear()
        topic.write(SHARD, checkpoint(SHARD))
        await table.caught_up(checkpoint_partition(SHARD))
        assert max(topic.eager[1:] or topic.eager) <= max(idle)
        await asyncio.sleep(1)
        assert max(idle) == topic.eager[-1]

    play(topic, scene)


async def test_a_record_that_is_no_checkpoint_ends_the_process() -> None:
    """Without it, events would be written again."""
    topic = Topic()
    topic.write(SHARD, b"no record")
    with checkpoints_on(topic) as table:
        await table.start()
        with pytest.raises(Undecodable):
            await table.run()
