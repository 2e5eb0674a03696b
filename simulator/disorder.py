"""Event Streams' disorder: some events come late, behind others, and some come twice.

Twilio promises at least once and no order. What is late here is late by a second at most, so that
a call can still be judged soon after its end; and never an event marked prompt, whose lateness
would leave nobody a chance to decide rightly in time.
"""

from collections.abc import Sequence
from random import Random

from simulator.script import EventSent, Step

LATE_SHARE, REPEATED_SHARE = 0.15, 0.12
LATEST_MS = 1000
DELIVERY_MS = (20, 90)


def disordered(steps: Sequence[Step], random: Random) -> tuple[Step, ...]:
    """The steps with each event's way to Kinesis added to its time, some late and some repeated
    (same event id), again in order of time. Steps that are no events keep theirs."""
    moved = [step for step in steps if not isinstance(step.action, EventSent)]
    for step in steps:
        if isinstance(step.action, EventSent):
            moved += _delivered(step, step.action, random)
    return tuple(sorted(moved, key=lambda step: step.at))


def _delivered(step: Step, sent: EventSent, random: Random) -> list[Step]:
    delay = random.randint(*DELIVERY_MS)
    if not sent.prompt and random.random() < LATE_SHARE:
        delay = random.randint(DELIVERY_MS[1], LATEST_MS)
    delivered = [Step(step.at + delay, sent)]
    if random.random() < REPEATED_SHARE:
        delivered.append(Step(step.at + delay + random.randint(0, LATEST_MS), sent))
    return delivered
