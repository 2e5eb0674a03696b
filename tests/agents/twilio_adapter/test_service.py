"""Commands against a double of Twilio, lanes, and commits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import stamina
from aiokafka.errors import KafkaTimeoutError

from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane, CommandItem, Lanes
from agents.twilio_adapter.request_gate import RequestGate
from agents.twilio_adapter.service import Adapter
from pipeline.calls.ends import end_of
from pipeline.runtime.log_clock import LogClock, machine_clock
from pipeline.runtime.metrics import INVALID_SIDS
from pipeline.runtime.settings import Settings, SettingsError, load
from pipeline.runtime.telemetry import Health
from pipeline.streams.marks import NoLeg
from pipeline.streams.names import find_command_id, stream_name
from pipeline.twilio.tickets import verified
from schemas.records import (
    CommandAnswered,
    FetchLeg,
    FindConference,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
)
from tests.agents.twilio_double import ACCOUNT, TOKEN, Reply, TwilioDouble, twilio_double

TASK = "WT" + "a" * 32
LEG = "CA" + "b" * 32
WORKER = "CA" + "c" * 32
URL = "wss://gateway.example.com/media"


def _find(attempt: int = 1) -> FindConference:
    now = machine_clock()
    return FindConference(find_command_id(TASK, attempt), TASK, 1, now, now + 10_000)


def _start(**changes: object) -> StartDuplicateStream:
    now = machine_clock()
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
    now = machine_clock()
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

    async def does(self, command: StreamCommand) -> CommandAnswered:
        return await self.commands.carry_out(command, self.lane)

    def put(self, command: StreamCommand) -> None:
        """A further command of the call arrives."""
        self.lane.put(CommandItem(command, 0, 1))


@asynccontextmanager
async def _scene(token: str = TOKEN, timeout_s: float = 5.0) -> AsyncIterator[Scene]:
    health = Health()
    async with (
        twilio_double() as twilio,
        TwilioApi(ACCOUNT, (ACCOUNT, token), token, twilio.url, timeout_s, clock=time.time) as api,
        asyncio.timeout(20),
    ):
        twilio.calls[LEG] = "in-progress"
        yield Scene(
            twilio,
            Commands(api, RequestGate(8, health, api.check_account), URL, machine_clock),
            health,
        )


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
    [(kind, leg, form)] = scene.twilio.requests
    base, _, text = form["Url"].rpartition("/")
    assert ("start", LEG, expected) == (kind, leg, form | {"Url": base})
    ticket = verified([TOKEN], text)
    assert ticket is not None
    assert ticket.seconds_off(time.time()) == 0
    assert (ACCOUNT, LEG) == (ticket.account_sid, ticket.call_sid)
    assert (TASK, 1) == (ticket.task_sid, ticket.generation)
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


async def test_legs_that_nothing_marks_are_told_apart_by_their_ends(scene: Scene) -> None:
    """An agent's leg leads to a Flex client; each leg's ends are asked for once."""
    scene.twilio.calls[WORKER] = "in-progress"
    scene.twilio.conferences[TASK] = _unlabelled(LEG, WORKER)
    scene.twilio.ends = {
        WORKER: ("+15550199", "client:ann_40example_2Ecom"),
        LEG: ("+15550199", "+15550177"),
    }
    answer = await scene.does(_start(call_sid=None, direction="outbound"))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]
    assert sorted([LEG, WORKER]) == sorted(leg for leg, _ in scene.twilio.asked("call"))


async def test_of_legs_that_nothing_tells_apart_none_is_streamed(scene: Scene) -> None:
    """Twilio is asked again, and nothing is guessed by the order of joining."""
    scene.twilio.calls[WORKER] = "in-progress"
    scene.twilio.conferences[TASK] = _unlabelled(WORKER, LEG)
    soon = machine_clock() + 700
    answer = await scene.does(_start(call_sid=None, direction="outbound", expires_at=soon))

    assert ("expired", "more than one leg may be the customer's") == (answer.outcome, answer.detail)
    assert [] == scene.twilio.asked("start")
    assert 2 <= len(scene.twilio.asked("conferences"))


@pytest.mark.parametrize("called", ["sip:bob@pbx.example.com", "+15550177"])
async def test_the_customers_end_is_found_and_the_agents_telephone_is_not_streamed(
    scene: Scene, called: str
) -> None:
    """The customer's leg is found among an agent on a telephone and a supervisor's client. The
    customer was called by number or by SIP address."""
    phone, boss = WORKER, "CA" + "d" * 32
    scene.twilio.calls |= {phone: "in-progress", boss: "in-progress"}
    scene.twilio.conferences[TASK] = _unlabelled(phone, boss, LEG)
    scene.twilio.ends = {
        phone: ("+15550199", "+15550123"),
        boss: ("+15550199", "client:boss_40example_2Ecom"),
        LEG: ("+15550199", called.replace(".com", ".com:5060;transport=tcp")),
    }
    ends = {"worker_ends": ("tel:15550123",), "customer_ends": (end_of(called),)}
    answer = await scene.does(_start(call_sid=None, direction="outbound", **ends))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]


async def test_the_ends_of_a_leg_are_fetched(scene: Scene) -> None:
    """With one request; a leg that Twilio does not know is `unknown`."""
    scene.twilio.ends = {LEG: ("+15550199", "+15550177")}
    now = machine_clock()
    question = FetchLeg("fetch:1", TASK, LEG, 0, now, now + 4_000)
    answer = await scene.does(question)
    other = await scene.does(replace(question, command_id="fetch:2", call_sid=WORKER))
    wrong = await scene.does(replace(question, command_id="fetch:3", call_sid="../x"))

    assert ("fetch", "done", LEG) == (answer.command, answer.outcome, answer.call_sid)
    assert ("+15550199", "+15550177") == (answer.call_from, answer.call_to)
    assert [("unknown", None)] * 2 == [(a.outcome, a.call_to) for a in (other, wrong)]
    assert [LEG, WORKER] == [leg for leg, _ in scene.twilio.asked("call")]


async def test_the_label_of_a_leg_at_another_end_is_fetched_too(scene: Scene) -> None:
    """The conference is asked only if the ends are none of the call's."""
    scene.twilio.ends = {LEG: ("+15550199", "client:page-77")}
    scene.twilio.conferences[TASK] = [{"call_sid": LEG, "label": "ann@example.com"}]
    now = machine_clock()
    question = FetchLeg("fetch:1", TASK, LEG, 0, now, now + 4_000, ("client:page-77",))
    known = await scene.does(question)
    assert (None, []) == (known.call_label, scene.twilio.asked("conferences"))
    other = await scene.does(replace(question, command_id="fetch:2", known_ends=()))
    assert ("done", "ann@example.com") == (other.outcome, other.call_label)


