"""What happens on the day: which calls are on which gateway, and what happens to the gateways.

Times are minutes of log time since the day began.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What happens to a gateway."""

    CUT_OFF = "cut off from Kafka"
    BACK = "reaches Kafka again"
    KILLED = "killed"
    STARTED = "started again"


@dataclass(frozen=True, slots=True)
class Event:
    """A fault of a gateway, at that minute."""

    at: float
    gateway: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call with audio for a gateway, from one minute to another."""

    gateway: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The day. `spill_bytes`: the size limit of a gateway's spill."""

    minutes: float
    calls: tuple[PlannedCall, ...]
    events: tuple[Event, ...]
    spill_bytes: dict[str, int] = field(default_factory=dict)


FULL = "gateway-full"
"""The gateway with a spill for only a few minutes."""


def whole_day(random: Random) -> Plan:
    """Gateways are cut off for 10, 65 and 130 minutes, and killed with full and half-full spills
    and started again 65 and 130 minutes later, while others keep the log's clock running."""
    calls = [*_steady("gateway-steady", 24 * 60, 10, random)]
    events: list[Event] = []
    for begins, lasts in ((60, 10), (180, 65), (360, 130)):
        events += _cut_off("gateway-away", begins, begins + lasts)
        calls += [
            PlannedCall("gateway-away", begins - 2, begins + lasts + 3),
            PlannedCall("gateway-away", begins - 1, begins + lasts / 2),
            PlannedCall("gateway-away", begins + lasts / 3, begins + lasts / 3 + 2),
        ]
    events += _killed(FULL, 600, 620, 685)
    calls += [PlannedCall(FULL, 599, 640), PlannedCall(FULL, 602, 606)]
    events += _cut_off(FULL, 720, 740)
    calls += [PlannedCall(FULL, 719, 745), PlannedCall(FULL, 730, 735)]
    events += _killed("gateway-killed", 780, 785, 915)
    calls += [PlannedCall("gateway-killed", 779, 900), PlannedCall("gateway-killed", 781, 783)]
    return Plan(24 * 60, tuple(calls), tuple(sorted(events, key=lambda e: e.at)), {FULL: 4 << 20})


def short(random: Random) -> Plan:
    """Three hours: a gateway cut off for 65 minutes, and one killed with a full spill."""
    calls = [*_steady("gateway-steady", 180, 15, random)]
    events = [*_cut_off("gateway-away", 10, 75), *_killed(FULL, 20, 24, 89)]
    calls += [
        PlannedCall("gateway-away", 9, 14),
        PlannedCall("gateway-away", 74, 77),
        PlannedCall(FULL, 19, 26),
        PlannedCall(FULL, 119, 128),
    ]
    events += _cut_off(FULL, 120, 126)
    events.sort(key=lambda event: event.at)
    return Plan(180, tuple(calls), tuple(events), {FULL: 2 << 20})


def _steady(gateway: str, until: float, every: float, random: Random) -> Iterator[PlannedCall]:
    at = random.uniform(0, every)
    while at < until - 5:
        yield PlannedCall(gateway, at, at + random.uniform(0.2, 1.2))
        at += random.uniform(0.5, 1.5) * every


def _cut_off(gateway: str, begins: float, ends: float) -> list[Event]:
    return [Event(begins, gateway, Fault.CUT_OFF), Event(ends, gateway, Fault.BACK)]


def _killed(gateway: str, cut_off: float, killed: float, started: float) -> list[Event]:
    return [
        Event(cut_off, gateway, Fault.CUT_OFF),
        Event(killed, gateway, Fault.KILLED),
        Event(started, gateway, Fault.STARTED),
    ]
