"""Transitions between states, as tables. docs/states.md draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S]):
    """A possible change of a state. `before`: None for a beginning; `cause`: a short text."""

    before: S | None
    after: S
    cause: str


def may_follow(table: Sequence[Transition[S]], before: S | None, after: S) -> bool:
    """Return whether the table has a transition from `before` to `after`, or they are equal."""
    return before == after or any((t.before, t.after) == (before, after) for t in table)
