"""The disorder of Event Streams: some events arrive late, after newer ones, and some arrive twice.

Twilio promises delivery at least once, in any order. Here events are late by at most a second, so
that a call can be checked soon after its end. Events marked `prompt` are never late: without them
no product could decide correctly in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from simulator.script import EventSent, ScriptStep

LATEST_MS = 1000
DELIVERY_MS = (20, 90)


@dataclass(frozen=True, slots=True)
class Disorder:
    """The shares of events that arrive late and twice, and the longest delay of both."""

    late_share: float = 0.15
    repeated_share: float = 0.12
    latest_ms: int = LATEST_MS


def disordered(
    steps: Sequence[ScriptStep], random: Random, disorder: Disorder | None = None
) -> tuple[ScriptStep, ...]:
    """Return the steps with a delivery delay added to each event, in order of time. Some events are
    late, and some are repeated (with the same event id). Other steps keep their times."""
    disorder = disorder or Disorder()
    moved = [step for step in steps if not isinstance(step.action, EventSent)]
    for step in steps:
        if isinstance(step.action, EventSent):
            moved += _delivered(step, step.action, random, disorder)
    return tuple(sorted(moved, key=lambda step: step.at))


def _delivered(
    step: ScriptStep, sent: EventSent, random: Random, disorder: Disorder
) -> list[ScriptStep]:
    delay = random.randint(*DELIVERY_MS)
    if not sent.prompt and random.random() < disorder.late_share:
        delay = random.randint(DELIVERY_MS[1], disorder.latest_ms)
    delivered = [ScriptStep(step.at + delay, sent)]
    if random.random() < disorder.repeated_share:
        delivered.append(ScriptStep(step.at + delay + random.randint(0, disorder.latest_ms), sent))
    return delivered
