"""Outages of Twilio, in virtual time: requests during and after them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane, CommandItem
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.marks import FetchedCall, Participant
from schemas.records import (
    CommandAnswered,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
)
from tests.examples import examples
from tests.virtual_time import virtual_ms, virtually

URL = "wss://gateway.example.com/media"
TIMEOUT_S = 5.0


def sid(prefix: str, number: int) -> str:
    """A SID by a number."""
    return f"{prefix}{number:032x}"


def number_of(sid: str) -> int:
    """The number that a SID was made of."""
    return int(sid[-32:], 16)


@dataclass
class FakeTwilio:
    """Twilio as plain functions. `ill`: its present fault; without one, each request takes 50
    ms."""

    ill: str = ""
    went: list[tuple[int, str, str]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    wrong: dict[str, TwilioError] = field(default_factory=dict)
    checked: list[int] = field(default_factory=list)
    check_fails: TwilioError | None = None

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: dict[str, str]
    ) -> str | None:
        await self._request("start", call_sid)
        self.streams.append(call_sid)
        return sid("MZ", len(self.streams))

    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None:
        await self._request("stop", call_sid)

    async def conferences(self, friendly_name: str) -> list[str]:
        await self._request("conferences", friendly_name)
        return []

    async def participants(self, conference_sid: str) -> list[Participant]:
        return []

    async def call(self, call_sid: str) -> FetchedCall:
        return FetchedCall()

    async def check_account(self) -> None:
        self.checked.append(virtual_ms())
        if self.check_fails is not None:
            await asyncio.sleep(0.05)
            raise self.check_fails
        await self._suffer()

    def since(self, at: int) -> list[tuple[str, str]]:
        """Return the requests since that time."""
        return [(kind, call) for when, kind, call in self.went if when >= at]

    async def _request(self, kind: str, call_sid: str) -> None:
        self.went.append((virtual_ms(), kind, call_sid))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._suffer()
        finally:
            self.under_way -= 1
        if call_sid in self.wrong:
            raise self.wrong[call_sid]

    async def _suffer(self) -> None:
        match self.ill:
            case "hangs":
                await asyncio.sleep(TIMEOUT_S)
                raise TwilioError(0, None, "no answer")
            case "slow":
                await asyncio.sleep(3)
            case "breaks":
                await asyncio.sleep(0.05)
                raise TwilioError(503, None, "Service Unavailable")
            case "stumbles":
                await asyncio.sleep(0.05)
                if self.dice.random() < 0.2:
                    raise TwilioError(self.dice.choice([429, 500, 503]), None, "one in five")
            case "refuses":
                await asyncio.sleep(0.05)
                raise TwilioError(401, 20003, "Authenticate")
            case _:
                await asyncio.sleep(0.05)


@dataclass
class Scene:
    """Commands of many calls, in virtual time."""

    concurrency: int = 8
    twilio: FakeTwilio = field(default_factory=FakeTwilio)
    health: Health = field(default_factory=Health)
    answers: dict[str, tuple[int, CommandAnswered]] = field(default_factory=dict)
    lanes: dict[str, CallLane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gate = RequestGate(
            self.concurrency, self.health, self.twilio.check_account, jitter=lambda: 0.5
        )
        self.commands = Commands(self.twilio, gate, URL, virtual_ms)

    async def does(self, command: StreamCommand) -> CommandAnswered:
        lane = self.lanes[command.task_sid] = CallLane()
        answer = await self.commands.carry_out(command, lane)
        self.answers[command.command_id] = virtual_ms(), answer
        return answer

    def outcomes(self) -> list[str]:
        return [answer.outcome for _, answer in self.answers.values()]

    def latest_answer(self) -> int:
        return max(at for at, _ in self.answers.values())


def _start(number: int, lasts_ms: int = 120_000) -> StartDuplicateStream:
    now = virtual_ms()
    return StartDuplicateStream(
        command_id=f"start {number}",
        task_sid=sid("WT", number),
        call_sid=sid("CA", number),
        generation=1,
        issued_at=now,
        expires_at=now + lasts_ms,
        reason="started",
        policy_version=1,
        direction="inbound",
        worker_marks=(),
        customer_marks=(),
    )


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


def _run(
    play: Callable[[Scene, asyncio.TaskGroup], Awaitable[None]], concurrency: int = 8
) -> Scene:
    """The scene after the play and all commands are over."""

    async def main() -> Scene:
        scene = Scene(concurrency)
        async with asyncio.TaskGroup() as tasks:
            await play(scene, tasks)
        return scene

    return virtually(main())


def _bad_minute(ill: str, concurrency: int = 8) -> tuple[Scene, int]:
    """100 calls begin while Twilio is ill, and a last one just after; when it was well again."""
    times: list[int] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = ill
        for number in range(100):
            tasks.create_task(scene.does(_start(number)))
        await asyncio.sleep(60)
        scene.twilio.ill = ""
        times.append(virtual_ms())
        await asyncio.sleep(0.01)
        tasks.create_task(scene.does(_start(100)))

    return _run(play, concurrency), times[0]


def test_a_minute_of_silence_delays_nobody_once_it_is_over() -> None:
    """100 commands wait while all requests hang: few go out; all streams start within 3 s of
    Twilio's recovery, never more at once than allowed, each call asked for once more at most."""
    scene, well = _bad_minute("hangs")

    assert ["done"] * 101 == scene.outcomes()
    assert scene.latest_answer() - well <= 3_000
    assert 8 >= scene.twilio.most_under_way
    assert 50 >= len(scene.twilio.went) - len(scene.twilio.since(well))
    assert 101 == len(scene.twilio.since(well))


