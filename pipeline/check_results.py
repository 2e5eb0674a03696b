"""The results of `flexcapture twilio doctor`, which it saves and the console shows. Pure."""

from dataclasses import dataclass
from enum import StrEnum

STALE_MS = 24 * 60 * 60 * 1000
"""Older results (ms) are marked as stale, because the checks are meant to be run every day."""


class CheckStatus(StrEnum):
    """The status of a link of the chain from Twilio to the recordings store."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of a check. `remedy` is empty if the status is `ok`."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    """All results of a run that ended at `at` (ms since the epoch)."""

    at: int
    results: tuple[CheckResult, ...]

    def number(self, status: CheckStatus) -> int:
        """Return how many checks have this status."""
        return sum(each.status is status for each in self.results)

    def is_stale(self, now: int) -> bool:
        """Return whether the run is too old at `now` (ms) to show the present state."""
        return now - self.at > STALE_MS
