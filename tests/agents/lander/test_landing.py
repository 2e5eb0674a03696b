"""The records of a partition are landed, or the files of another lander adopted."""

import asyncio
from typing import Any

import pytest

from agents.lander.landing import RETRY_S, checked
from agents.lander.metrics import ADOPTED, FILES, LANDED_RECORDS, UNDECODED
from pipeline.lake.agreement import ClaimedForAnotherDay
from pipeline.lake.partition import Closing, Partition
from pipeline.runtime.settings import SettingsError
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import StoreError
from tests.agents.lander.lake import DAY_MS, REF, Record, Store, lake_on, landing_on
from tests.virtual_time import virtually


@pytest.fixture(autouse=True)
def _in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads know no virtual time."""

    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", run)


def partition_of(*offsets: int, start: int = 0, day: int = 1) -> Partition:
    """Return a partition with records at these offsets."""
    made = Partition(start, None, 0.0)
    made.add([Record(offset, day * DAY_MS) for offset in offsets], 0.0)
    return made


async def test_a_file_is_written_and_the_next_begins_at_its_end() -> None:
    """The files and records are counted, by topic and by reason."""
    store = Store()
    landing, partition = landing_on(store), partition_of(0, 1, 5)
    files, records = FILES.labels("age"), LANDED_RECORDS.labels("recordings")
    before = files._value.get(), records._value.get()
    assert not await landing.land(REF, partition, Closing.AGE)
    assert (6, 0, 1) == (partition.start, len(partition), landing.moved)
    assert 1 == len(store.files())
    assert (before[0] + 1, before[1] + 3) == (files._value.get(), records._value.get())
    again = await landing.opened(REF, 0.0)
    assert (6, 6) == (again.start, again.position)


async def test_the_file_of_a_faster_lander_is_adopted() -> None:
    """Its end counts, also if it has more records than were read here: those are passed over."""
    store = Store()
    await landing_on(store).land(REF, partition_of(0, 1, 2, 3), Closing.SIZE)
    before, landing = ADOPTED._value.get(), landing_on(store)
    slower = partition_of(0, 1)
    assert await landing.land(REF, slower, Closing.AGE)
    assert (4, 4) == (slower.start, slower.position)
    assert before + 1 == ADOPTED._value.get()
    assert 1 == len(store.files())
    ahead = partition_of(0, 1, 2, 3, 4, 5)
    assert not await landing.land(REF, ahead, Closing.AGE)
    assert (4, 2) == (ahead.start, len(ahead))


async def test_records_without_a_schema_are_landed_and_counted() -> None:
    """As bytes: nothing is left out of the lake."""
    store, undecoded = Store(), UNDECODED.labels("recordings")
    before = undecoded._value.get()
    partition = Partition(0, None, 0.0)
    partition.add([Record(0, value=b"no record"), Record(1)], 0.0)
    await landing_on(store).land(REF, partition, Closing.STOP)
    assert before + 1 == undecoded._value.get()
    assert 2 == partition.start


async def test_a_file_that_is_gone_is_a_fault_of_the_store() -> None:
    """It was written by another lander, and cannot be read."""
    store = Store()

    async def nothing_new(key: str, _: bytes) -> bool:
        return key.endswith("claim") or "claims" in key

    store.put_new = nothing_new  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="gone"):
        await landing_on(store).land(REF, partition_of(0), Closing.AGE)


async def test_a_file_that_was_claimed_for_another_day_is_not_written() -> None:
    """The first record here is not the one for which it was claimed."""
    store = Store()
    await lake_on(store).claim(REF, 0, 3)
    with pytest.raises(ClaimedForAnotherDay):
        await landing_on(store).land(REF, partition_of(0), Closing.AGE)
    assert [] == store.files()


def test_a_lake_that_is_away_is_waited_for() -> None:
    """Health has the reason until it can be used."""

    async def run() -> float:
        store, health = Store(is_away=True), Health()
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(2.5 * RETRY_S, setattr, store, "is_away", False)
        waiting = asyncio.create_task(checked(lake_on(store), health))
        await asyncio.sleep(RETRY_S)
        assert {"lake": "no answer"} == health.reasons
        await waiting
        assert {} == health.reasons
        return loop.time() - began

    assert 3 * RETRY_S == virtually(run())


async def test_a_store_that_replaces_objects_is_an_error_of_the_settings() -> None:
    """Two landers would overwrite each other's files."""
    with pytest.raises(SettingsError, match="FLEXCAPTURE_LAKE_URL"):
        await checked(lake_on(Store(replaces=True)), Health())
