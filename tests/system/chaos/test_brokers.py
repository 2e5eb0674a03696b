"""The faults of a chaos run's brokers."""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.system.chaos import brokers
from tests.system.chaos.brokers import break_in_turn


async def test_a_fault_that_has_begun_ends_with_its_brokers_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if the last call ends meanwhile: contacts cannot settle without their brokers."""
    seen: list[str] = []
    away = asyncio.Event()

    async def lose_most(*_: Any) -> None:
        seen.append("away")
        away.set()
        await asyncio.sleep(0.05)
        seen.append("back")

    monkeypatch.setattr(brokers, "FAULTS", {"lose-most": lose_most})
    stage: Any = SimpleNamespace(count=3)
    breaking = asyncio.create_task(break_in_turn(stage, ["lose-most"], 0.0, Random(1), seen.append))
    await away.wait()
    breaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await breaking
    assert ["away", "back"] == seen
