"""The gateways' signs of life in this process, measured by the clock of the ticks.

This is memory of one process, and lost with it. Its loss only delays a verdict: silence
counts from when ticks began to come regularly, for while they do not, Kafka, who writes the ticks
or this process itself was away, and nothing can be said about the gateways.
"""

from dataclasses import dataclass, replace
from enum import Enum

SILENT_MS = 10_000
"""A gateway that is not heard for this long is taken for dead; it speaks every 2 s."""
REGULAR_MS = 3_000
"""Ticks that are not further apart come regularly."""
STALE_AFTER_MS = 3_000
"""The clock of the ticks may be behind the records of other partitions by so much."""
FORGET_MS = 60 * 60_000
"""A gateway is remembered for so long after it was last heard."""


class Fate(Enum):
    """The known state of a gateway's life."""

    ALIVE = "heard lately"
    UNKNOWN = "not heard, but not for long enough to tell"
    SILENT = "not heard for too long"
    REPLACED = "a later life of it was heard"
    STALE = "a later life of it had been heard before it took the media stream"


@dataclass(frozen=True, slots=True)
class _Heard:
    epoch: int
    at: int
    epoch_since: int


class Gateways:
    """The fate of gateways, from each tick and each sign of life.

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
        if before is None or epoch > before.epoch:
            self._heard[gateway] = _Heard(epoch, self._now, self._now)
        else:
            self._heard[gateway] = replace(before, at=self._now)

    def fate(self, gateway: str, epoch: int, since: int | None = None) -> Fate:
        """What became of a gateway that was alive in that epoch, and took a media stream in at
        `since` (ms; None: not known). An epoch that is not the greatest one is over. If the media
        stream was taken in after the greater epoch was heard, its gateway is alive all the same:
        two processes have one name, or epochs went back."""
        known = self._heard.get(gateway)
        if known is not None and known.epoch > epoch:
            is_stale = since is not None and since > known.epoch_since + STALE_AFTER_MS
            return Fate.STALE if is_stale else Fate.REPLACED
        if known is not None and self._now - known.at < SILENT_MS:
            return Fate.ALIVE
        if self.steady_since is None or self._now - self.steady_since < SILENT_MS:
            return Fate.UNKNOWN
        return Fate.SILENT
