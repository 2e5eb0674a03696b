"""Check the manifest's reasons for the frames that are missing within a track. Pure.

A frame that was sent, or that was lost after it was numbered, must never count as not sent. Silence
counts as not sent if no number is missing between the frames around it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from simulator.coded.manifest import Hole
from simulator.coded.sent import FrameFate
from simulator.expected import FRAME_SAMPLES, JITTER_SAMPLES, SAMPLES_PER_MS

NOT_SENT, NOT_RECEIVED = "not-sent", "not-received"


@dataclass(frozen=True, slots=True)
class SpeechTurn:
    """A frame's turn on a track. `recorded`: the frame is in the audio."""

    timestamp: int
    fate: FrameFate
    recorded: bool

    @property
    def middle(self) -> int:
        """The sample in the middle of the frame's place, whether it was recorded or not."""
        return self.timestamp * SAMPLES_PER_MS + FRAME_SAMPLES // 2


@dataclass(slots=True)
class _Gap:
    """The turns between two recorded frames, or after the last one (`is_last`)."""

    turns: list[SpeechTurn] = field(default_factory=list)
    is_last: bool = True


def untrue(turns: Iterable[SpeechTurn], holes: Sequence[Hole]) -> list[str]:
    """Return the reasons that are wrong. `turns`: all turns of a track, in order; `holes`: the
    track's holes in the manifest."""
    wrong: list[str] = []
    for gap in _gaps(turns):
        wrong += [
            f"{turn.fate.value} at {turn.timestamp} ms, and lost as {NOT_SENT}"
            for turn in gap.turns
            if turn.fate is not FrameFate.NEVER_MADE and reason_at(turn, holes) == NOT_SENT
        ]
        fates = {turn.fate for turn in gap.turns}
        if gap.is_last or FrameFate.SENT in fates:
            continue
        expected = NOT_SENT if fates == {FrameFate.NEVER_MADE} else NOT_RECEIVED
        wrong += [
            f"{turn.fate.value} at {turn.timestamp} ms, and lost as {reason}, expected {expected}"
            for turn in gap.turns
            if (reason := reason_at(turn, holes)) != expected
        ]
    return wrong


def _gaps(turns: Iterable[SpeechTurn]) -> Iterator[_Gap]:
    """Yield the missing turns after each recorded frame, if there are any."""
    gap: _Gap | None = None
    for turn in turns:
        if not turn.recorded:
            if gap is not None:
                gap.turns.append(turn)
            continue
        if gap is not None and gap.turns:
            gap.is_last = False
            yield gap
        gap = _Gap()
    if gap is not None and gap.turns:
        yield gap


def reason_at(turn: SpeechTurn, holes: Iterable[Hole]) -> str | None:
    """Return the reason of the hole at the frame's place; None if there is no hole."""
    slack = JITTER_SAMPLES // 2
    for hole in holes:
        if hole.at - slack <= turn.middle < hole.end + slack:
            return hole.reason
    return None
