"""The gateways' signs of life as this process received them, measured by the ticks' clock.

They are kept in memory only. After a restart, it takes longer until a silent gateway is recognized:
silence counts only while ticks arrive regularly. If they do not, Kafka, the writer of the ticks or
this process itself was unavailable, and nothing is known about the gateways.
"""

from dataclasses import dataclass, replace
from enum import Enum

SILENT_MS = 10_000
"""A gateway without a sign of life for this long (ms) counts as dead. It sends one every 2 s."""
REGULAR_MS = 3_000
"""The greatest distance (ms) between ticks that still counts as regular."""
STALE_AFTER_MS = 3_000
"""How far (ms) the ticks may be behind the records of other partitions."""
FORGET_MS = 60 * 60_000
"""How long (ms) a gateway is remembered after its last sign of life."""


class Fate(Enum):
    """The known state of the gateway process that had a certain epoch."""

    ALIVE = "sent a sign of life lately"
    UNKNOWN = "no sign of life, but not for long enough to conclude anything"
    SILENT = "no sign of life for too long"
    REPLACED = "a process with a later epoch sent a sign of life"
    STALE = "a later epoch was known before the media stream was accepted"


@dataclass(frozen=True, slots=True)
class _LastSign:
    epoch: int
    at: int
    epoch_since: int


class Gateways:
    """Derives the fate of gateways from ticks and signs of life.

    `steady_since`: since when ticks have been regular (ms, their clock); None before the first
    tick.
    """

    def __init__(self, steady_since: int | None = None) -> None:
        self.steady_since = steady_since
        self._now = 0
        self._last_signs: dict[str, _LastSign] = {}

    def ticked(self, now: int) -> None:
        """Note a tick with that time. Ticks of different partitions may come in any order."""
        if self.steady_since is None or now - self._now > REGULAR_MS:
            self.steady_since = now
        self._now = max(self._now, now)

    def note_alive(self, gateway: str, epoch: int) -> None:
        """Note a sign of life of the gateway in that epoch."""
        before = self._last_signs.get(gateway)
        if before is None:
            since = self._now - FORGET_MS
            self._last_signs = {name: s for name, s in self._last_signs.items() if s.at >= since}
        if before is None or epoch > before.epoch:
            self._last_signs[gateway] = _LastSign(epoch, self._now, self._now)
        else:
            self._last_signs[gateway] = replace(before, at=self._now)

    def fate(self, gateway: str, epoch: int, since: int | None = None) -> Fate:
        """Return the fate of the gateway process with that epoch, which accepted a media stream at
        `since` (ms; None: not known). A process ends when a greater epoch of its name begins. If
        the media stream was accepted after the first sign of life with the greater epoch, its
        gateway is alive nevertheless: two processes share a name, or epochs decreased."""
        known = self._last_signs.get(gateway)
        if known is not None and known.epoch > epoch:
            is_stale = since is not None and since > known.epoch_since + STALE_AFTER_MS
            return Fate.STALE if is_stale else Fate.REPLACED
        if known is not None and self._now - known.at < SILENT_MS:
            return Fate.ALIVE
        if self.steady_since is None or self._now - self.steady_since < SILENT_MS:
            return Fate.UNKNOWN
        return Fate.SILENT
