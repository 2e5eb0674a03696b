"""Ticks go to each partition by itself."""

import asyncio

import pytest
from aiokafka.errors import KafkaError

from agents.ticking import Ticking
from schemas.codec import decode
from tests.virtual_time import virtually


class Sender:
    """A producer for which some partitions have no leader, and some are refused."""

    def __init__(self) -> None:
        self.leaderless: set[int] = set()
        self.elected = asyncio.Event()
        self.refused: set[int] = set()
        self.sent: list[tuple[int, int]] = []

    async def send_and_wait(self, topic: str, value: bytes, *, partition: int) -> None:
        """Take a tick."""
        assert topic == "ticks"
        self.sent.append((partition, decode(value).at))
        if partition in self.leaderless:
            await self.elected.wait()
        if partition in self.refused:
            raise KafkaError


def test_a_partition_without_a_leader_holds_no_other_back() -> None:
    """The others get each tick; that one gets no second one before the first was taken."""

    async def scene() -> None:
        sender = Sender()
        sender.leaderless = {1}
        ticking = Ticking(sender, "ticks")
        for at in (1, 2, 3):
            ticking.tick({0, 1, 2}, at)
            await asyncio.sleep(1)
        sender.leaderless = set()
        sender.elected.set()
        await asyncio.sleep(1)
        ticking.tick({0, 1, 2}, 4)
        await asyncio.sleep(1)
        assert [at for partition, at in sender.sent if partition == 0] == [1, 2, 3, 4]
        assert [at for partition, at in sender.sent if partition == 1] == [1, 4]
        assert [at for partition, at in sender.sent if partition == 2] == [1, 2, 3, 4]

    virtually(scene())


def test_a_tick_that_cannot_be_written_ends_the_work() -> None:
    """A record that Kafka refuses for good is raised with the next tick."""

    async def scene() -> None:
        sender = Sender()
        sender.refused = {2}
        ticking = Ticking(sender, "ticks")
        ticking.tick({1, 2}, 1)
        await asyncio.sleep(1)
        with pytest.raises(KafkaError):
            ticking.tick({1, 2}, 2)

    virtually(scene())
