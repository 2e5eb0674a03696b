"""When the watchdog ends a process of a Faust role."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.faust_runner.adapter import watchdog
from agents.faust_runner.adapter.watchdog import Sight, Watchdog, WatchdogLimits

FIRST = Sight(at=0.0, rebalancing=False, busy=False, lag=0, handled=0, committed=0)


def verdicts(*sights: Sight) -> list[str | None]:
    dog = Watchdog(FIRST, WatchdogLimits(rebalancing=120, silent=30, uncommitted=60))
    return [dog.see(sight) for sight in sights]


def test_the_watchdog_is_quiet_while_there_is_nothing_to_do() -> None:
    """A night without records is no fault."""
    assert [None] == verdicts(replace(FIRST, at=100_000.0))


def test_the_watchdog_ends_a_process_that_handles_nothing_of_what_waits() -> None:
    """Silent partitions (faust issue 175)."""
    waiting = replace(FIRST, lag=3)
    reasons = verdicts(*(replace(waiting, at=at) for at in (1.0, 29.0, 31.0)))
    assert [None, None, "3 records wait and none was handled for 30 s"] == reasons


def test_the_watchdog_waits_for_a_record_in_work() -> None:
    """Effects have their own patience."""
    assert [None] == verdicts(replace(FIRST, lag=3, busy=True, at=500.0))


def test_the_watchdog_ends_a_process_that_commits_nothing_of_what_it_handles() -> None:
    """Handled for a minute, not a single commit."""
    sights = [replace(FIRST, at=float(t), lag=1, handled=t) for t in range(1, 63)]
    assert verdicts(*sights)[-1] is not None
    assert [None] * 59 == verdicts(*sights)[:59]


def test_the_watchdog_forgives_a_broker_that_does_not_answer() -> None:
    """An outage of minutes, in any state of the process, is no fault of the process; its time does
    not count once the broker is back."""
    away = replace(FIRST, lag=None, handled=3, rebalancing=True)
    back = replace(away, lag=5)
    sights = [replace(away, at=float(t)) for t in range(2, 280, 2)]
    sights += [replace(back, at=float(t)) for t in range(280, 398, 2)]
    assert {None} == set(verdicts(*sights))
    working = replace(away, rebalancing=False)
    sights = [replace(working, at=float(t), handled=t) for t in range(2, 280, 2)]
    sights += [replace(working, at=float(t), handled=t, lag=5) for t in range(280, 336, 2)]
    assert {None} == set(verdicts(*sights))


def test_the_watchdog_does_not_wait_for_an_answer_for_ever() -> None:
    """The process itself may be unable to receive answers."""
    reasons = verdicts(*(replace(FIRST, at=float(t), lag=None) for t in (2, 300, 302)))
    assert [None, None, "the broker has not answered for 300 s"] == reasons


def test_the_watchdog_ends_a_rebalance_without_end() -> None:
    """A zombie (faust issue 523)."""
    reasons = verdicts(*(replace(FIRST, at=float(t), rebalancing=True) for t in (1, 119, 121)))
    assert [None, None, "rebalancing or recovering for 120 s"] == reasons


@pytest.mark.parametrize(("is_away", "ended"), [(True, False), (False, True)])
async def test_a_rebalance_may_last_as_long_as_kafka_is_away(
    is_away: bool, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot end before. A new process could do no more."""
    looks = 0

    async def soon(*_: Any) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            raise StopAsyncIteration

    class Limited(Watchdog):
        def __init__(self, first: Sight) -> None:
            super().__init__(first, WatchdogLimits(rebalancing=0.0))

    monkeypatch.setattr(watchdog, "_until", soon)
    monkeypatch.setattr(watchdog, "Watchdog", Limited)
    consumer = SimpleNamespace(started=False, commits=0)
    app = SimpleNamespace(rebalancing=True, in_recovery=False, crashed=False, consumer=consumer)
    handler = SimpleNamespace(busy_since=None)
    progress = watchdog.Progress(app, ("cti.events", "ticks"))
    with pytest.raises(watchdog.Stuck if ended else StopAsyncIteration):
        await watchdog.watch(app, progress, handler, lambda: is_away)


async def test_a_record_that_is_not_handled_yet_is_unread() -> None:
    """Although it was fetched. Once all that was fetched is handled, the position counts, which is
    behind the marks of transactions; after a rebalance the committed offset, if it is greater."""
    positions: dict[Any, tuple[int | None, int | None]] = {}
    tp = TopicPartition("cti.events", 3)
    consumer = SimpleNamespace(
        started=True,
        assignment=lambda: {tp, TopicPartition("other", 3)},
        position_and_end=lambda each: positions[each],
        fetched={},
        _committed_offset={},
    )
    app = SimpleNamespace(rebalancing=False, in_recovery=False, consumer=consumer)
    progress = watchdog.Progress(app, ("cti.events", "ticks"))
    progress._ends = {tp: 20, TopicPartition("gone", 1): 5}

    async def place() -> int | None:
        places, ends = await progress.places()
        assert {tp: 20} == ends or not places
        return places.get(tp)

    positions[tp] = None, None
    assert await place() is None
    positions[tp] = 10, 20
    assert 10 == await place()
    consumer._committed_offset[tp] = 10
    positions[tp] = 16, 20
    consumer.fetched["cti.events", 3] = 15
    assert 10 == await place()
    progress.handled("cti.events", 3, 12, 1)
    assert 13 == await place()
    progress.handled("cti.events", 3, 15, 1)
    positions[tp] = 17, 20
    assert 17 == await place()
    consumer._committed_offset[tp], consumer.fetched["cti.events", 3] = 18, 19
    assert 18 == await place()
    app.rebalancing = True
    assert ({}, {}) == await progress.places()
