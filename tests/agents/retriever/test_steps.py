"""Work that hangs is seen, also beside work that moves."""

import asyncio
from pathlib import Path
from typing import Any

from agents.retriever.steps import WorkSteps
from agents.stuck_work import Limits, Movement, end_if_stuck
from pipeline.runtime.telemetry import Health
from tests.agents.retriever.scene import missed, scene


def test_the_step_without_progress_for_longest_is_shown() -> None:
    """One that hangs, although another begins, moves and ends all the time."""
    now = 0.0
    steps, movement = WorkSteps(lambda: now), Movement()
    assert ("", None) == steps.slowest()
    with steps.step("hangs"):
        for now in map(float, range(1, 30)):
            with steps.step("moves") as moved:
                moved()
                what, value = steps.slowest()
                stuck_for = movement.see(now, waits=bool(what), moved=value)
        assert ("hangs", 28.0) == (what, stuck_for)
    assert "" == steps.slowest()[0]


def test_a_step_that_moves_is_not_stuck() -> None:
    """However long it takes."""
    now = 0.0
    steps, movement = WorkSteps(lambda: now), Movement()
    with steps.step("copying") as moved:
        for now in map(float, range(1, 30)):
            moved()
            what, value = steps.slowest()
            assert movement.see(now, waits=bool(what), moved=value) == 0.0


def test_a_thread_that_outlives_its_step_changes_nothing() -> None:
    """An attempt may be given up while a thread of it still works."""
    steps = WorkSteps()
    with steps.step("comparing") as moved:
        pass
    moved()
    assert ("", None) == steps.slowest()


async def test_a_store_that_hangs_turns_the_health_bad(tmp_path: Path) -> None:
    """It raises nothing, and the retriever's loop goes round."""
    async with scene(tmp_path) as at:

        async def hangs(*_: object) -> Any:
            await asyncio.Event().wait()

        at.store.put_chunks = hangs  # type: ignore[method-assign]
        health, order = Health(), await at.order(missed())
        work = asyncio.create_task(at.retrieval.carry_out(order))
        limits = Limits(bad=0.2, end=1e9, look_every=0.05)
        looking = asyncio.create_task(end_if_stuck(at.retrieval.steps.slowest, health, limits))
        for _ in range(1_200):
            if "writing the recordings store" in health.reasons.get("stuck", ""):
                break
            await asyncio.sleep(0.05)
        assert "writing the recordings store" in health.reasons["stuck"]
        for task in (work, looking):
            task.cancel()
        await asyncio.gather(work, looking, return_exceptions=True)
