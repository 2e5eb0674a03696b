"""Records that Kafka does not take go to disk and come back, in order."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.publishing.lanes import PublishLane, PublishLanes
from gateway.publishing.spill import Spill, Spills
from gateway.publishing.spooler import AFTER_FAILURE_S, PAUSE_S, STALLED_S, Pager
from tests.virtual_time import virtually

MEMORY = 40_000
VALUE = bytes(1_000)


@pytest.fixture(autouse=True)
def _in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads know no virtual time."""

    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", run)


class Gateway:
    """The queues of a gateway with a pager, and Kafka, which takes records if the test says so."""

    def __init__(self, directory: Path, disk: int = 10**6) -> None:
        self.spills = Spills(directory, disk)
        clock = asyncio.get_running_loop().time
        self.lanes = PublishLanes(MEMORY, self.spills, clock)
        self.woken: list[PublishLane] = []
        self.pager = Pager(self.lanes.all, self.spills, MEMORY, clock, self.woken.append)
        self._running = asyncio.create_task(self.pager.run())

    def put(self, count: int, partition: int = 3) -> PublishLane:
        lane = self.lanes.at("media", partition)
        for _ in range(count):
            lane.outbox.put("media", b"k", VALUE, at=asyncio.get_running_loop().time())
        return lane

    def deliver(self, lane: PublishLane, most: int = 10**6) -> list[int]:
        """Let Kafka take records. Return their numbers."""
        found: list[int] = []
        while len(found) < most and (item := lane.outbox.take()) is not None:
            lane.outbox.delivered(item.number)
            found.append(item.number)
        return found

    async def deliver_all(self, lane: PublishLane) -> list[int]:
        """Let Kafka take records until none is left."""
        found = []
        while lane.outbox:
            found += self.deliver(lane)
            await asyncio.sleep(PAUSE_S)
        return found

    async def stop(self) -> None:
        self.pager.stop()
        await self._running


def test_a_lane_that_kafka_takes_stays_in_memory(tmp_path: Path) -> None:
    """Nothing is written to disk while records are acknowledged in time."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        for _ in range(20):
            gateway.deliver(gateway.put(5))
            await asyncio.sleep(STALLED_S / 2)
        assert 0 == gateway.spills.size
        await gateway.stop()

    virtually(run())
    assert [] == list(tmp_path.glob("media-*/*"))


def test_a_stalled_lane_goes_to_disk_and_comes_back(tmp_path: Path) -> None:
    """Its records leave memory, new ones follow them, and all come back in order. Then the lane is
    in memory again, and nothing is left on disk."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        lane = gateway.put(30)
        await asyncio.sleep(STALLED_S + 3 * PAUSE_S)
        gateway.put(300)
        await asyncio.sleep(1)
        assert gateway.spills.size > 300 * len(VALUE)
        assert gateway.lanes.room.used < MEMORY
        assert list(range(1, 331)) == await gateway.deliver_all(lane)
        assert {lane} == set(gateway.woken)
        await asyncio.sleep(1)
        assert not lane.outbox.is_paging
        assert 0 == gateway.spills.size
        await gateway.stop()

    virtually(run())


def test_records_in_flight_are_copied_for_the_next_process(tmp_path: Path) -> None:
    """If this one is killed, Kafka may or may not have them."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        lane = gateway.put(4)
        lane.outbox.take()
        lane.outbox.take()
        await asyncio.sleep(STALLED_S + 3 * PAUSE_S)
        on_disk = Spill(tmp_path / "media-3", gateway.lanes.room)  # as the next process opens it
        assert [1, 2, 3, 4] == [item.number for item in on_disk.read(10**6)]
        await gateway.stop()

    virtually(run())


def test_only_the_largest_lane_leaves_memory(tmp_path: Path) -> None:
    """The others share a quarter of the buffer before they are stalled."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        small, large = gateway.put(2, partition=1), gateway.put(20, partition=2)
        await asyncio.sleep(2 * PAUSE_S)
        assert (False, True) == (small.outbox.is_paging, large.outbox.is_paging)
        await gateway.stop()

    virtually(run())


def test_a_process_that_ends_leaves_its_records_to_the_next(tmp_path: Path) -> None:
    """Which sends them before its own, in order."""

    async def run() -> None:
        first = Gateway(tmp_path)
        first.put(12)
        await first.stop()
        second = Gateway(tmp_path)
        lane = second.put(3)
        assert list(range(1, 16)) == await second.deliver_all(lane)
        await second.stop()

    virtually(run())


def test_a_disk_that_fails_is_a_trouble_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records stay in memory; batches are dropped with that reason if it is full."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        works = Spill.write

        def fails(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Spill, "write", fails)
        lane = gateway.put(5)
        await asyncio.sleep(STALLED_S + 2 * AFTER_FAILURE_S)
        assert f"{tmp_path} cannot be written: No space left on device" == gateway.pager.trouble
        assert (True, "spill-failed", 1.0) == (
            gateway.pager.is_full, gateway.pager.why_full, gateway.pager.filled(),
        )  # fmt: skip
        monkeypatch.setattr(Spill, "write", works)
        await asyncio.sleep(2 * AFTER_FAILURE_S)
        assert gateway.pager.trouble is None
        assert [1, 2, 3, 4, 5] == await gateway.deliver_all(lane)
        await gateway.stop()

    virtually(run())


def test_a_full_disk_is_no_trouble_of_the_disk(tmp_path: Path) -> None:
    """The limit is the reason for dropped batches. The records that do not fit stay in memory."""

    async def run() -> None:
        gateway = Gateway(tmp_path, disk=3_000)
        gateway.put(30)
        await asyncio.sleep(STALLED_S + 1)
        assert (True, "spill-full", None) == (
            gateway.pager.is_full, gateway.pager.why_full, gateway.pager.trouble,
        )  # fmt: skip
        assert gateway.pager.filled() >= 1
        await gateway.stop()

    virtually(run())


def test_records_that_are_lost_on_disk_do_not_stop_the_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spill that ends too early is counted as given up; the later records are sent."""

    async def run() -> None:
        gateway = Gateway(tmp_path)
        monkeypatch.setattr(Spill, "read", lambda *_: [])
        lane = gateway.put(10)
        await asyncio.sleep(STALLED_S + 3 * PAUSE_S)
        gateway.put(2)
        assert [11, 12] == await gateway.deliver_all(lane)
        await gateway.stop()

    virtually(run())
