"""Outages of Twilio, in virtual time: requests during and after them."""

import asyncio
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.twilio_adapter.lanes import CommandItem
from schemas.records import (
    StopDuplicateStream,
)
from tests.agents.twilio_adapter.bad_minutes import (
    Scene,
    run,
    sid,
    start,
)
from tests.examples import examples
from tests.virtual_time import virtual_ms


def number_of(sid: str) -> int:
    """The number that a SID was made of."""
    return int(sid[-32:], 16)


def _stop(number: int) -> StopDuplicateStream:
    now = virtual_ms()
    return StopDuplicateStream(
        command_id=f"stop {number}",
        task_sid=sid("WT", number),
        call_sid=sid("CA", number),
        generation=1,
        stream_sid=sid("MZ", number),
        name=None,
        issued_at=now,
        expires_at=now + 120_000,
        reason="stopped",
    )


def _bad_minute(ill: str, concurrency: int = 8) -> tuple[Scene, int]:
    """100 calls begin while Twilio is ill, and a last one just after; when it was well again."""
    times: list[int] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = ill
        for number in range(100):
            tasks.create_task(scene.does(start(number)))
        await asyncio.sleep(60)
        scene.twilio.ill = ""
        times.append(virtual_ms())
        await asyncio.sleep(0.01)
        tasks.create_task(scene.does(start(100)))

    return run(play, concurrency), times[0]


def test_a_minute_of_silence_delays_no_request_once_it_is_over() -> None:
    """100 commands wait while all requests hang: few go out; all streams start within 3 s of
    Twilio's recovery, never more at once than allowed, each call asked for once more at most."""
    scene, well = _bad_minute("hangs")

    assert ["done"] * 101 == scene.outcomes()
    assert scene.latest_answer() - well <= 3_000
    assert 8 >= scene.twilio.most_under_way
    assert 50 >= len(scene.twilio.requests) - len(scene.twilio.since(well))
    assert 101 == len(scene.twilio.since(well))


def test_a_minute_of_errors_is_not_hammered() -> None:
    """503 for a minute: one probe every second or so, and then all at once, within bounds."""
    scene, well = _bad_minute("breaks")

    assert ["done"] * 101 == scene.outcomes()
    assert scene.latest_answer() - well <= 3_000
    assert 8 >= scene.twilio.most_under_way
    assert 60 >= len(scene.twilio.requests) - len(scene.twilio.since(well))


def test_one_request_at_once_is_enough() -> None:
    """The least concurrency that may be configured: slower, but nothing is stuck."""
    scene, well = _bad_minute("hangs", concurrency=1)

    assert ["done"] * 101 == scene.outcomes()
    assert 1 == scene.twilio.most_under_way
    assert scene.latest_answer() - well <= 5_000 + 101 * 50 + 2_000


def test_a_short_silence_is_seen_before_requests_time_out() -> None:
    """All places hang; 3 s later Twilio is well. A call that comes then does not wait for the five
    seconds of the others, and what hung is asked again."""
    times: list[int] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "hangs"
        for number in range(10):
            tasks.create_task(scene.does(start(number)))
        await asyncio.sleep(3)
        scene.twilio.ill = ""
        times.append(virtual_ms())
        tasks.create_task(scene.does(start(10)))

    scene = run(play)

    assert ["done"] * 11 == scene.outcomes()
    assert scene.latest_answer() - times[0] <= 2_000


def test_a_slow_twilio_is_waited_for() -> None:
    """Each answer takes 3 s. It is slow, but nothing is abandoned or requested twice."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "slow"
        for number in range(40):
            tasks.create_task(scene.does(start(number)))
            await asyncio.sleep(1)

    scene = run(play)

    assert ["done"] * 40 == scene.outcomes()
    assert 40 == len(scene.twilio.requests)


def test_one_failure_in_five_is_hardly_felt(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 calls in ten minutes: each is started within three seconds, nearly all at once. With the
    same dice each time: one call in thousands has no luck for longer."""
    monkeypatch.setattr("agents.twilio_adapter.attempt.random", random.Random(7))
    waits: list[int] = []

    async def call(scene: Scene, number: int) -> None:
        began = virtual_ms()
        await scene.does(start(number))
        waits.append(virtual_ms() - began)

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "stumbles"
        for number in range(500):
            tasks.create_task(call(scene, number))
            await asyncio.sleep(1.2)

    scene = run(play)

    assert ["done"] * 500 == scene.outcomes()
    assert 3_000 >= max(waits)
    assert 50 == sorted(waits)[390]


def test_after_a_bad_minute_stops_go_first_then_the_newest_starts() -> None:
    """Stops go first, because recording too much is worse than losing audio. The oldest calls go
    last: they have lost their beginnings already."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "breaks"
        for number in range(20):
            tasks.create_task(scene.does(start(number)))
            await asyncio.sleep(0.1)
        for number in (50, 51):
            tasks.create_task(scene.does(_stop(number)))
        await asyncio.sleep(30)
        scene.twilio.ill = ""
        scene.twilio.requests.clear()

    scene = run(play, concurrency=3)
    (_, _, probe), *after = scene.twilio.requests
    kinds = [kind for _, kind, _ in after]
    starts = [number_of(call) for _, kind, call in after if kind == "start"]

    assert sorted(kinds, reverse=True) == kinds
    assert sorted(starts, reverse=True) == starts
    assert 22 == len({probe, *(call for _, _, call in after)})


def test_a_start_that_waits_for_its_turn_gives_way_to_its_stop() -> None:
    """Twilio hangs, and the call ends: the start is over at once, without a request."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "hangs"
        for number in range(10):
            tasks.create_task(scene.does(start(number)))
        await asyncio.sleep(3)
        waiting = tasks.create_task(scene.does(start(77)))
        await asyncio.sleep(0)
        scene.lanes[sid("WT", 77)].put(CommandItem(_stop(77), 0, 1))
        assert "superseded" == (await waiting).outcome
        scene.twilio.ill = ""

    scene = run(play)

    assert sid("CA", 77) not in [call for _, _, call in scene.twilio.requests]


def test_a_hanging_start_does_not_hold_up_its_stop() -> None:
    """The request is given up within a second of the stop's arrival."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "hangs"
        hanging = tasks.create_task(scene.does(start(1)))
        await asyncio.sleep(1.5)
        arrived_at = virtual_ms()
        scene.lanes[sid("WT", 1)].put(CommandItem(_stop(1), 0, 1))
        assert "superseded" == (await hanging).outcome
        assert virtual_ms() - arrived_at <= 1_000

    run(play)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "hangs", "breaks", "refuses", "slow"]), st.integers(100, 9_000)
        ),
        max_size=6,
    ),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_whatever_twilio_does_all_is_bounded_and_ends_well(
    moods: list[tuple[str, int]], calls: int, concurrency: int
) -> None:
    """Never more requests at once than allowed; and in the end, when it is well, every command is
    done and no command waits. (Twice refused, each time just before the account is served again,
    is taken for a call's own trouble.)"""
    assume(1 >= [mood for mood, _ in moods].count("refuses"))

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        for number in range(calls):
            tasks.create_task(scene.does(start(number, lasts_ms=300_000)))
        for mood, lasts_ms in moods:
            scene.twilio.ill = mood
            await asyncio.sleep(lasts_ms / 1000)
        scene.twilio.ill = ""

    scene = run(play, concurrency)

    assert concurrency >= scene.twilio.most_under_way
    assert ["done"] * calls == scene.outcomes()
    assert set(range(calls)) == {number_of(call) for call in scene.twilio.streams}
    assert {} == scene.health.reasons
