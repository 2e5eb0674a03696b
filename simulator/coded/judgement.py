"""What was found out about the frames of media streams. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Judgement:
    """Of one media stream: how many frames were `sent`, `recorded` in their places, and, of those
    that were not, how many the manifest tells `lost`, by reason, or `withheld`; `unread`: how many
    of those that must not be heard the gateway did not read, as it had closed the socket or was
    killed; `in_gap`: how many a gateway took with it in a gap of the contact; `untold`: how many
    are left. `silent`: frames that were never made, by the reason that the manifest gives for the
    hole. `strange`: frames in the audio that do not belong where they are, by what is wrong with
    them. `lost_at_end`: frames of the track that has most of them, after the last one recorded."""

    sent: int = 0
    recorded: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    unread: int = 0
    in_gap: int = 0
    silent: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    strange: Counter[str] = field(default_factory=Counter)
    lost_at_end: int = 0
    wrong: list[str] = field(default_factory=list)


def total(judgements: Sequence[Judgement]) -> Judgement:
    """All together."""
    sums = Judgement()
    for one in judgements:
        sums.sent += one.sent
        sums.recorded += one.recorded
        sums.lost += one.lost
        sums.withheld += one.withheld
        sums.unread += one.unread
        sums.in_gap += one.in_gap
        sums.silent += one.silent
        sums.untold += one.untold
        sums.strange += one.strange
        sums.lost_at_end = max(sums.lost_at_end, one.lost_at_end)
        sums.wrong += one.wrong
    return sums
