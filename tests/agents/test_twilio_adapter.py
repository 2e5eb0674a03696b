"""Commands carried out against a double of Twilio; lanes; what may be committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agents.twilio_client import TwilioApi
from agents.twilio_commands import Commands
from agents.twilio_effort import Command, wall_clock
from agents.twilio_lanes import CallLane, Item, Lanes
from pipeline.streams.names import stream_name
from pipeline.telemetry import Health
from schemas.records import CommandAnswered, StartDuplicateStream, StopDuplicateStream
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double

TASK = "WT" + "a" * 32
LEG = "CA" + "b" * 32
WORKER = "CA" + "c" * 32
URL = "wss://gateway.example.com/media"


def _start(**changes: object) -> StartDuplicateStream:
    now = wall_clock()
    command = StartDuplicateStream(
        command_id=f"start:{TASK}:1:1",
        task_sid=TASK,
        call_sid=LEG,
        generation=1,
        issued_at=now,
        expires_at=now + 30_000,
        reason="started: monitored agent ann@example.com is active",
        policy_version=1,
        direction="inbound",
        worker_marks=("ann@example.com", "client:ann@example.com"),
        customer_marks=("customer", "+15550100"),
    )
    return replace(command, **changes)  # type: ignore[arg-type]


def _stop(**changes: object) -> StopDuplicateStream:
    now = wall_clock()
    command = StopDuplicateStream(
        command_id=f"stop:{TASK}:1:1",
        task_sid=TASK,
        call_sid=LEG,
        generation=1,
        stream_sid=None,
        name=stream_name(TASK, LEG, 1),
        issued_at=now,
        expires_at=now + 15_000,
        reason="stopped: last monitored agent left",
    )
    return replace(command, **changes)  # type: ignore[arg-type]


class Scene:
    """Commands, Twilio and one call's lane."""

    def __init__(self, twilio: TwilioDouble, commands: Commands, health: Health) -> None:
        self.twilio = twilio
        self.commands = commands
        self.health = health
        self.lane = CallLane()

    async def does(self, command: Command) -> CommandAnswered:
        return await self.commands.carry_out(command, self.lane)

    def put(self, command: Command) -> None:
        """A further command of the call arrives."""
        self.lane.put(Item(command, 0, 1))


@asynccontextmanager
async def _scene(token: str = TOKEN) -> AsyncIterator[Scene]:
    health = Health()
    async with (
        twilio_double() as twilio,
        TwilioApi(ACCOUNT, token, twilio.url, 8) as api,
        asyncio.timeout(20),
    ):
        twilio.calls[LEG] = "in-progress"
        yield Scene(twilio, Commands(api, URL, health), health)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with _scene() as made:
        yield made


async def test_a_start_asks_for_both_tracks_of_that_leg_and_names_the_call(scene: Scene) -> None:
    """The one request says what the contract says, and the answer carries Twilio's SID."""
    answer = await scene.does(_start())

    name = stream_name(TASK, LEG, 1)
    expected = {
        "Track": "both_tracks",
        "Name": name,
        "Url": URL,
        "Parameter1.Name": "taskSid",
        "Parameter1.Value": TASK,
        "Parameter2.Name": "callSid",
        "Parameter2.Value": LEG,
        "Parameter3.Name": "generation",
        "Parameter3.Value": "1",
        "Parameter4.Name": "name",
        "Parameter4.Value": name,
    }
    assert [("start", LEG, expected)] == scene.twilio.requests
    assert ("done", LEG, name) == (answer.outcome, answer.call_sid, answer.name)
    assert answer.stream_sid in scene.twilio.streams


async def test_throttled_and_broken_requests_are_repeated(scene: Scene) -> None:
    """429 and 503 first: the third request starts the media stream, under the same name."""
    scene.twilio.failures.extend([(429, 20429), (503, None)])
    answer = await scene.does(_start())

    assert ("done", 3) == (answer.outcome, answer.attempts)
    assert 1 == len({form["Name"] for _, form in scene.twilio.asked("start")})


