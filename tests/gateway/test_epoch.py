"""Epochs of a gateway only grow, with any machine clock."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import epoch as module
from gateway.epoch import begin_epoch, in_use, next_epoch
from pipeline.runtime.log_clock import LogClock, machine_clock
from pipeline.runtime.settings import Settings
from schemas.records import GatewayStarted

EPOCHS = st.integers(0, 2**50)
LOG_TIME = 1_700_000_000_000


class FakeClock(LogClock):
    """The log's clock as the test has it."""

    def __init__(self, now: int | None) -> None:
        super().__init__()
        self.time = now
        if now is not None:
            self.is_settled.set()

    def now(self) -> int:
        """The log's time; the machine's if that is not known."""
        return machine_clock() if self.time is None else self.time


@pytest.fixture
def in_log(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The greatest epochs on `stream.events`, by gateway."""
    epochs: dict[str, int] = {}

    async def latest_epoch(_: Settings, instance: str, *__: Any) -> int | None:
        return epochs.get(instance)

    monkeypatch.setattr(module, "latest_epoch", latest_epoch)
    monkeypatch.setattr(module, "KAFKA_S", 0.01)
    return epochs


async def began(
    directory: Path | None, log_time: int | None, instance: str = "gateway-0"
) -> int | None:
    """The epoch of a gateway that begins at that log time; None: Kafka is away."""
    return await begin_epoch(Settings(), directory, instance, FakeClock(log_time), asyncio.Event())


@given(EPOCHS | st.none(), st.lists(EPOCHS | st.none(), max_size=3))
def test_an_epoch_is_the_log_time_but_greater_than_all_that_are_known(
    now: int | None, known: list[int | None]
) -> None:
    """Also if the log's time is not known, or went back."""
    epoch = next_epoch(now, *known)
    assert epoch >= (now or 0)
    assert all(epoch > each for each in known if each is not None)


@given(st.lists(st.integers(-5_000_000, 5_000_000) | st.none(), min_size=1, max_size=20))
def test_with_a_state_directory_epochs_ascend(times: list[int | None]) -> None:
    """With any course of the log's time between two processes, and if Kafka is unavailable at some
    starts."""
    reserved: int | None = None
    for each in times:
        epoch = next_epoch(None if each is None else LOG_TIME + each, reserved)
        assert reserved is None or epoch > reserved
        reserved = epoch


async def test_lives_in_the_same_directory_have_ascending_epochs(
    tmp_path: Path, in_log: dict[str, int]
) -> None:
    """A reservation is enough while Kafka is away; one that cannot be read counts as none, and then
    the log is asked."""
    directory = tmp_path / "gateway"
    assert 100 == await began(directory, 100)
    assert 101 == await began(directory, 50)
    assert 102 == await began(directory, None)
    assert 500 == await began(directory, 500)
    assert 50 == await began(directory, 50, "gateway-1")
    (directory / "gateway-0.epoch").write_text("rubbish")
    in_log["gateway-0"] = 700
    assert 701 == await began(directory, 70)
    assert 702 == await began(directory, None)


async def test_without_a_directory_an_epoch_is_above_those_in_the_log(
    in_log: dict[str, int],
) -> None:
    """The log has a higher epoch from an earlier process on a machine with a fast clock."""
    assert LOG_TIME == await began(None, LOG_TIME)
    in_log["gateway-0"] = LOG_TIME + 3_600_000
    assert LOG_TIME + 3_600_001 == await began(None, LOG_TIME)


async def test_without_a_directory_no_life_begins_while_kafka_is_away(
    in_log: dict[str, int],
) -> None:
    """Nothing ensures that its epoch is a new one; it can be stopped nevertheless."""
    stop = asyncio.Event()
    beginning = asyncio.create_task(begin_epoch(Settings(), None, "g", FakeClock(None), stop))
    await asyncio.wait([beginning], timeout=0.05)
    assert not beginning.done()
    stop.set()
    assert await beginning is None


def test_the_older_of_two_says_what_to_do() -> None:
    """It names the gateway, both epochs and the setting."""
    text = str(in_use(GatewayStarted("gateway-0", 5, 5), 9))
    assert all(part in text for part in ("gateway-0", "9", "5", "FLEXCAPTURE_INSTANCE"))
