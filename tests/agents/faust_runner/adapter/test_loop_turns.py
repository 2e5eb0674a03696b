"""How often the other tasks of a role run while it works off a backlog."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.faust_runner.adapter.loop_turns import TURN_SECONDS, SeldomSleep
from tests.agents.faust_runner.adapter.consumers import app_in

EVENTS = 200


class Clock:
    """A clock that advances by `step` (s) each time it is read."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def _turns_during(work: Any) -> int:
    """Return how many turns of the loop another task got while `work` ran."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await work
    counting.cancel()
    return turns


@pytest.mark.parametrize(
    ("step", "least", "most"),
    [(0.0, 0, 0), (TURN_SECONDS / 10, 5, 15), (2 * TURN_SECONDS, 100, 102)],
)
async def test_it_gives_way_once_in_a_time(step: float, least: int, most: int) -> None:
    """Any number of requests has the same effect."""
    sleep = SeldomSleep(Clock(step))

    async def often() -> None:
        for _ in range(100):
            await sleep(0)

    assert least <= await _turns_during(often()) <= most


async def test_it_sleeps_for_the_given_time() -> None:
    """A caller that waits for a time waits."""
    assert 1 <= await _turns_during(SeldomSleep(Clock(0.0))(0.001))


async def test_a_backlog_is_handled_in_few_turns(tmp_path: Path) -> None:
    """Faust's compiled stream uses it, under the name that is replaced."""
    app = app_in(tmp_path)
    app.flow_control.resume()
    stream = app.channel().stream()
    for number in range(EVENTS):
        await stream.channel.queue.put(number)
    handled: list[int] = []
    all_handled = asyncio.Event()

    async def handle() -> None:
        async for number in stream:
            handled.append(number)
            if len(handled) == EVENTS:
                all_handled.set()

    handling = asyncio.create_task(handle())
    turns = await _turns_during(all_handled.wait())
    handling.cancel()
    assert list(range(EVENTS)) == handled
    assert turns < EVENTS / 2