def _unlabelled(*legs: str) -> list[dict[str, Any]]:
    """Participants without a label."""
    return [{"call_sid": leg, "label": None, "status": "connected"} for leg in legs]


async def test_a_leg_that_is_not_there_yet_is_asked_for_again(scene: Scene) -> None:
    """First only the agent is in the conference, then the customer joins."""
    async with asyncio.TaskGroup() as tasks:
        agent = {"call_sid": WORKER, "label": "ann@example.com", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent]
        doing = tasks.create_task(scene.does(_start(call_sid=None)))
        await scene.twilio.until_asked("participants", 2)
        customer = {"call_sid": LEG, "label": "+15550100", "status": "connected"}
        scene.twilio.conferences[TASK] = [agent, customer]

    assert ("done", LEG) == (doing.result().outcome, doing.result().call_sid)


async def test_a_start_without_leg_and_conference_asks_once(scene: Scene) -> None:
    """There is nothing to wait for here: the stream manager asks again, ever more slowly."""
    answer = await scene.does(_start(call_sid=None))
    assert ("no-conference", NoLeg.NO_CONFERENCE.value, 1) == (
        answer.outcome, answer.detail, answer.attempts,
    )  # fmt: skip
    assert 1 == len(scene.twilio.requests)


@pytest.mark.parametrize(("people", "outcome"), [(None, "no-conference"), ([], "listed")])
async def test_whether_there_is_a_conference_is_one_request(
    scene: Scene, people: list[dict[str, Any]] | None, outcome: str
) -> None:
    """And the same question again, after a restart of the stream manager, is none."""
    if people is not None:
        scene.twilio.conferences[TASK] = people
    for _ in range(2):
        answer = await scene.does(_find())
        assert ("find", outcome) == (answer.command, answer.outcome)
    assert [(TASK, "in-progress")] == [
        (task, form["Status"]) for task, form in scene.twilio.asked("conferences")
    ]
    assert 1 == len(scene.twilio.requests)


