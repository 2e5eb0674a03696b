"""How a process speaks of a state that lasts: at once, then once a minute, then that it is over."""

import structlog

log = structlog.get_logger(__name__)

SAY_EVERY_S = 60.0


class Lasting:
    """Log lines about a state that may last. `waiting` and `over` are the lines; times in seconds
    of any clock that only grows."""

    def __init__(self, waiting: str, over: str) -> None:
        self._waiting = waiting
        self._over = over
        self._said_at: float | None = None

    def lasts(self, now: float, reason: str) -> None:
        """Log the reason, unless that was done within the last minute."""
        if self._said_at is None or now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            log.warning(self._waiting, reason=reason)

    def ends(self) -> None:
        """Log that the state is over, if it was logged before."""
        if self._said_at is not None:
            self._said_at = None
            log.info(self._over)
