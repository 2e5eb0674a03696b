"""The facts of a leg that identify it: its ends and its label. Pure."""

from collections.abc import Mapping
from functools import lru_cache

from pipeline.calls.ends import Alike, LegEnds, alike, leg_ends
from pipeline.calls.workers import value
from schemas.records import Fact, Leg


def ends_of(leg: Leg) -> LegEnds:
    """Return the ends of a leg, as far as events or Twilio's answers have them."""
    return _ends(leg.facts)


def label_of(leg: Leg) -> str:
    """Return the label of a leg in lower case, empty if it has none."""
    return (value(leg.facts, "label") or "").lower()


def is_client(ends: LegEnds) -> bool:
    """Return whether the person is at a Flex client."""
    return any(end.startswith("client:") for end in ends.persons)


def is_at_another_end(leg: Leg, customer: str | None) -> bool:
    """Return whether the person on the leg is certainly not at the customer's end. `customer`: that
    end in normal form, None if it is hidden or not known."""
    persons = () if customer is None else ends_of(leg).persons
    return bool(persons) and all(alike(end, customer or "") is Alike.OTHER for end in persons)


def _ends(facts: Mapping[str, Fact]) -> LegEnds:
    return _leg_ends(value(facts, "from"), value(facts, "to"), value(facts, "call_direction"))


_leg_ends = lru_cache(maxsize=4_096)(leg_ends)


def is_shown_late(leg: Leg, customer: str | None) -> bool:
    """Return whether a leg that attributes named late as the customer's may be streamed without a
    look-up: its ends are known, and none certainly differs from `customer` (in normal form). A leg
    without known ends may be the worker's own."""
    persons = ends_of(leg).persons
    if customer is None:
        return bool(persons)
    return any(alike(end, customer) is not Alike.OTHER for end in persons)