async def test_a_ringing_leg_is_asked_again_until_it_is_connected(scene: Scene) -> None:
    """21220 while it rings; once it's answered, the media stream starts."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(_start(direction="outbound")))
        await scene.twilio.until_asked("start", 2)
        scene.twilio.calls[LEG] = "in-progress"

    assert "done" == doing.result().outcome


async def test_an_unknown_leg_is_looked_up_by_the_task(scene: Scene) -> None:
    """The participant that is no worker's and is connected is streamed; all pages are read."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com", "status": "connected"},
        {"call_sid": "CA" + "d" * 32, "label": "", "status": "connected", "coaching": True},
        {"call_sid": LEG, "label": "", "status": "connected"},
    ]
    answer = await scene.does(_start(call_sid=None))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    expected = {"FriendlyName": TASK, "Status": "in-progress"}
    assert [(TASK, expected)] == scene.twilio.asked("conferences")


@pytest.mark.parametrize("ends_are_told", [True, False])
async def test_legs_that_nothing_marks_are_told_by_their_ends(
    scene: Scene, ends_are_told: bool
) -> None:
    """An agent's leg goes to a Flex client. Where even that is not told, who joined last is the
    customer."""
    scene.twilio.calls[WORKER] = "in-progress"
    legs = (LEG, WORKER) if ends_are_told else (WORKER, LEG)
    scene.twilio.conferences[TASK] = [
        {"call_sid": leg, "label": None, "status": "connected"} for leg in legs
    ]
    if ends_are_told:
        scene.twilio.ends = {
            WORKER: ("+15550199", "client:ann_40example_2Ecom"),
            LEG: ("+15550199", "+15550177"),
        }
    answer = await scene.does(_start(call_sid=None, direction="outbound"))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]


async def test_a_leg_that_is_not_there_yet_is_asked_for_again(scene: Scene) -> None:
    """First no conference, then only the agent in it, then the customer joins."""
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(_start(call_sid=None)))
        await scene.twilio.until_asked("conferences", 2)
        agent = {"call_sid": WORKER, "label": "ann@example.com", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent]
        await scene.twilio.until_asked("participants", 1)
        customer = {"call_sid": LEG, "label": "+15550100", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent, customer]

    assert ("done", LEG) == (doing.result().outcome, doing.result().call_sid)


async def test_a_leg_that_twilio_does_not_know_is_looked_up_again(scene: Scene) -> None:
    """404 on the start: the conference tells which leg is the customer's now."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com"},
        {"call_sid": LEG, "label": "customer"},
    ]
    answer = await scene.does(_start(call_sid="CA" + "e" * 32))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)


async def test_a_stop_that_comes_meanwhile_supersedes_a_waiting_start(scene: Scene) -> None:
    """The start of a leg that rings ends as soon as its stop is there; the stop asks nothing that
    could do harm."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(_start()))
        await scene.twilio.until_asked("start")
        scene.put(_stop())

    assert "superseded" == doing.result().outcome
    assert "done" == (await scene.does(_stop())).outcome


async def test_a_newer_attempt_supersedes_a_waiting_start(scene: Scene) -> None:
    """Once the call SID is known, the start that searches for it gives way."""
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(_start(call_sid=None)))
        await scene.twilio.until_asked("conferences")
        scene.put(_start(command_id=f"start:{TASK}:1:2"))

    assert "superseded" == doing.result().outcome


async def test_an_expired_start_asks_nothing(scene: Scene) -> None:
    """A command that is too old is answered so, and Twilio never hears of it."""
    answer = await scene.does(_start(expires_at=wall_clock() - 1))

    assert ("expired", []) == (answer.outcome, scene.twilio.requests)


async def test_a_conflicting_name_counts_as_started(scene: Scene) -> None:
    """The answer to the first request was lost: there is one of this name, its SID is unknown."""
    scene.twilio.streams["MZ1"] = {
        "name": stream_name(TASK, LEG, 1), "call": LEG, "status": "in-progress",
    }  # fmt: skip
    answer = await scene.does(_start())

    assert ("done", None) == (answer.outcome, answer.stream_sid)