async def test_a_question_that_twilio_does_not_answer_is_asked_again(scene: Scene) -> None:
    """Until it expires. A refused one is not repeated here; of an expired one nothing is known."""
    scene.twilio.failures += [(503, None), (429, 20429)]
    assert "no-conference" == (await scene.does(_find())).outcome
    scene.twilio.failures.append((400, 20001))
    assert "failed" == (await scene.does(_find(2))).outcome
    scene.twilio.failures.append((404, 20404))
    assert "failed" == (await scene.does(_find(4))).outcome
    asked = len(scene.twilio.requests)
    late = replace(_find(3), expires_at=machine_clock() - 1)
    assert "unknown" == (await scene.does(late)).outcome
    assert asked == len(scene.twilio.requests)


async def test_a_named_leg_of_an_inbound_call_that_is_gone_is_asked_for_ever_more_slowly(
    scene: Scene,
) -> None:
    """It was in progress before an agent accepted. One that rings is asked for without a pause."""
    scene.twilio.calls[LEG] = "completed"
    lasting = {"expires_at": machine_clock() + 4_000}
    asked = {}
    for number, direction in enumerate(("inbound", "outbound"), 1):
        before = len(scene.twilio.requests)
        start = _start(command_id=f"start:{TASK}:{number}:1", generation=number, **lasting)
        answer = await scene.does(replace(start, direction=direction))
        assert "expired" == answer.outcome
        asked[direction] = len(scene.twilio.requests) - before
        lasting = {"expires_at": machine_clock() + 4_000}
    assert asked["inbound"] <= 6 < asked["outbound"]


async def test_a_leg_that_twilio_does_not_know_is_looked_up_again(scene: Scene) -> None:
    """If a start is answered with 404, the customer's leg is looked up in the conference."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com"},
        {"call_sid": LEG, "label": "customer"},
    ]
    answer = await scene.does(_start(call_sid="CA" + "e" * 32))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)


HOSTILE = (
    f"{LEG}.json?Status=completed&x=",
    "../Messages.json?To=%2B15550100&Body=x",
    f"../../AC{'f' * 32}/Calls/{LEG}",
    "..",
    LEG + "0",
    LEG[:-1],
    "MZ" + "b" * 32,
    LEG + "\n",
)


@pytest.mark.parametrize("leg", HOSTILE)
async def test_a_leg_that_is_no_sid_is_looked_up(scene: Scene, leg: str) -> None:
    """A command with an invalid call SID is carried out as if it had none; the SID is counted."""
    scene.twilio.conferences[TASK] = [
        {"call_sid": WORKER, "label": "ann@example.com"},
        {"call_sid": LEG, "label": "customer"},
    ]
    before = _invalid_call_sids()
    answer = await scene.does(_start(call_sid=leg))

    assert ("done", LEG) == (answer.outcome, answer.call_sid)
    assert [LEG] == [leg for leg, _ in scene.twilio.asked("start")]
    assert 1 == _invalid_call_sids() - before


@pytest.mark.parametrize("leg", HOSTILE)
async def test_what_twilio_answers_is_checked_too(scene: Scene, leg: str) -> None:
    """A participant with an invalid call SID is ignored and counted."""
    before = _invalid_call_sids()
    scene.twilio.conferences[TASK] = [
        {"call_sid": leg, "label": "customer"},
        {"call_sid": WORKER, "label": "ann@example.com"},
    ]
    answer = await scene.does(_start(call_sid=None, expires_at=machine_clock() + 200))

    assert "expired" == answer.outcome
    assert [] == scene.twilio.asked("start")
    assert 1 <= _invalid_call_sids() - before


async def test_a_command_of_no_task_is_not_carried_out(scene: Scene) -> None:
    """Its answer says why; Twilio is not asked."""
    answer = await scene.does(_start(task_sid="../Messages"))

    assert ("failed", []) == (answer.outcome, scene.twilio.requests)


def _invalid_call_sids() -> float:
    return INVALID_SIDS.labels("call")._value.get()


async def test_one_call_that_is_refused_does_not_make_the_adapter_unhealthy(scene: Scene) -> None:
    """401 for one call; the account's own question is answered: the next call starts at once."""
    scene.twilio.failures += [(401, 20003)]
    other = "CA" + "d" * 32
    scene.twilio.calls[other] = "in-progress"
    refused = await scene.does(_start(expires_at=machine_clock() + 100))
    honest = await scene.does(_start(command_id="2", task_sid="WT" + "d" * 32, call_sid=other))

    assert ("expired", 20003) == (refused.outcome, refused.code)
    assert ("done", 1) == (honest.outcome, honest.attempts)
    assert [("", {"PageSize": "1"})] == scene.twilio.asked("conferences")
    assert {} == scene.health.reasons


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
        scene.twilio.conferences[TASK] = []
        doing = tasks.create_task(scene.does(_start(call_sid=None)))
        await scene.twilio.until_asked("conferences")
        scene.put(_start(command_id=f"start:{TASK}:1:2"))

    assert "superseded" == doing.result().outcome