def test_a_minute_of_errors_is_not_hammered() -> None:
    """503 for a minute: one probe every second or so, and then all at once, within bounds."""
    scene, well = _bad_minute("breaks")

    assert ["done"] * 101 == scene.outcomes()
    assert scene.latest_answer() - well <= 3_000
    assert 8 >= scene.twilio.most_under_way
    assert 60 >= len(scene.twilio.went) - len(scene.twilio.since(well))


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
            tasks.create_task(scene.does(_start(number)))
        await asyncio.sleep(3)
        scene.twilio.ill = ""
        times.append(virtual_ms())
        tasks.create_task(scene.does(_start(10)))

    scene = _run(play)

    assert ["done"] * 11 == scene.outcomes()
    assert scene.latest_answer() - times[0] <= 2_000


def test_a_slow_twilio_is_waited_for() -> None:
    """Each answer takes 3 s. That is slow, but an answer: nothing is given up or asked twice."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "slow"
        for number in range(40):
            tasks.create_task(scene.does(_start(number)))
            await asyncio.sleep(1)

    scene = _run(play)

    assert ["done"] * 40 == scene.outcomes()
    assert 40 == len(scene.twilio.went)


def test_one_failure_in_five_is_hardly_felt(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 calls in ten minutes: each is started within three seconds, nearly all at once. With the
    same dice each time: one call in thousands has no luck for longer."""
    monkeypatch.setattr("agents.twilio_adapter.attempt.random", random.Random(7))
    waits: list[int] = []

    async def call(scene: Scene, number: int) -> None:
        began = virtual_ms()
        await scene.does(_start(number))
        waits.append(virtual_ms() - began)

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "stumbles"
        for number in range(500):
            tasks.create_task(call(scene, number))
            await asyncio.sleep(1.2)

    scene = _run(play)

    assert ["done"] * 500 == scene.outcomes()
    assert 3_000 >= max(waits)
    assert 50 == sorted(waits)[390]


