"""Keep the rebalances of a consumer group out of a role's rounds: records that were polled before a
rebalance must not be handled after it, for the partition's new owner reads them again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RebalanceGuard:
    """For the listener of a group and for the loop beside it.

    The listener marks the `beginning` of a rebalance as soon as it hears of it, and does its work
    `between` rounds. The loop polls, and then handles the records in a `round`.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._count = 0
        self._is_rebalancing = False

    @property
    def is_rebalancing(self) -> bool:
        """Whether a rebalance is under way: the partitions may be another process's by now."""
        return self._is_rebalancing

    def beginning(self) -> None:
        """Let no further round begin until partitions are assigned."""
        self._is_rebalancing = True

    @asynccontextmanager
    async def between(self, *, assigned: bool = False) -> AsyncIterator[None]:
        """Wait for the end of the round, and begin none within this block. `assigned`: the
        rebalance is over with it. Records that were polled before the block count no more."""
        async with self._lock:
            self._count += 1
            self._is_rebalancing = not assigned
            yield

    @asynccontextmanager
    async def round(self) -> AsyncIterator[bool]:
        """Begin a round right after a poll, not before it: a rebalance during the poll is completed
        in it, and the records that the poll then returns are new and are not returned again. Yield
        whether they still count; if not, leave them alone."""
        count = self._count
        async with self._lock:
            yield not self._is_rebalancing and count == self._count

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep rebalances out of this block, which is no round: the end of the loop."""
        async with self._lock:
            yield
