"""Check that a recording leaves out exactly the audio that must not be heard. Pure.

A frame that the gateway received 2 s or more after a `stop` or `do-not-record`, and before the next
`record`, must not be heard. The delay between sending and receiving is known only roughly. Times
are milliseconds since the epoch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from simulator.script import Json

GRACE_MS = 2_000
CLOCK_MS = 600
"""By how much a frame may count as received too early. The log has the time of the last frame of a
batch (500 ms). The times of the others are derived from the pace of the audio, within 60 ms."""
DELAY_MS = 1_500
"""The longest delay between sending and receiving a frame, on a busy machine."""


@dataclass(frozen=True, slots=True)
class WithheldPeriod:
    """A period in which nothing may be heard, or a gap of a contact: from `begin` on, and before
    `end` (None: without end)."""

    begin: int
    end: int | None

    def is_certain(self, sent_at: float) -> bool:
        """Return whether a frame sent at that time was certainly received in the period."""
        return self.begin + CLOCK_MS <= sent_at and (
            self.end is None or sent_at + DELAY_MS < self.end
        )

    def is_possible(self, sent_at: float) -> bool:
        """Return whether a frame sent at that time may have been received in the period."""
        return self.begin - DELAY_MS <= sent_at and (
            self.end is None or sent_at < self.end + CLOCK_MS
        )


def periods(decisions: Iterable[Json]) -> list[WithheldPeriod]:
    """Return the periods in which nothing may be heard, by a contact's decisions (with `at` and
    `decision`)."""
    found: list[WithheldPeriod] = []
    begin: int | None = None
    for decision in sorted(decisions, key=lambda each: str(each["at"])):
        at = _ms(decision["at"])
        if decision["decision"] != "record":
            begin = at + GRACE_MS if begin is None else begin
            continue
        if begin is not None and begin < at:
            found.append(WithheldPeriod(begin, at))
        begin = None
    return [*found, WithheldPeriod(begin, None)] if begin is not None else found


def gaps_of(contact: Json | None) -> list[WithheldPeriod]:
    """Return the gaps of a contact, and the time after the call, of which nothing is required by
    the times of its events."""
    if contact is None:
        return []
    gaps = [WithheldPeriod(_ms(gap["from"]), _ms(gap["to"])) for gap in contact["gaps"]]
    if ended_at := contact.get("ended_at"):
        gaps.append(WithheldPeriod(_ms(ended_at), None))
    return gaps


def heard_too_late(heard_at: Iterable[float], found: Sequence[WithheldPeriod]) -> list[str]:
    """Return the mistakes about frames that are heard. `heard_at`: when each was sent."""
    late = [at for at in heard_at if any(period.is_certain(at) for period in found)]
    if not late:
        return []
    return [f"{len(late)} frames must not be heard but are, the last one sent at {max(late):.0f}"]


def withheld_too_early(withheld_at: Iterable[float], found: Sequence[WithheldPeriod]) -> list[str]:
    """Return the mistakes about withheld frames. `withheld_at`: when each was sent."""
    early = [at for at in withheld_at if not any(period.is_possible(at) for period in found)]
    if not early:
        return []
    return [f"{len(early)} frames must not be withheld but are, the first sent at {min(early):.0f}"]


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