async def test_an_expired_start_asks_nothing(scene: Scene) -> None:
    """A command that is too old is answered so, and Twilio never hears of it."""
    answer = await scene.does(_start(expires_at=machine_clock() - 1))

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
    async with TwilioApi(
        ACCOUNT, (ACCOUNT, TOKEN), TOKEN, scene.twilio.url, clock=time.time
    ) as api:
        fresh = Commands(api, RequestGate(8, Health(), api.check_account), URL, machine_clock)
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
    """A stop counts as successful if the media stream no longer exists."""
    scene.twilio.failures.append(failure)

    assert "done" == (await scene.does(_stop())).outcome


async def test_wrong_credentials_are_an_alarm_and_no_hammering() -> None:
    """One request and the question about the account, /healthz says what to do, and the commands
    wait until they expire."""
    async with _scene(token="wrong") as scene:
        answer = await scene.does(_start(expires_at=machine_clock() + 500))
        other = await scene.does(_start(command_id="2", expires_at=machine_clock() + 500))

        assert ("expired", 20003, 1) == (answer.outcome, answer.code, answer.attempts)
        assert ("expired", 20003, 0) == (other.outcome, other.code, other.attempts)
        assert 2 == scene.twilio.refused
        assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in scene.health.reasons["twilio"]


