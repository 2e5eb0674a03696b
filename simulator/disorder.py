"""Event Streams' disorder: some events come late, behind others, and some come twice.

Twilio promises at least once and no order. What is late here is late by a second at most, so that
a call can still be judged soon after its end; and never an event marked prompt, whose lateness
would leave nobody a chance to decide rightly in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from simulator.script import EventSent, Step

LATEST_MS = 1000
DELIVERY_MS = (20, 90)


@dataclass(frozen=True, slots=True)
class Disorder:
    """The shares of events that come late and twice, and how late both may be."""

    late_share: float = 0.15
    repeated_share: float = 0.12
    latest_ms: int = LATEST_MS


def disordered(
    steps: Sequence[Step], random: Random, disorder: Disorder | None = None
) -> tuple[Step, ...]:
    """The steps with each event's way to Kinesis added to its time, some late and some repeated
    (same event id), again in order of time. Steps that are no events keep theirs."""
    disorder = disorder or Disorder()
    moved = [step for step in steps if not isinstance(step.action, EventSent)]
    for step in steps:
        if isinstance(step.action, EventSent):
            moved += _delivered(step, step.action, random, disorder)
    return tuple(sorted(moved, key=lambda step: step.at))


def _delivered(step: Step, sent: EventSent, random: Random, disorder: Disorder) -> list[Step]:
    delay = random.randint(*DELIVERY_MS)
    if not sent.prompt and random.random() < disorder.late_share:
        delay = random.randint(DELIVERY_MS[1], disorder.latest_ms)
    delivered = [Step(step.at + delay, sent)]
    if random.random() < disorder.repeated_share:
        delivered.append(Step(step.at + delay + random.randint(0, disorder.latest_ms), sent))
    return delivered
