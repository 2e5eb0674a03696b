"""Which requests can reach Twilio at all: whatever events, commands and answers say, only those of
the account's own calls and conferences."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from agents.stream_manager import StreamsCore
from agents.tracker import TrackerCore
from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.telemetry import Health
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    CtiEvent,
    FindConference,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
    VerifyLeg,
)
from schemas.topics import STREAM_COMMANDS
from tests.agents.twilio_double import ACCOUNT, TOKEN
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story
from tests.pipeline.streams.calls import listed
from tests.virtual_time import virtual_ms, virtually

SID = "[0-9a-fA-F]{32}"
ALLOWED = re.compile(
    f"/2010-04-01/Accounts/{ACCOUNT}/"
    f"(Calls/CA{SID}\\.json|Calls/CA{SID}/Streams(/[^/?#]+)?\\.json"
    f"|Conferences\\.json|Conferences/CF{SID}/Participants\\.json)"
)
POLICY = PolicyHistory.of([RecordingPolicy(1, 0, 0, ("*",), True, True)])

HOSTILE = st.sampled_from(
    [
        f"{CUSTOMER_LEG}.json?Status=completed&x=",
        "../Messages.json?To=%2B15550100&Body=x",
        f"../../AC{'f' * 32}/Calls/{CUSTOMER_LEG}",
        "..",
        ".",
        "%2e%2e/Messages",
        f"{CUSTOMER_LEG}#",
        f"{CUSTOMER_LEG}\\..\\Messages",
        CUSTOMER_LEG,
        "CF" + "a" * 32,
        "WT" + "b" * 32,
        "",
    ]
)
REWRITES: list[dict[str, Any]] = [
    {},
    {"internal": True},
    {"to": "client:../Messages", "outbound_to": "client:x"},
    {"direction": "outbound", "outbound_to": "../Messages.json"},
    {"conference": {"participants": {"customer": "CA" + "e" * 32, "worker": CUSTOMER_LEG}}},
]
TEXTS = HOSTILE | st.text(max_size=40)


@dataclass
class Wire:
    """In the place of the connections: notes each request as it would go out, and answers."""

    answer: Mapping[str, Any]
    asked: list[tuple[str, URL]] = field(default_factory=list)

    def request(self, method: str, url: str, **options: Any) -> "Wire":
        parsed = URL(url)
        self.asked.append((method, parsed))
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def read(self) -> bytes:
        return json.dumps(self.answer).encode()

    status = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        """As a session is closed."""


async def _carried_out(commands: list[StreamCommand], answer: Mapping[str, Any]) -> Wire:
    wire = Wire(answer)
    async with TwilioApi(ACCOUNT, (ACCOUNT, TOKEN), TOKEN, None, clock=time.time) as api:
        await api._http.close()
        api._http._session = wire  # type: ignore[assignment]
        gate = RequestGate(8, Health(), api.check_account)
        adapter = Commands(api, gate, "wss://g.example/media", virtual_ms)
        for number, command in enumerate(commands):
            now = virtual_ms()
            named = replace(command, command_id=str(number), issued_at=now, expires_at=now + 1_000)
            await adapter.carry_out(named, CallLane())
    return wire


def _only_allowed(wire: Wire) -> None:
    for method, url in wire.asked:
        assert (url.scheme, url.host, url.user) == ("https", "api.twilio.com", None)
        assert ALLOWED.fullmatch(url.raw_path), (method, url)
        posts = method == "POST"
        assert posts == ("/Streams" in url.raw_path)


@st.composite
def _commands(draw: st.DrawFn) -> StreamCommand:
    task = draw(st.just(TASK) | TEXTS)
    call_sid = draw(st.none() | TEXTS)
    kind = draw(st.sampled_from(["start", "stop", "verify", "find"]))
    if kind == "find":
        return FindConference("", task, 1, T0, T0)
    if kind == "verify":
        others = tuple(draw(st.lists(TEXTS, max_size=2)))
        return VerifyLeg("", task, call_sid or "", 1, T0, T0, ("worker",), ("customer",), others)
    if kind == "start":
        return StartDuplicateStream(
            "", task, call_sid, 1, T0, T0, "why", 1, draw(st.sampled_from(["inbound", "outbound"])),
            ("worker",), ("customer",),
        )  # fmt: skip
    return StopDuplicateStream(
        "", task, call_sid, draw(st.integers(0, 2)), draw(st.none() | TEXTS), draw(TEXTS), T0, T0,
        "why",
    )  # fmt: skip


ANSWERS = st.fixed_dictionaries(
    {
        "sid": TEXTS,
        "conferences": st.lists(st.fixed_dictionaries({"sid": TEXTS}), max_size=2),
        "participants": st.lists(
            st.fixed_dictionaries({"call_sid": TEXTS, "label": TEXTS}), max_size=3
        ),
        "next_page_uri": st.none()
        | TEXTS
        | st.sampled_from(
            [
                "/2010-04-01/Accounts.json",
                "https://api.twilio.com/2010-04-01/Accounts/x/Messages.json",
                "//elsewhere.example.com/2010-04-01/x.json",
                "https://elsewhere.example.com/Conferences.json",
            ]
        ),
    }
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(_commands(), min_size=1, max_size=3), ANSWERS)
def test_no_command_and_no_answer_reaches_anything_else(
    commands: list[StreamCommand], answer: Mapping[str, Any]
) -> None:
    """No SIDs in commands or answers lead to requests for other resources, even if the answers are
    forged."""
    _only_allowed(virtually(_carried_out(commands, answer)))


@st.composite
def _hostile_events(draw: st.DrawFn) -> list[CtiEvent]:
    """Return the events of a call with arbitrary attributes, worker attributes and callbacks."""
    story = Story(
        attributes={
            "call_sid": draw(TEXTS),
            "direction": draw(st.sampled_from(["inbound", "outbound"])),
            "from": "+15550100",
            "conference": {
                "sid": draw(TEXTS),
                "participants": {"customer": draw(TEXTS), "worker": draw(TEXTS)},
            },
        }
    ).task("created", 0)
    story.reservation("created", 1_000, "ann", worker_sid=draw(TEXTS))
    story.reservation("accepted", 2_000, "ann")
    story.participant("join", 2_500, draw(TEXTS), ParticipantLabel=draw(TEXTS))
    story.attributes["call_sid"] = draw(TEXTS)
    story.attributes |= draw(st.sampled_from(REWRITES))
    story.task("updated", 3_000)
    story.reservation("wrapup", 60_000, "ann")
    return list(draw(st.permutations(story.events)))


def _commanded(events: list[CtiEvent]) -> list[StreamCommand]:
    """The commands that tracker and stream manager make of the events; each start is answered."""
    tracker, manager = TrackerCore(), StreamsCore(POLICY)
    call: Any = None
    state: CallStreams | None = None
    commands: list[StreamCommand] = []
    for event in events:
        step = tracker.on_record(TASK, call, event, event.arrived_at)
        call = step.state
        waiting: list[object] = [o.record for o in step.outputs if isinstance(o.record, Call)]
        for record in waiting:
            decided = manager.on_record(TASK, state, record, T0 + 61_000)
            state = decided.state
            for output in decided.outputs:
                if output.topic is STREAM_COMMANDS:
                    commands.append(output.record)
                    waiting += _answer(output.record)
    return commands


def _answer(command: StreamCommand) -> list[object]:
    if isinstance(command, StopDuplicateStream):
        return []
    if isinstance(command, FindConference):
        return [listed(command, T0 + 61_000)]
    if isinstance(command, VerifyLeg):
        return [
            CommandAnswered(
                command.command_id, TASK, command.generation, "verify", "unknown",
                command.call_sid, None, None, None, "", 1, T0 + 61_000,
            )
        ]  # fmt: skip
    return [
        CommandAnswered(
            command.command_id, TASK, command.generation, "start", "done", command.call_sid,
            "../Messages", "name", None, "", 1, T0 + 61_000,
        )
    ]  # fmt: skip


@settings(max_examples=examples(40), deadline=None)
@given(_hostile_events())
def test_no_events_reach_anything_else(events: list[CtiEvent]) -> None:
    """Through tracker, stream manager and adapter, in any order."""
    nothing: Mapping[str, Any] = {"conferences": [], "participants": []}
    _only_allowed(virtually(_carried_out(_commanded(events), nothing)))
