"""What this process has heard of the gateways, measured by the clock of the ticks.

This is memory of one process, and lost with it. What is lost only puts a verdict off: silence
counts from when ticks began to come regularly, for while they do not, Kafka, who writes the ticks
or this process itself was away, and nothing can be said about the gateways.
"""

from dataclasses import dataclass
from enum import Enum

SILENT_MS = 10_000
"""A gateway that is not heard for this long is taken for dead; it speaks every 2 s."""
REGULAR_MS = 3_000
"""Ticks that are not further apart come regularly."""
FORGET_MS = 60 * 60_000
"""A gateway is remembered for so long after it was last heard."""


class Fate(Enum):
    """What is known of a gateway's life."""

    ALIVE = "heard lately"
    UNKNOWN = "not heard, but not for long enough to tell"
    SILENT = "not heard for too long"
    REPLACED = "a later life of it was heard"


@dataclass(frozen=True, slots=True)
class _Heard:
    epoch: int
    at: int


class Gateways:
    """Tell it of each tick and of each sign of life; ask it what became of a gateway.

    `steady_since`: since when ticks have come regularly (ms, their clock); None: none came yet.
    """

    def __init__(self, steady_since: int | None = None) -> None:
        self.steady_since = steady_since
        self._now = 0
        self._heard: dict[str, _Heard] = {}

    def ticked(self, now: int) -> None:
        """A tick of that time came; those of different partitions may come in any order."""
        if self.steady_since is None or now - self._now > REGULAR_MS:
            self.steady_since = now
        self._now = max(self._now, now)

    def heard(self, gateway: str, epoch: int) -> None:
        """The gateway lives, in that epoch."""
        before = self._heard.get(gateway)
        if before is None:
            since = self._now - FORGET_MS
            self._heard = {name: h for name, h in self._heard.items() if h.at >= since}
        known = epoch if before is None else max(epoch, before.epoch)
        self._heard[gateway] = _Heard(known, self._now)

    def fate(self, gateway: str, epoch: int) -> Fate:
        """What became of a gateway that was alive in that epoch."""
        known = self._heard.get(gateway)
        if known is not None and known.epoch > epoch:
            return Fate.REPLACED
        if known is not None and self._now - known.at < SILENT_MS:
            return Fate.ALIVE
        if self.steady_since is None or self._now - self.steady_since < SILENT_MS:
            return Fate.UNKNOWN
        return Fate.SILENT
