"""Keep the rebalances of a consumer group out of a role's rounds. Records that were polled before a
rebalance must not be handled after it, because the partition's new owner reads them again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RebalanceGuard:
    """Coordinates a group's rebalance listener with the loop that polls.

    The listener marks the `beginning` of a rebalance as soon as it is called, and does its work
    `between` rounds. The loop polls, and then handles the records in a `round`.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._count = 0
        self._is_rebalancing = False

    @property
    def is_rebalancing(self) -> bool:
        """Whether a rebalance is under way: another process may own the partitions by now."""
        return self._is_rebalancing

    def beginning(self) -> None:
        """Let no further round begin until partitions are assigned."""
        self._is_rebalancing = True

    @asynccontextmanager
    async def between(self, *, assigned: bool = False) -> AsyncIterator[None]:
        """Wait for the end of the round, and let none begin within this block. Records that were
        polled before the block must not be handled any more. `assigned`: the rebalance ends with
        this block."""
        async with self._lock:
            self._count += 1
            self._is_rebalancing = not assigned
            yield

    @asynccontextmanager
    async def round(self) -> AsyncIterator[bool]:
        """Begin a round. Call this right after a poll, not before it: a rebalance that begins
        during the poll also ends in it, and the records that the poll then returns are not returned
        again. Yield whether the records may be handled; if not, the caller must skip them."""
        count = self._count
        async with self._lock:
            yield not self._is_rebalancing and count == self._count

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep rebalances out of this block at the end of the loop. The block is not a round."""
        async with self._lock:
            yield
