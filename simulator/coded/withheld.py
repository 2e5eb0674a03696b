"""Whether exactly the audio that must not be heard is left out of a recording. Pure.

A frame that the gateway received 2 s or more after a `stop` or `do-not-record`, and before the next
`record`, must not be heard. A frame is received after it was sent; how long after is known only
roughly. Times are milliseconds since the epoch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from simulator.script import Json

GRACE_MS = 2_000
CLOCK_MS = 600
"""How much earlier than it was received a frame may count as received: the log says when the last
frame of a batch (500 ms) was received, and the others count by the pace of the audio, within 60 ms.
"""
DELAY_MS = 1_500
"""How long a frame that was sent may take to be received, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Period:
    """Time from `begin` on and before `end`, in which nothing may be heard, or which is a gap of a
    contact; None: no end."""

    begin: int
    end: int | None

    def is_certain(self, sent_at: float) -> bool:
        """Whether a frame sent then was certainly received in the period."""
        return self.begin + CLOCK_MS <= sent_at and (
            self.end is None or sent_at + DELAY_MS < self.end
        )

    def is_possible(self, sent_at: float) -> bool:
        """Whether a frame sent then may have been received in the period."""
        return self.begin - DELAY_MS <= sent_at and (
            self.end is None or sent_at < self.end + CLOCK_MS
        )


def periods(decisions: Iterable[Json]) -> list[Period]:
    """Return when nothing may be heard, by a contact's decisions (with `at` and `decision`)."""
    found: list[Period] = []
    begin: int | None = None
    for decision in sorted(decisions, key=lambda each: str(each["at"])):
        at = _ms(decision["at"])
        if decision["decision"] != "record":
            begin = at + GRACE_MS if begin is None else begin
            continue
        if begin is not None and begin < at:
            found.append(Period(begin, at))
        begin = None
    return [*found, Period(begin, None)] if begin is not None else found


def gaps_of(contact: Json | None) -> list[Period]:
    """Return the gaps of a contact."""
    gaps = contact["gaps"] if contact else ()
    return [Period(_ms(gap["from"]), _ms(gap["to"])) for gap in gaps]


def heard_too_late(heard_at: Iterable[float], found: Sequence[Period]) -> list[str]:
    """Return what is wrong with the frames in the audio. `heard_at`: when each was sent."""
    late = [at for at in heard_at if any(period.is_certain(at) for period in found)]
    if not late:
        return []
    return [f"{len(late)} frames are heard that must not be, the last one sent at {max(late):.0f}"]


def withheld_too_early(withheld_at: Iterable[float], found: Sequence[Period]) -> list[str]:
    """Return what is wrong with the frames that are withheld. `withheld_at`: when each was sent."""
    early = [at for at in withheld_at if not any(period.is_possible(at) for period in found)]
    if not early:
        return []
    return [
        f"{len(early)} frames are withheld that must not be, the first sent at {min(early):.0f}"
    ]


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
