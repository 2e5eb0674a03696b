"""Rounds and rebalances of a consumer group exclude each other."""

import asyncio

import pytest

from agents.rebalance_guard import RebalanceGuard


async def test_records_polled_before_a_rebalance_do_not_count() -> None:
    """Whether it begins or ends between the poll and the round."""
    guard = RebalanceGuard()
    async with guard.round() as is_current:
        assert is_current
    guard.beginning()
    assert guard.is_rebalancing
    async with guard.round() as is_current:
        assert not is_current
    async with guard.between():
        pass
    async with guard.round() as is_current:
        assert not is_current
    async with guard.between(assigned=True):
        pass
    assert not guard.is_rebalancing
    async with guard.round() as is_current:
        assert is_current


@pytest.mark.parametrize("assigned", [True, False])
async def test_a_round_waits_for_the_rebalance(assigned: bool) -> None:
    """A poll that returns while partitions are being assigned has records of the new ones, which
    are not returned again. One that returns while they are revoked has records of the old ones."""
    guard, seen = RebalanceGuard(), []

    async def handle() -> None:
        async with guard.round() as is_current:
            seen.append(is_current)

    async with guard.between(assigned=assigned):
        waiting = asyncio.create_task(handle())
        await asyncio.sleep(0)
        assert [] == seen
    await waiting
    assert [assigned] == seen


async def test_a_rebalance_waits_for_the_round_and_for_the_end_of_the_loop() -> None:
    """So that a partition is handed over with all its results."""
    guard, order = RebalanceGuard(), list[str]()

    async def rebalance() -> None:
        async with guard.between():
            order.append("rebalance")

    for block in (guard.round, guard.alone):
        order.clear()
        async with block():
            waiting = asyncio.create_task(rebalance())
            await asyncio.sleep(0)
            order.append("round")
        await waiting
        assert ["round", "rebalance"] == order