ODD_REPLIES = {
    "429 without a body": Reply(429),
    "429 with a wish": Reply(429, '{"code": 20429}', headers={"Retry-After": "0"}),
    "429 with a date": Reply(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "503 in HTML": Reply(503, "<html>Service Unavailable</html>", "text/html"),
    "502 in no encoding": Reply(502, "\xff\xfe\x00", "text/html; charset=utf-8"),
    "500 with a list": Reply(500, "[1, 2]"),
    "500 with an odd code": Reply(500, '{"code": "x", "message": 5}'),
    "a reset": Reply(resets=True),
    "a reset after it was done": Reply(resets=True, does=True),
    "an error after it was done": Reply(500, does=True),
}


@pytest.mark.parametrize("what", ODD_REPLIES)
async def test_odd_failures_are_repeated(scene: Scene, what: str) -> None:
    """Whatever the answer looks like: one media stream, and the command done."""
    scene.twilio.failures.append(ODD_REPLIES[what])
    answer = await scene.does(_start())

    assert ("done", 2) == (answer.outcome, answer.attempts)
    assert ["in-progress"] == [s["status"] for s in scene.twilio.streams.values()]


@pytest.mark.parametrize("text", ["", "<html>", "null", '{"sid": 7}'])
async def test_a_success_without_a_sid_counts(scene: Scene, text: str) -> None:
    """Twilio took it; whether it lives shows at the gateway."""
    scene.twilio.failures.append(Reply(200, text, does=True))
    answer = await scene.does(_start())

    assert ("done", None, 1) == (answer.outcome, answer.stream_sid, answer.attempts)


async def test_twilios_wish_to_be_left_alone_is_granted(scene: Scene) -> None:
    """Retry-After says longer than the command lasts: nothing more is asked."""
    scene.twilio.failures.append(Reply(429, headers={"Retry-After": "3600"}))
    answer = await scene.does(_start(expires_at=machine_clock() + 1_500))

    assert ("expired", 429, 1) == (answer.outcome, answer.code, answer.attempts)


@pytest.mark.parametrize("conflict", [(409, None), (400, 21299), (422, None), None])
async def test_an_answer_that_came_too_late_is_asked_for_again_by_name(
    conflict: tuple[int, int | None] | None,
) -> None:
    """The first request took effect although its answer came too late. The second has the same
    name, and Twilio's refusal of it, in any form, means that the command is done. If Twilio starts
    another media stream instead, its SID is the answer, and the first is a surplus that a gateway
    reports."""
    too_late = asyncio.Event()
    async with _scene(timeout_s=0.2) as scene:
        scene.twilio.conflict = conflict
        scene.twilio.failures.append(Reply(200, "{}", does=True, until=too_late))
        answer = await scene.does(_start())
        too_late.set()
        last = list(scene.twilio.streams)[-1]

        assert ("done", 2) == (answer.outcome, answer.attempts)
        code = (conflict[1] or conflict[0]) if conflict else None
        assert answer.code == (None if code == 409 else code)  # other refusals may be genuine
        assert (None if conflict else last) == answer.stream_sid
        assert 1 == len({form["Name"] for _, form in scene.twilio.asked("start")})
        assert (1 if conflict else 2) == len(scene.twilio.streams)


async def test_a_request_that_is_wrong_by_itself_fails(scene: Scene) -> None:
    """400 at the first request is no conflict."""
    scene.twilio.failures.append((400, 21203))
    answer = await scene.does(_start())

    assert ("failed", 21203, 1) == (answer.outcome, answer.code, answer.attempts)


async def test_after_a_ringing_legs_end_nothing_is_asked(scene: Scene) -> None:
    """Twilio said that the leg is not in progress; its stop needs no request."""
    scene.twilio.calls[LEG] = "ringing"
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(scene.does(_start()))
        await scene.twilio.until_asked("start")
        scene.put(_stop())
    assert "superseded" == doing.result().outcome
    asked = len(scene.twilio.requests)
    answer = await scene.does(_stop())

    assert ("done", 0) == (answer.outcome, answer.attempts)
    assert asked == len(scene.twilio.requests)


async def test_a_fault_of_ours_ends_the_command_only() -> None:
    """An unexpected error is answered as a failure: the command would fail again after a
    restart."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError

    async def check() -> None:
        return

    commands = Commands(Broken(), RequestGate(8, Health(), check), URL, machine_clock)  # type: ignore[arg-type]

    assert "failed" == (await commands.carry_out(_start(), CallLane())).outcome
    assert "failed" == (await commands.carry_out(_stop(), CallLane())).outcome


@pytest.mark.parametrize("wrong", ["0", "-1", "1001", "many"])
def test_the_bound_on_requests_is_checked(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong number is refused at the start, by name."""
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_CONCURRENCY", wrong)
    with pytest.raises(SettingsError, match="FLEXCAPTURE_TWILIO_CONCURRENCY"):
        load(None)


class MovingProducer:
    """Kafka's leader is on the move for the first few sends."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.sent: list[str] = []

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, **_: object) -> None:
        if self.failures:
            self.failures -= 1
            raise KafkaTimeoutError
        self.sent.append(topic)


@pytest.mark.parametrize("failures", [0, 3])
async def test_an_answer_is_written_in_the_end(scene: Scene, failures: int) -> None:
    """The process does not end for a broker that fails now and then."""
    adapter = Adapter(Settings(), scene.commands, scene.health, LogClock(), lambda: None)
    sender = adapter._producer = MovingProducer(failures)
    with stamina.set_testing(True, attempts=5):
        await adapter._carry_out(_start(), scene.lane)

    assert ["stream.events"] == sender.sent


async def test_a_rebalance_that_fails_ends_the_process(scene: Scene) -> None:
    """The Kafka client swallows what its listener raises: the process must not live on idle."""
    adapter = Adapter(Settings(), scene.commands, scene.health, LogClock(), lambda: None)
    await adapter.on_partitions_assigned(set())  # there are no lanes yet
    with pytest.raises(AttributeError):
        await adapter._intact()


class Script:
    """Carries out commands at the test's command."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Condition()

    async def carry_out(self, command: StreamCommand, lane: CallLane) -> None:
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


async def test_commands_of_a_media_stream_keep_their_order_and_others_do_not_wait() -> None:
    """The second command of a media stream begins after the first; another call's, and that of
    another media stream of the call, at once; only what lies before the first unfinished one may be
    committed."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(CommandItem(_start(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(CommandItem(_stop(task_sid="A", command_id="a2"), 0, 11))
        lanes.put(CommandItem(_start(task_sid="B", command_id="b1"), 0, 12))
        surplus = _stop(task_sid="A", command_id="a3", generation=0, stream_sid="MZ9")
        lanes.put(CommandItem(surplus, 0, 13))
        await script.until(lambda: {"a1", "b1", "a3"} == set(script.begun))
        await script.let("b1")
        await script.let("a3")
        assert {0: 10} == lanes.committable()
        await script.let("a1")
        await script.until(lambda: "a2" in script.begun)
        assert {0: 11} == lanes.committable()
        await script.let("a2")
    assert {0: 14} == lanes.committable()


async def test_a_newer_start_overtakes_even_when_it_is_over_first() -> None:
    """It has a lane of its own, which may have ended before the older one looks again."""
    script, lanes_of = Script(), dict[str, CallLane]()
    old = _start(task_sid="A", command_id="a1")

    async def carry_out(command: StreamCommand, lane: CallLane) -> None:
        lanes_of[command.command_id] = lane
        await script.carry_out(command, lane)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, carry_out, most=10)
        lanes.put(CommandItem(old, 0, 10))
        await script.until(lambda: "a1" in script.begun)
        newer = _start(task_sid="A", command_id="a2", generation=2, issued_at=old.issued_at + 1)
        lanes.put(CommandItem(newer, 0, 11))
        await script.let("a2")
        assert lanes_of["a1"].is_overtaken(old)
        assert not lanes_of["a2"].is_overtaken(newer)
        await script.let("a1")


async def test_partitions_that_are_lost_leave_nothing_behind() -> None:
    """Commands under way for lost partitions are cancelled, and their offsets are not committed. A
    command that had not begun does not block the partition when it comes back."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        lanes.put(CommandItem(_start(task_sid="A", command_id="a1"), 0, 10))
        lanes.put(CommandItem(_start(task_sid="B", command_id="b1"), 1, 20))
        await script.until(lambda: 2 == len(script.begun))
        lanes.put(CommandItem(_start(task_sid="C", command_id="c1"), 0, 11))
        await lanes.keep({1})
        assert {1: 20} == lanes.committable()
        lanes.put(CommandItem(_start(task_sid="C", command_id="c1"), 0, 11))
        await script.until(lambda: "c1" in script.begun)
        await script.let("b1")
        await script.let("c1")
    assert {1: 21, 0: 12} == lanes.committable()


async def test_a_rebalance_that_leaves_us_a_partition_disturbs_nothing() -> None:
    """Commands under way for a kept partition continue; they are not begun again when their records
    are read again."""
    script = Script()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, script.carry_out, most=10)
        for offset, name in enumerate("ABC", 10):
            lanes.put(CommandItem(_start(task_sid=name, command_id=name), 0, offset))
        await script.until(lambda: 3 == len(script.begun))
        await script.let("B")
        await lanes.keep({0})
        for offset, name in enumerate("ABCD", 10):
            lanes.put(CommandItem(_start(task_sid=name, command_id=name), 0, offset))
        await script.until(lambda: "D" in script.begun)
        assert ["A", "B", "C", "D"] == script.begun
        assert {0: 10} == lanes.committable()
        for name in "ACD":
            await script.let(name)
    assert {0: 14} == lanes.committable()