async def test_the_same_command_again_asks_nothing_again(scene: Scene) -> None:
    """A repeated record gets the same answer."""
    command = _start()
    first = await scene.does(command)
    again = await scene.does(command)

    assert first == again
    assert 1 == len(scene.twilio.requests)


async def test_a_stop_by_a_fresh_process_finds_the_name(scene: Scene) -> None:
    """Neither SID nor name nor leg known: each leg in the conference is tried by its name."""
    await scene.does(_start())
    scene.twilio.conferences[TASK] = [{"call_sid": WORKER}, {"call_sid": LEG}]
    async with TwilioApi(ACCOUNT, TOKEN, scene.twilio.url, 8) as api:
        fresh = Commands(api, URL, Health())
        answer = await fresh.carry_out(_stop(call_sid=None, name=None), CallLane())

    assert "done" == answer.outcome
    assert ["stopped"] == [s["status"] for s in scene.twilio.streams.values()]


async def test_a_stop_without_names_uses_what_the_start_learnt(scene: Scene) -> None:
    """The stop was sent before the start's answer was known; this process knows it."""
    started = await scene.does(_start())
    await scene.does(_stop(call_sid=None, name=None))

    assert [(started.stream_sid, {"Status": "stopped"})] == scene.twilio.asked("stop")


@pytest.mark.parametrize("failure", [(404, 20404), (400, 21220)])
async def test_a_stream_that_is_gone_counts_as_stopped(
    scene: Scene, failure: tuple[int, int]
) -> None:
    """What should not be is not: that is what was asked for."""
    scene.twilio.failures.append(failure)

    assert "done" == (await scene.does(_stop())).outcome


async def test_wrong_credentials_are_an_alarm_and_no_hammering() -> None:
    """One request, the answer `failed`, and /healthz says why."""
    async with _scene(token="wrong") as scene:
        answer = await scene.does(_start())

        assert ("failed", 20003, 1) == (answer.outcome, answer.code, answer.attempts)
        assert "twilio" in scene.health.reasons


class Script:
    """Carries commands out only when told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Condition()

    async def carry_out(self, command: Command, lane: CallLane) -> None:
        async with self._moved:
            self.begun.append(command.command_id)
            self._moved.notify_all()
        await self._gates.setdefault(command.command_id, asyncio.Event()).wait()
        async with self._moved:
            self.ended.append(command.command_id)
            self._moved.notify_all()

    async def let(self, command_id: str) -> None:
        """The command ends now."""
        self._gates.setdefault(command_id, asyncio.Event()).set()
        await self.until(lambda: command_id in self.ended)

    async def until(self, true: object) -> None:
        async with self._moved:
            await self._moved.wait_for(true)  # type: ignore[arg-type]


async def test_commands_of_a_call_keep_their_order_and_calls_do_not_wait() -> None:
    """The second command of a call begins after the first; another call's at once; only what lies
    before the first unfinished one may be committed."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(Item(_start(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(Item(_stop(task_sid="A", command_id="a2"), 0, 11))
        lanes.put(Item(_start(task_sid="B", command_id="b1"), 0, 12))
        await script.until(lambda: {"a1", "b1"} == set(script.begun))
        await script.let("b1")
        assert {0: 10} == lanes.committable()
        await script.let("a1")
        await script.until(lambda: "a2" in script.begun)
        assert {0: 11} == lanes.committable()
        await script.let("a2")
    assert {0: 13} == lanes.committable()


async def test_partitions_that_are_lost_leave_nothing_behind() -> None:
    """What was under way for them is cancelled, and its offsets are no longer ours to commit."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(Item(_start(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(Item(_start(task_sid="B", command_id="b1"), 1, 20))
        await script.until(lambda: 2 == len(script.begun))
        await lanes.drop({0})
        assert {1: 20} == lanes.committable()
        await script.let("b1")
    assert {1: 21} == lanes.committable()
