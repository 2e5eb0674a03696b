"""Verdicts about an assumption about Twilio. Pure."""

from enum import StrEnum


class Status(StrEnum):
    """Whether an assumption holds on this account."""

    HOLDS = "holds"
    DIFFERS = "differs"  # it does not hold, but the product works nevertheless
    CHANGE = "change-needed"
    NOT_SEEN = "not-seen"  # this call did not show it
    NOT_SHOWN = "not-shown"  # no such call shows it


Judged = tuple[Status, str]
"""Whether it holds, and the observation."""
NO_AUDIO = "no media stream reached a gateway"


def holds(found: str) -> Judged:
    """Return the verdict that the assumption holds."""
    return Status.HOLDS, found


def differs(found: str) -> Judged:
    """Return the verdict that the assumption does not hold, and that nothing needs a change."""
    return Status.DIFFERS, found


def not_seen(found: str) -> Judged:
    """Return the verdict that the call did not show it."""
    return Status.NOT_SEEN, found
