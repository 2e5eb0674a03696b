"""The runner's parts together, without Kafka: the order of writes, and commits."""

import asyncio
from typing import Any

import pytest

from agents.faust_runner.outbox import Change, Outbox
from schemas.codec import encode
from tests.agents.faust_runner.handling import Broker, cti, incoming, setting


async def test_a_record_is_published_kept_and_logged() -> None:
    """Its output, the table, and, once the broker has the output, the changelog."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    assert {b"WT1": encode(cti())} == here.table
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        await here.outbox.drained({0, 3})
        running.cancel()
    assert ["p.calls", "changelog"] == here.broker.topics()


async def test_the_changelog_waits_for_the_outputs_and_the_commit_for_the_changelog() -> None:
    """Else a crash between the two would lose an output for good."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        drained = tasks.create_task(here.outbox.drained({0, 3}))
        await settled()
        assert (["p.calls"], False) == (here.broker.topics(), drained.done())
        here.broker.open[0].set_result(None)
        await settled()
        assert (["p.calls", "changelog"], False) == (here.broker.topics(), drained.done())
        here.broker.open[1].set_result(None)
        assert await drained == {0, 3}
        running.cancel()


async def test_a_broken_way_out_lets_no_offset_be_committed() -> None:
    """Every wait for a failed output raises its error, at once and later."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    here.broker.open[0].set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await here.outbox.run()
    with pytest.raises(ConnectionError):
        await here.outbox.drained({0, 3})
    with pytest.raises(ConnectionError):
        await here.outbox.add(Change(0, b"k", b"v", ()))


async def test_of_many_changes_of_a_key_the_last_is_written() -> None:
    """The table is a cache of the latest."""
    broker = Broker()
    outbox = Outbox(broker, "changelog")
    for n in range(5):
        await outbox.add(Change(0, b"k", str(n).encode(), ()))
    await outbox.add(Change(0, b"other", None, ()))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run())
        await outbox.drained({0, 3})
        running.cancel()
    assert [("changelog", b"k", b"4"), ("changelog", b"other", None)] == broker.sent


async def test_effects_come_before_the_table_and_what_they_raise_gets_out() -> None:
    """A broken dependency ends the role; the event is not done then."""

    async def broken(key: str, before: Any, step: Any) -> None:
        raise OSError("database")

    here = setting(effects=broken)
    with pytest.raises(OSError, match="database"):
        await here.handler.handle(incoming(cti()))
    assert {} == here.table


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_how_far_a_role_is_behind_is_measured_by_the_log_clock() -> None:
    """A machine's clock that is wrong makes no role seem slow."""
    here = setting(clock=lambda: 12.5)
    await here.handler.handle(incoming(cti(), at=10_000))
    assert 2.5 == here.handler.behind
