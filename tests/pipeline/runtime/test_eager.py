"""Coroutines that run at once, and become tasks only if they have to wait."""

import asyncio

import pytest

from pipeline.runtime.eager import Unfinished, begin, first_of
from tests.virtual_time import virtually


class Work:
    """A coroutine that waits for `gates`, in order. `done`: how many of them have opened."""

    def __init__(self, *gates: "asyncio.Future[str]") -> None:
        self.done = 0
        self.cleaned_up = False
        self._gates = gates

    async def run(self) -> str:
        passed = ""
        try:
            for gate in self._gates:
                passed += await gate
                self.done += 1
        finally:
            self.cleaned_up = True
        return passed


def test_work_that_does_not_wait_needs_no_event_loop() -> None:
    """Its result is there at once, and so is its error."""

    async def fail() -> None:
        raise KeyError("x")

    assert "" == begin(Work().run())
    with pytest.raises(KeyError):
        begin(fail())


async def test_work_that_waits_is_finished_later() -> None:
    """It runs up to its first wait at once, and the rest in a task, through any number of waits."""
    gates = [asyncio.get_running_loop().create_future() for _ in range(3)]
    gates[0].set_result("a")
    work = Work(*gates)
    rest = begin(work.run())
    assert isinstance(rest, Unfinished)
    assert 1 == work.done
    finishing = asyncio.create_task(rest.finish())
    await asyncio.sleep(0)
    gates[1].set_result("b")
    gates[2].set_result("c")
    assert "abc" == await finishing


async def test_the_error_of_the_rest_is_raised() -> None:
    """It reaches the coroutine at its wait, then the caller."""
    gate = asyncio.get_running_loop().create_future()
    work = Work(gate)
    rest = begin(work.run())
    assert isinstance(rest, Unfinished)
    gate.set_exception(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await rest.finish()
    assert work.cleaned_up


async def test_cancellation_reaches_the_coroutine() -> None:
    """It can clean up, as in a task of its own."""
    work = Work(asyncio.get_running_loop().create_future())
    rest = begin(work.run())
    assert isinstance(rest, Unfinished)
    finishing = asyncio.create_task(rest.finish())
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert work.cleaned_up


async def test_cancellation_reaches_a_coroutine_that_only_yields() -> None:
    """It waits for no future that could be cancelled in its place."""
    rest = begin(_yield_often())
    assert isinstance(rest, Unfinished)
    finishing = asyncio.create_task(rest.finish())
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing


async def _yield_often() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


def test_the_first_of_several_events_ends_the_wait() -> None:
    """Whichever it is. No task stays behind, also if the wait is cancelled."""

    async def run() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(5, second.set)
        began = loop.time()
        await first_of(first, second)
        assert 5 == loop.time() - began
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first_of(first), 2)
        await asyncio.sleep(0)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    virtually(run())
