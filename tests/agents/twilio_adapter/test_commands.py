"""Which requests can reach Twilio at all: for any content of events, commands and answers, only
those about the account's own calls and conferences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.telemetry import Health
from schemas.records import (
    CallAlias,
    CommandAnswered,
    CtiEvent,
    FetchLeg,
    FindConference,
    LegContested,
    LegFetched,
    MediaStreamOpened,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
    VerifyLeg,
)
from schemas.topics import CALL_ALIASES, CTI_EVENTS, CTI_RESOLVED, STREAM_EVENTS
from tests.agents.cores import Published, running
from tests.agents.wire import ANSWERS, TEXTS, Wire, only_allowed, wired
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story
from tests.virtual_time import virtual_ms, virtually

STATUSES = st.sampled_from([200, 200, 200, 201, 404, 400, 401, 429, 503])
REWRITES: list[dict[str, Any]] = [
    {},
    {"internal": True},
    {"to": "client:../Messages", "outbound_to": "client:x"},
    {"direction": "outbound", "outbound_to": "../Messages.json"},
    {"conference": {"participants": {"customer": "CA" + "e" * 32, "worker": CUSTOMER_LEG}}},
]


async def _carried_out(commands: list[StreamCommand], answer: Mapping[str, Any]) -> Wire:
    wire = Wire([(200, answer)])
    async with wired(wire) as api:
        gate = RequestGate(8, Health(), api.check_account)
        adapter = Commands(api, gate, "wss://g.example/media", virtual_ms)
        for number, command in enumerate(commands):
            now = virtual_ms()
            named = replace(command, command_id=str(number), issued_at=now, expires_at=now + 1_000)
            await adapter.carry_out(named, CallLane())
    return wire


@st.composite
def _commands(draw: st.DrawFn) -> StreamCommand:
    task = draw(st.just(TASK) | TEXTS)
    call_sid = draw(st.none() | TEXTS)
    kind = draw(st.sampled_from(["start", "stop", "verify", "find", "fetch"]))
    if kind == "fetch":
        ends = tuple(draw(st.lists(TEXTS, max_size=2)))
        return FetchLeg("", task, call_sid or "", 0, T0, T0, ends)
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


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(_commands(), min_size=1, max_size=3), ANSWERS)
def test_no_command_and_no_answer_reaches_anything_else(
    commands: list[StreamCommand], answer: Mapping[str, Any]
) -> None:
    """No SIDs in commands or answers lead to requests for other resources, even if the answers are
    forged."""
    only_allowed(virtually(_carried_out(commands, answer)))


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


_LEGS = st.just(CUSTOMER_LEG) | TEXTS
_OUTCOMES = st.sampled_from(
    ["done", "failed", "expired", "listed", "no-conference", "unknown", "confirmed",
     "contradicted", "moved"]
)  # fmt: skip


@st.composite
def _records(draw: st.DrawFn) -> Published:
    """Return a record of another role, with arbitrary SIDs, under the task's key or a leg's."""
    at, leg = T0 + 3_000, draw(_LEGS)
    generation = draw(st.integers(0, 2))
    match draw(st.sampled_from(["contested", "alias", "fetched", "opened", "answered"])):
        case "contested":
            contested = LegContested(leg, TASK, draw(TEXTS), at, draw(st.booleans()))
            return Published(at, CTI_RESOLVED, TASK, contested)
        case "alias":
            return Published(at, CALL_ALIASES, leg, CallAlias(leg, draw(TEXTS), at, listed=True))
        case "fetched":
            fetched = LegFetched(leg, TASK, draw(TEXTS), draw(TEXTS), "inbound", "", None, at)
            return Published(at, CTI_RESOLVED, TASK, fetched)
        case "opened":
            opened = MediaStreamOpened(draw(TEXTS), leg, TASK, draw(TEXTS), generation, "g1", 1, at)
            return Published(at, STREAM_EVENTS, TASK, opened)
        case _:
            command = draw(st.sampled_from(["start", "stop", "find", "verify", "fetch"]))
            number = f"{TASK}:{generation or 1}"
            answered = CommandAnswered(
                f"{command}:{number}:1", TASK, generation, command, draw(_OUTCOMES), leg,
                draw(TEXTS), draw(TEXTS), None, "", 1, at, listed_call_sids=(draw(TEXTS),),
            )  # fmt: skip
            return Published(at, STREAM_EVENTS, TASK, answered)


async def _played(wire: Wire, records: Sequence[Published], chance: Random) -> None:
    async with wired(wire) as api, running(chance, api=api) as cores:
        for each in records:
            cores.publish(each.topic, each.key, each.record)
            await cores.advance(500)
        await cores.advance(3_000)


@settings(max_examples=examples(40), deadline=None)
@given(
    _hostile_events(),
    st.lists(_records(), max_size=4),
    st.lists(st.tuples(STATUSES, ANSWERS), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_no_events_reach_anything_else(
    events: list[CtiEvent],
    records: list[Published],
    answers: list[tuple[int, Mapping[str, Any]]],
    chance: Random,
) -> None:
    """Through tracker, resolver, stream manager and adapter, in any order, also if records of other
    roles and Twilio's answers are forged."""
    inputs = [Published(e.arrived_at, CTI_EVENTS, TASK, e) for e in events] + records
    chance.shuffle(inputs)
    wire = Wire(answers)
    virtually(_played(wire, inputs, chance))
    only_allowed(wire)
