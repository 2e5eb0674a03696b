"""Which calls are played, in which part of the run, and what Twilio still has of them. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from simulator import transfers
from simulator.cases import (
    abandoned,
    abandoned_alerting,
    excluded_queue,
    hold,
    inbound_no_callbacks,
    inbound_unmonitored,
    internal,
    outbound_answered,
    outbound_ringing,
    outbound_unanswered,
    outbound_unmonitored,
    rejected,
)
from simulator.events import Account
from simulator.people import ANN, BEN, CLEO, SUPPORT
from simulator.recorded import RecordingQuirk
from simulator.script import EventSent, Script, ScriptStep
from simulator.unusual import UnusualCall

Case = Callable[[UnusualCall], None]

CASES: tuple[Case, ...] = (
    transfers.warm_to_monitored,
    transfers.cold_to_monitored,
    transfers.warm_to_unmonitored,
    transfers.cold_to_unmonitored,
    transfers.warm_outside,
    transfers.cold_outside,
    transfers.unmonitored_to_monitored,
    transfers.supervised,
    hold,
    rejected,
    outbound_answered,
    outbound_ringing,
    inbound_no_callbacks,
    outbound_unanswered,
    outbound_unmonitored,
    inbound_unmonitored,
    excluded_queue,
    internal,
    abandoned,
    abandoned_alerting,
)
GONE = (RecordingQuirk.DELETED, RecordingQuirk.ABSENT, RecordingQuirk.NONE)
MONO_SHARE = 0.1
CONVERSATIONS = 0.5
"""The share of calls that are plain conversations; the others are cases of the demo."""


class Part(StrEnum):
    """A part of the run, by the missing component."""

    BEFORE = "nothing"
    BRIDGE = "the bridge"
    GATEWAYS = "the gateways"
    AFTER = "nothing any more"


SHARES = {Part.BEFORE: 0.15, Part.BRIDGE: 0.4, Part.GATEWAYS: 0.35, Part.AFTER: 0.1}


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call of a part. `quirk`: of Twilio's recording; `seed`: of the call."""

    number: int
    part: Part
    case: Case
    quirk: RecordingQuirk | None
    seed: int


def planned(calls: int, gone: float, random: Random) -> list[PlannedCall]:
    """Return so many calls, in their order. `gone`: the share without audio at Twilio."""
    parts: list[Part] = []
    for part, share in SHARES.items():
        parts += [part] * max(1, round(calls * share))
    return [
        PlannedCall(number, part, _case(part, random), _quirk(gone, random), random.getrandbits(48))
        for number, part in enumerate(parts[:calls])
    ]


def _case(part: Part, random: Random) -> Case:
    if random.random() >= CONVERSATIONS:
        return random.choice(CASES)
    shortest, longest = (24, 34) if part is Part.GATEWAYS else (8, 16)
    seconds, joins_first = random.uniform(shortest, longest), random.random() < 0.5

    def conversation(call: UnusualCall) -> None:
        """A conversation with a monitored agent"""
        talk(call, seconds, joins_first=joins_first)

    return conversation


def talk(call: UnusualCall, seconds: float, *, joins_first: bool) -> None:
    """A customer talks with a monitored agent. `joins_first`: the customer is in the conference
    first, so that Twilio records the customer on channel 1."""
    call.inbound(SUPPORT)
    if joins_first:
        call.wait(200)
        call.customer_joins_first()
    call.wait(400)
    agent = call.random.choice((ANN, BEN, CLEO))
    part = call.offer(agent)
    call.wait(900)
    call.accept(part)
    call.records(agent)
    call.wait(round(seconds * 1000))
    call.hang_up()


def _quirk(gone: float, random: Random) -> RecordingQuirk | None:
    if random.random() < gone:
        return random.choice(GONE)
    return RecordingQuirk.MONO if random.random() < MONO_SHARE else None


def script_of(call: PlannedCall, begins_at: int, account: Account, lost: float) -> Script:
    """Return the call as it is played from `begins_at` (ms). `lost`: the share of its events that
    never arrive."""
    random = Random(call.seed)
    built = UnusualCall(begins_at, account, random, call.number)
    call.case(built)
    script = built.script(call.case.__name__, (call.case.__doc__ or "").strip())
    return replace(script, steps=tuple(_some_lost(script.steps, lost, random)))


def _some_lost(steps: Sequence[ScriptStep], lost: float, random: Random) -> Iterator[ScriptStep]:
    for step in steps:
        if isinstance(step.action, EventSent) and random.random() < lost:
            yield replace(step, action=replace(step.action, is_lost=True))
        else:
            yield step
