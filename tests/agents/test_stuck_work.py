"""When work counts as stuck, and the reasons that health then has."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.stuck_work import Movement, StuckWork, end_if_stuck
from pipeline.runtime.telemetry import Health
from tests.virtual_time import virtually


@given(st.lists(st.tuples(st.floats(0.1, 60), st.booleans(), st.booleans()), max_size=30))
def test_only_work_that_waits_and_does_not_move_is_stuck(
    sights: list[tuple[float, bool, bool]],
) -> None:
    """It is stuck for exactly the time since it last moved, or began to wait."""
    movement, at, count, since = Movement(), 0.0, 0, 0.0
    movement.see(0.0, waits=False, moved=0)
    for elapsed, waits, moves in sights:
        at += elapsed
        count += moves
        if moves or not waits:
            since = at
        assert movement.see(at, waits=waits, moved=count) == pytest.approx(at - since)


def test_health_is_bad_in_time_and_good_again() -> None:
    """Within 30 s after the last movement; and the process ends long after that."""

    async def scene() -> None:
        loop, health = asyncio.get_running_loop(), Health()
        moved, ends = [0], []
        watching = asyncio.create_task(
            end_if_stuck(lambda: ("work", moved[0]), health, end=lambda: ends.append(loop.time()))
        )
        begun = loop.time()
        await asyncio.sleep(18)
        assert not health.reasons
        await asyncio.sleep(10)
        assert "work" in health.reasons["stuck"]
        moved[0] = 1
        await asyncio.sleep(3)
        assert not health.reasons
        with pytest.raises(StuckWork):
            await watching
        assert 150 < ends[0] - begun < 200

    virtually(scene())
