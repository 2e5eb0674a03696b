"""Log lines about a lasting state: at once, then once a minute, and at its end."""

import structlog

log = structlog.get_logger(__name__)

SAY_EVERY_S = 60.0
SAY_OTHER_S = 10.0
"""A reason that differs from the last one is logged after this shorter time (s)."""


class Lasting:
    """Log lines about a state that may last. `waiting` and `over` are the lines. Times are in
    seconds of any monotonic clock."""

    def __init__(self, waiting: str, over: str) -> None:
        self._waiting = waiting
        self._over = over
        self._said_at: float | None = None
        self._said = ""

    def lasts(self, now: float, reason: str) -> None:
        """Log the reason, unless it was logged within the last minute, or another one within the
        last 10 s."""
        rest = SAY_EVERY_S if reason == self._said else SAY_OTHER_S
        if self._said_at is None or now - self._said_at >= rest:
            self._said_at, self._said = now, reason
            log.warning(self._waiting, reason=reason)

    def ends(self) -> None:
        """Log that the state is over, if it was logged before."""
        if self._said_at is not None:
            self._said_at = None
            log.info(self._over)
