"""The pace of requests that are not urgent. Pure.

Each 429 doubles the pause before the next request, and while the pause is longer than zero only one
request may be under way. Each answer halves the pause.
"""

from dataclasses import dataclass

FIRST_MS, LONGEST_MS = 1_000, 60_000
"""The pause after the first 429, and the longest one."""


@dataclass(frozen=True, slots=True)
class RequestPace:
    """`pause_ms`: the present pause; `not_before`: when the next request may go out (ms)."""

    pause_ms: int = 0
    not_before: int = 0

    def most(self, permits: int) -> int:
        """Return how many of the permits may be used at once."""
        return min(permits, 1) if self.pause_ms else permits


FREE = RequestPace()


def throttled(pace: RequestPace, now: int, retry_after_ms: int, jitter: float) -> RequestPace:
    """Note a 429 at `now` (ms). `retry_after_ms`: the wait that Twilio asks for, 0 if it does not;
    at most `LONGEST_MS` of it counts. `jitter` (0 to 1) spreads the requests of several
    processes."""
    if now < pace.not_before:
        return pace  # an answer to a request from before the pause
    pause = min(max(2 * pace.pause_ms, FIRST_MS), LONGEST_MS)
    wait = max(round(pause * (0.5 + jitter / 2)), min(retry_after_ms, LONGEST_MS))
    return RequestPace(pause, now + wait)


def answered(pace: RequestPace) -> RequestPace:
    """Note that Twilio carried out a request."""
    pause = pace.pause_ms // 2
    return RequestPace(pause, pace.not_before) if pause >= FIRST_MS else FREE