def test_after_a_bad_minute_stops_go_first_then_the_newest_starts() -> None:
    """Stops go first, because recording too much is worse than losing audio. The oldest calls go
    last: they have lost their beginnings already."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "breaks"
        for number in range(20):
            tasks.create_task(scene.does(_start(number)))
            await asyncio.sleep(0.1)
        for number in (50, 51):
            tasks.create_task(scene.does(_stop(number)))
        await asyncio.sleep(30)
        scene.twilio.ill = ""
        scene.twilio.went.clear()

    scene = _run(play, concurrency=3)
    (_, _, probe), *after = scene.twilio.went
    kinds = [kind for _, kind, _ in after]
    starts = [number_of(call) for _, kind, call in after if kind == "start"]

    assert sorted(kinds, reverse=True) == kinds
    assert sorted(starts, reverse=True) == starts
    assert 22 == len({probe, *(call for _, _, call in after)})


def test_refused_credentials_are_probed_and_nothing_is_failed() -> None:
    """One refusal, then one question about the account after 5, 10, 20 s; commands wait meanwhile,
    /healthz says what to do; once the credentials are good, all running calls are started at that
    probe."""
    reasons: list[dict[str, str]] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "refuses"
        tasks.create_task(scene.does(_start(0)))
        await asyncio.sleep(1)
        for number in range(1, 50):
            tasks.create_task(scene.does(_start(number)))
        await asyncio.sleep(19)
        reasons.append(scene.health.reasons)
        scene.twilio.ill = ""

    scene = _run(play)
    began = scene.twilio.went[0][0]

    assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in reasons[0]["twilio"]
    assert {} == scene.health.reasons
    assert [0, 5, 15, 35] == [(at - began) // 1_000 for at in scene.twilio.checked]
    seconds = [(at - began) // 1_000 for at, _, _ in scene.twilio.went]
    assert [0] == seconds[:1]
    assert {35} == set(seconds[1:])
    assert ["done"] * 50 == scene.outcomes()


def test_a_command_that_expires_while_credentials_are_refused_says_why() -> None:
    """It was never asked, yet its answer names Twilio's refusal."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "refuses"
        tasks.create_task(scene.does(_start(0)))
        await asyncio.sleep(1)
        tasks.create_task(scene.does(_start(1, lasts_ms=2_000)))

    scene = _run(play)
    _, answer = scene.answers["start 1"]

    assert ("expired", 20003, 0) == (answer.outcome, answer.code, answer.attempts)


def test_one_call_that_is_refused_fails_alone() -> None:
    """403 for one call only: it is asked twice and answered `failed`; others never notice."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.wrong[sid("CA", 0)] = TwilioError(403, None, "Forbidden")
        tasks.create_task(scene.does(_start(0)))
        for number in range(1, 5):
            await asyncio.sleep(0.2)
            began = virtual_ms()
            assert "done" == (await scene.does(_start(number))).outcome
            assert 50 == virtual_ms() - began

    scene = _run(play)

    assert "failed" == scene.answers["start 0"][1].outcome
    assert 403 == scene.answers["start 0"][1].code
    assert 2 == sum(call == sid("CA", 0) for _, _, call in scene.twilio.went)
    assert {} == scene.health.reasons


@pytest.mark.parametrize("status", [401, 403])
def test_many_refused_calls_do_not_delay_honest_ones(status: int) -> None:
    """Tasks that name calls of others are refused again and again, 12 at once, with nothing honest
    between them: the account's own question is answered, so each honest start goes out at once."""

    async def hostile(scene: Scene, number: int) -> None:
        scene.twilio.wrong[sid("CA", number)] = TwilioError(status, 20003, "not yours")
        for again in range(20):
            command = replace(_start(number), command_id=f"hostile {number} {again}")
            assert "failed" == (await scene.does(command)).outcome

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        for number in range(100, 112):
            tasks.create_task(hostile(scene, number))
        for number in range(6):
            await asyncio.sleep(0.7)
            began = virtual_ms()
            assert "done" == (await scene.does(_start(number))).outcome
            assert virtual_ms() - began <= 300

    scene = _run(play)
    gaps = [b - a for a, b in zip(scene.twilio.checked, scene.twilio.checked[1:], strict=False)]

    assert {} == scene.health.reasons
    assert min(gaps) >= 1_000


