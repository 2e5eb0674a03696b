"""Legs that several tasks have. Pure.

Attributes may name any leg (`other_task`). Only Twilio's callbacks and lists show that a leg is in
a task's conference (`listed_task`).
"""

from pipeline.calls.claims import values_of
from schemas.fast_dataclass import dataclass
from schemas.records import Call, Leg


@dataclass(frozen=True, slots=True)
class Contested:
    """Other tasks with the same leg. `listed`: tasks with the leg in their conference, as Twilio
    showed it, the latest first; `named`: tasks with attributes that name it; `listed_at`: when
    Twilio showed it in the latest of those conferences (ms), or 0."""

    listed: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    listed_at: int = 0

    @property
    def task_sids(self) -> tuple[str, ...]:
        """All these tasks, those with the strongest evidence first."""
        return tuple(dict.fromkeys((*self.listed, *self.named)))


def contested_legs(call: Call) -> dict[str, Contested]:
    """Return the legs of the call that other tasks have too, each with those tasks."""
    return {leg.call_sid: _contested(leg) for leg in call.legs if is_contested_leg(leg)}


def _contested(leg: Leg) -> Contested:
    listed = values_of(leg.facts, "listed_task")
    named = values_of(leg.facts, "other_task")
    return Contested(
        tuple(fact.value for fact in listed),
        tuple(fact.value for fact in named),
        listed[0].at if listed else 0,
    )


def is_contested_leg(leg: Leg) -> bool:
    """Return whether another task has the leg too."""
    return not leg.facts.keys().isdisjoint({"other_task", "listed_task"})


def conference_signs(call: Call) -> int:
    """Return the number of signs of the call's conference in the events. It never decreases.
    Attributes add at most one."""
    joined = sum("joined" in leg.milestones for leg in call.legs)
    return joined + ("conference-start" in call.milestones) + ("conference_sid" in call.facts)
