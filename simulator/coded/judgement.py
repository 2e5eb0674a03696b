"""The result of checking the frames of media streams. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Judgement:
    """The result for one media stream: numbers of frames, and differences (`wrong`).

    Each frame that was `sent` counts as one of these:
    - `recorded`: at its place in the audio
    - `lost`, by reason, or `withheld`: according to the manifest
    - `unread`: it must not be heard, and the gateway did not read it, because it had closed the
      socket or was killed
    - `in_gap`: lost with a gateway that died, in a gap of the contact or after the call
    - `in_burst`: lost with a gateway that died, and sent faster than real time by a sender that had
      been late
    - `unaccounted`: unaccounted for

    `silent`: frames that were never created, by the reason in the manifest. `strange`: misplaced
    frames in the audio, by the kind of mistake. `lost_at_end`: frames after the last recorded one,
    on the track that has more of them.
    """

    sent: int = 0
    recorded: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    unread: int = 0
    in_gap: int = 0
    in_burst: int = 0
    silent: Counter[str] = field(default_factory=Counter)
    unaccounted: int = 0
    strange: Counter[str] = field(default_factory=Counter)
    lost_at_end: int = 0
    wrong: list[str] = field(default_factory=list)


def total(judgements: Sequence[Judgement]) -> Judgement:
    """Return the sum of all."""
    sums = Judgement()
    for one in judgements:
        sums.sent += one.sent
        sums.recorded += one.recorded
        sums.lost += one.lost
        sums.withheld += one.withheld
        sums.unread += one.unread
        sums.in_gap += one.in_gap
        sums.in_burst += one.in_burst
        sums.silent += one.silent
        sums.unaccounted += one.unaccounted
        sums.strange += one.strange
        sums.lost_at_end = max(sums.lost_at_end, one.lost_at_end)
        sums.wrong += one.wrong
    return sums