def test_refusals_of_several_calls_count_while_the_account_is_not_known() -> None:
    """The neutral question fails: two refused calls close nothing, a third one does, and one call
    alone never does, however often it is refused."""
    reasons: list[dict[str, str]] = []

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.check_fails = TwilioError(503, None, "Service Unavailable")
        for number in range(3):
            scene.twilio.wrong[sid("CA", number)] = TwilioError(401, 20003, "Authenticate")
        for number in (0, 0, 0, 1, 2):
            command = replace(_start(number), command_id=f"start {len(reasons)}")
            tasks.create_task(scene.does(command))
            await asyncio.sleep(3)
            reasons.append(scene.health.reasons)
        scene.twilio.check_fails = None
        scene.twilio.wrong.clear()

    scene = _run(play)

    assert [False, False, False, False, True] == ["twilio" in shown for shown in reasons]
    assert {} == scene.health.reasons
    assert ["failed"] * 4 + ["done"] == scene.outcomes()


def test_a_call_with_errors_of_its_own_delays_no_other() -> None:
    """404, 21220 and 500 for single calls, for a minute: all others start at once."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        errors = [(404, 20404), (400, 21220), (500, None), (503, None)]
        for number, (status, code) in enumerate(errors):
            scene.twilio.wrong[sid("CA", number)] = TwilioError(status, code, "as it is")
            tasks.create_task(scene.does(_start(number, lasts_ms=60_000)))
        for number in range(10, 60):
            await asyncio.sleep(1)
            began = virtual_ms()
            assert "done" == (await scene.does(_start(number))).outcome
            assert 50 == virtual_ms() - began

    scene = _run(play)

    assert ["expired"] * 4 == [scene.answers[f"start {n}"][1].outcome for n in range(4)]


def test_a_start_that_waits_for_its_turn_gives_way_to_its_stop() -> None:
    """Twilio hangs; the call ends: the start is over at once, and nothing was asked for it."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "hangs"
        for number in range(10):
            tasks.create_task(scene.does(_start(number)))
        await asyncio.sleep(3)
        waiting = tasks.create_task(scene.does(_start(77)))
        await asyncio.sleep(0)
        scene.lanes[sid("WT", 77)].put(CommandItem(_stop(77), 0, 1))
        assert "superseded" == (await waiting).outcome
        scene.twilio.ill = ""

    scene = _run(play)

    assert sid("CA", 77) not in [call for _, _, call in scene.twilio.went]


def test_a_hanging_start_does_not_hold_up_its_stop() -> None:
    """The request is given up within a second of the stop's arrival."""

    async def play(scene: Scene, tasks: asyncio.TaskGroup) -> None:
        scene.twilio.ill = "hangs"
        hanging = tasks.create_task(scene.does(_start(1)))
        await asyncio.sleep(1.5)
        came = virtual_ms()
        scene.lanes[sid("WT", 1)].put(CommandItem(_stop(1), 0, 1))
        assert "superseded" == (await hanging).outcome
        assert virtual_ms() - came <= 1_000

    _run(play)


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
            tasks.create_task(scene.does(_start(number, lasts_ms=300_000)))
        for mood, lasts_ms in moods:
            scene.twilio.ill = mood
            await asyncio.sleep(lasts_ms / 1000)
        scene.twilio.ill = ""

    scene = _run(play, concurrency)

    assert concurrency >= scene.twilio.most_under_way
    assert ["done"] * calls == scene.outcomes()
    assert set(range(calls)) == {number_of(call) for call in scene.twilio.streams}
    assert {} == scene.health.reasons
