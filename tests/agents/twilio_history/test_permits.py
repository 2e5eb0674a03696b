"""Requests go out only with a permit, and more slowly after a 429."""

import asyncio

import pytest

from agents.twilio_history.permits import RequestPermits
from pipeline.runtime.twilio_http import TwilioError


class Work:
    """Requests that wait for a permit and end on request."""

    def __init__(self, permits: RequestPermits) -> None:
        self.permits = permits
        self.in_flight = 0
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def request(self) -> None:
        async with self.permits.permit():
            self.in_flight += 1
            self.begun.set()
            try:
                await self.ended.wait()
            finally:
                self.in_flight -= 1


async def passing(moments: int = 20) -> None:
    for _ in range(moments):
        await asyncio.sleep(0)


async def test_as_many_requests_are_in_flight_as_there_are_permits() -> None:
    """The others wait, also if more permits come later."""
    permits = RequestPermits()
    work = Work(permits)
    tasks = [asyncio.create_task(work.request()) for _ in range(5)]
    await passing()
    assert 0 == work.in_flight
    permits.grant(2)
    await passing()
    assert 2 == work.in_flight
    permits.grant(3)
    await passing()
    assert 3 == work.in_flight
    work.ended.set()
    await asyncio.gather(*tasks)
    assert not permits.wanted.is_set()


async def test_permits_that_may_be_another_process_s_are_not_used() -> None:
    """A process that was paused for too long does not know yet that it lost them."""
    held = False
    permits = RequestPermits(lambda: held)
    permits.grant(4)
    work = Work(permits)
    task = asyncio.create_task(work.request())
    await passing()
    assert 0 == work.in_flight
    held = True
    permits.look_again()
    await passing()
    assert 1 == work.in_flight
    work.ended.set()
    await task


async def test_permits_are_given_back_only_when_no_request_is_in_flight() -> None:
    """A request that takes too long fails, so that its caller repeats it."""
    permits = RequestPermits()
    permits.grant(1)
    work = Work(permits)
    task = asyncio.create_task(work.request())
    await passing()
    await permits.withdraw(0.05)
    assert 0 == work.in_flight
    with pytest.raises(TwilioError, match="taken back"):
        await task


async def test_after_a_429_one_request_at_a_time_is_sent() -> None:
    """The pause ends with the next answers."""
    permits = RequestPermits(jitter=lambda: 0.0)
    permits.grant(4)
    permits.throttled(0.0)
    work = Work(permits)
    tasks = [asyncio.create_task(work.request()) for _ in range(4)]
    await passing()
    assert 0 == work.in_flight  # the pause lasts
    await work.begun.wait()
    await passing()
    assert 1 == work.in_flight
    permits.answered()
    await passing()
    assert 4 == work.in_flight
    work.ended.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_request_gives_its_permit_back() -> None:
    """Whether it waits or is in flight."""
    permits = RequestPermits()
    permits.grant(1)
    work = Work(permits)
    tasks = [asyncio.create_task(work.request()) for _ in range(3)]
    await passing()
    for task in tasks[:2]:
        task.cancel()
    await passing()
    assert 1 == work.in_flight
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not permits.wanted.is_set()
